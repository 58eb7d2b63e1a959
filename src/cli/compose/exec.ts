import { invalid, notFound } from '../../base/index.ts';
import { containersOf } from '../../compose/index.ts';
import { execCommand as engineExecCommand } from '../commands/exec.ts';
import { CliCommand, listOption, parsedOption, parseWholeNumber, runCommand } from '../grammar.ts';
import type { ComposeContext } from './context.ts';

interface ExecFlags {
  readonly detach?: boolean;
  readonly env: readonly string[];
  readonly index?: number;
  readonly privileged?: boolean;
  /** False for --no-tty. */
  readonly tty: boolean;
  readonly user?: string;
  readonly workdir?: string;
}

export function execCommand(context: ComposeContext, path: string): CliCommand {
  const command = new CliCommand(path, 'Execute a command in a running container', { interspersed: false });
  command
    .usage('[OPTIONS] SERVICE COMMAND [ARGS...]')
    .argument('<service>')
    .argument('<command>')
    .argument('[args...]')
    .option('-d, --detach', 'Detached mode: Run command in the background')
    .addOption(listOption('-e, --env <list>', 'Set environment variables'))
    .addOption(
      parsedOption(
        '--index <number>',
        'Index of the container if service has multiple replicas',
        parseWholeNumber,
      ),
    )
    .option('-T, --no-tty', 'Disable pseudo-TTY allocation')
    .option('--privileged', 'Give extended privileges to the process')
    .option('-u, --user <string>', 'Run the command as this user')
    .option('-w, --workdir <string>', 'Path to workdir directory for this command')
    .action((service: string, program: string, args: readonly string[], flags: ExecFlags) =>
      exec(context, path, { service, words: [program, ...args] }, flags),
    );
  return command;
}

/** `docker exec` in the service's container: with a terminal where there is one, unless -T says otherwise. */
async function exec(
  context: ComposeContext,
  path: string,
  { service, words }: { service: string; words: readonly string[] },
  flags: ExecFlags,
): Promise<void> {
  const container = await runningContainer(context, service, flags.index);
  const terminal = flags.tty && flags.detach !== true && process.stdin.isTTY && process.stdout.isTTY;
  const options = [
    ...(flags.detach === true ? ['--detach'] : ['--interactive']),
    ...(terminal ? ['--tty'] : []),
    ...(flags.privileged === true ? ['--privileged'] : []),
    ...flags.env.flatMap((variable) => ['--env', variable]),
    ...(flags.user === undefined ? [] : ['--user', flags.user]),
    ...(flags.workdir === undefined ? [] : ['--workdir', flags.workdir]),
  ];
  const outcome = await runCommand(engineExecCommand(context.cli, path), [...options, container, ...words]);
  if (outcome.kind === 'refused') throw invalid(outcome.text);
}

async function runningContainer(
  context: ComposeContext,
  service: string,
  index: number | undefined,
): Promise<string> {
  const selected = context.selected([service]);
  const { client } = await context.run();
  const running = (await containersOf({ client }, selected)).filter(({ state }) => state === 'running');
  const container = running.find(({ number }) => index === undefined || number === index);
  if (container !== undefined) return container.id;
  const which = index === undefined ? '' : ` container #${index}`;
  throw notFound(`service "${service}"${which} is not running`, {
    hint: `Start it with: ${context.cli.name} compose up -d ${service}`,
  });
}
