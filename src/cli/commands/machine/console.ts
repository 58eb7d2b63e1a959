import { conflict } from '../../../base/index.ts';
import type { EngineClient } from '../../../client/index.ts';
import type { Cli } from '../../cli.ts';
import { CliCommand } from '../../grammar.ts';
import { detachKeysOption } from '../../terminal/detach-keys.ts';
import { Session } from '../../terminal/session.ts';
import { leftByKeys } from '../attach.ts';

interface ConsoleFlags {
  readonly detachKeys?: string;
  /** True unless --no-stdin was given. */
  readonly stdin: boolean;
}

export function consoleCommand(cli: Cli, path: string): CliCommand {
  const command = new CliCommand(path, 'Join the serial console of a running machine');
  command
    .usage('[OPTIONS] MACHINE')
    .argument('<machine>')
    .addOption(detachKeysOption())
    .option('--no-stdin', 'Only look on')
    .action(async (machine: string, flags: ConsoleFlags) => {
      const client = await cli.connect();
      const { Id: id, Name: name, State: state } = await client.machines.inspect(machine);
      if (!state.Running) {
        throw conflict(`the machine ${name} does not run`, {
          hint: `Start it (berth vm start ${name}), or read what it said: berth vm logs ${name}`,
        });
      }
      if (process.stdin.isTTY && flags.stdin) {
        process.stderr.write(
          `This is the console of ${name}: ctrl-p ctrl-q leaves it, Enter shows its prompt.\n`,
        );
      }
      cli.exitCode = (await joinConsole(client, id, flags)) === 'detached' ? leftByKeys() : 0;
    });
  return command;
}

/** Joins our terminal, or our pipes, with a machine's console until it ends or the user leaves. `start` runs once all is joined. */
export async function joinConsole(
  client: EngineClient,
  id: string,
  { stdin, detachKeys }: ConsoleFlags,
  start?: () => Promise<unknown>,
): Promise<'ended' | 'detached'> {
  const leaving = new AbortController();
  const { signal } = leaving;
  using _leave = { [Symbol.dispose]: () => leaving.abort() };
  const streams = { stdin, stdout: true, stderr: true };
  const stream = await client.machines.attach(id, {
    ...streams,
    ...(detachKeys === undefined ? {} : { detachKeys }),
    signal,
  });
  using session = new Session({
    ...{ stream, stdin, tty: true, detachKeys },
    resize: (size) => client.machines.resize(id, size, { signal }),
  });
  await start?.();
  void session.fitTerminal();
  return await session.ended;
}
