import { invalid } from '../../base/index.ts';
import type { Cli } from '../cli.ts';
import { failureText } from '../failure.ts';
import { CliCommand } from '../grammar.ts';
import { detachKeysOption } from '../terminal/detach-keys.ts';
import { checkTerminal } from '../terminal/session.ts';
import { joinContainer } from './attach.ts';

interface StartFlags {
  readonly attach?: boolean;
  readonly interactive?: boolean;
  readonly detachKeys?: string;
}

export function startCommand(cli: Cli, path: string): CliCommand {
  const command = new CliCommand(path, 'Start one or more stopped containers');
  command
    .usage('[OPTIONS] CONTAINER [CONTAINER...]')
    .argument('<container...>')
    .option('-a, --attach', 'Attach STDOUT/STDERR and forward signals')
    .addOption(detachKeysOption())
    .option('-i, --interactive', "Attach container's STDIN")
    .action((containers: readonly string[], flags: StartFlags) =>
      flags.attach === true || flags.interactive === true
        ? startAttached(cli, containers, flags)
        : startAll(cli, containers),
    );
  return command;
}

/** One after the other, as a container may need an earlier one. */
async function startAll(cli: Cli, containers: readonly string[]): Promise<void> {
  const client = await cli.connect();
  const failed: string[] = [];
  for (const container of containers) {
    try {
      await client.containers.start(container);
      process.stdout.write(`${container}\n`);
    } catch (error) {
      process.stderr.write(`${failureText(error)}\n`);
      failed.push(container);
    }
  }
  if (failed.length === 0) return;
  process.stderr.write(`Error: failed to start containers: ${failed.join(', ')}\n`);
  cli.exitCode = 1;
}

async function startAttached(cli: Cli, containers: readonly string[], flags: StartFlags): Promise<void> {
  const [container, ...more] = containers;
  if (container === undefined || more.length > 0) {
    throw invalid('you cannot start and attach multiple containers at once');
  }
  const client = await cli.connect();
  const { Id: id, Config: config } = await client.containers.inspect(container);
  const tty = config.Tty === true;
  const stdin = flags.interactive === true && config.OpenStdin === true;
  checkTerminal({ stdin, tty });
  const start = () => client.containers.start(id);
  const { detachKeys } = flags;
  cli.exitCode = (await joinContainer(client, id, { tty, stdin, detachKeys, start })) ?? 0;
}
