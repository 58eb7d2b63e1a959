import { conflict } from '../../base/index.ts';
import type { EngineClient } from '../../client/index.ts';
import type { Cli } from '../cli.ts';
import { CliCommand } from '../grammar.ts';
import { detachKeysOption } from '../terminal/detach-keys.ts';
import { checkTerminal, Session } from '../terminal/session.ts';
import { forwardSignals } from '../terminal/signals.ts';

interface AttachFlags {
  readonly detachKeys?: string;
  /** True unless --no-stdin was given. */
  readonly stdin: boolean;
}

export function attachCommand(cli: Cli, path: string): CliCommand {
  const command = new CliCommand(
    path,
    'Attach local standard input, output, and error streams to a running container',
  );
  command
    .usage('[OPTIONS] CONTAINER')
    .argument('<container>')
    .addOption(detachKeysOption())
    .option('--no-stdin', 'Do not attach STDIN')
    .action(async (container: string, flags: AttachFlags) => {
      cli.exitCode = await attach(await cli.connect(), container, flags);
    });
  return command;
}

async function attach(client: EngineClient, container: string, flags: AttachFlags): Promise<number> {
  const { Id: id, State: state, Config: config } = await client.containers.inspect(container);
  if (!state.Running) throw conflict('cannot attach to a stopped container, start it first');
  if (state.Paused) throw conflict('cannot attach to a paused container, unpause it first');
  const tty = config.Tty === true;
  const stdin = flags.stdin && config.OpenStdin === true;
  checkTerminal({ stdin, tty });
  const exitCode = await joinContainer(client, id, { tty, stdin, detachKeys: flags.detachKeys });
  return exitCode ?? leftByKeys();
}

/** As Docker's attach and exec end when the user has left: with a word and an exit code, as the process may go on. */
export function leftByKeys(): number {
  process.stderr.write('read escape sequence\n');
  return 1;
}

/**
 * Joins our streams with a container's until it exits or the user leaves it. Resolves to the exit code; undefined: the user
 * has left. `start` runs once all is joined.
 */
export async function joinContainer(
  client: EngineClient,
  id: string,
  options: {
    tty: boolean;
    stdin: boolean;
    detachKeys: string | undefined;
    start?: () => Promise<unknown>;
  },
): Promise<number | undefined> {
  const { tty, stdin, detachKeys, start } = options;
  const leaving = new AbortController();
  const { signal } = leaving;
  using _leave = { [Symbol.dispose]: () => leaving.abort() };
  const [stream, pending] = await Promise.all([
    client.containers.attach(id, { stdin, stdout: true, stderr: true, detachKeys, signal }),
    client.containers.wait(id, { condition: start === undefined ? 'not-running' : 'next-exit', signal }),
  ]);
  using session = new Session({
    stream,
    stdin,
    tty,
    detachKeys,
    resize: (size) => client.containers.resize(id, size, { signal }),
  });
  using _signals = tty
    ? undefined
    : forwardSignals((name, scope) => client.containers.kill(id, { killSignal: name, scope }));
  await start?.();
  void session.fitTerminal();
  if ((await session.ended) === 'detached') return undefined;
  return (await pending.exit()).StatusCode;
}
