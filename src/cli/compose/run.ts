import {
  createOneOff,
  type OneOffOptions,
  type Project,
  parsePortShort,
  parseVolumeShort,
  splitCommand,
} from '../../compose/index.ts';
import { joinContainer } from '../commands/attach.ts';
import { readEnvironment } from '../container/environment.ts';
import { splitPair } from '../filters.ts';
import { CliCommand, listOption } from '../grammar.ts';
import type { ComposeContext } from './context.ts';

interface RunFlags {
  readonly build?: boolean;
  /** False for --no-deps. */
  readonly deps: boolean;
  readonly detach?: boolean;
  readonly entrypoint?: string;
  readonly env: readonly string[];
  readonly name?: string;
  readonly publish: readonly string[];
  readonly rm?: boolean;
  readonly servicePorts?: boolean;
  /** False for --no-tty. */
  readonly tty: boolean;
  readonly user?: string;
  readonly volume: readonly string[];
  readonly workdir?: string;
}

export function runServiceCommand(context: ComposeContext, path: string): CliCommand {
  const command = new CliCommand(path, 'Run a one-off command on a service', { interspersed: false });
  command
    .usage('[OPTIONS] SERVICE [COMMAND] [ARGS...]')
    .argument('<service>')
    .argument('[words...]')
    .option('--build', 'Build image before starting container')
    .option('-d, --detach', 'Run container in background and print container ID')
    .option('--entrypoint <string>', 'Override the entrypoint of the image')
    .addOption(listOption('-e, --env <list>', 'Set environment variables'))
    .option('--name <string>', 'Assign a name to the container')
    .option('--no-deps', "Don't start linked services")
    .addOption(listOption('-p, --publish <list>', "Publish a container's port(s) to the host"))
    .option('--rm', 'Automatically remove the container when it exits')
    .option('-P, --service-ports', "Run command with all service's ports enabled and mapped to the host")
    .option('-T, --no-tty', 'Disable pseudo-TTY allocation')
    .option('-u, --user <string>', 'Run as specified username or uid')
    .addOption(listOption('-v, --volume <list>', 'Bind mount a volume'))
    .option('-w, --workdir <string>', 'Working directory inside the container')
    .action((service: string, words: readonly string[], flags: RunFlags) =>
      runOnce(context, service, words, flags),
    );
  return command;
}

async function runOnce(
  context: ComposeContext,
  serviceName: string,
  words: readonly string[],
  flags: RunFlags,
): Promise<void> {
  const { cli } = context;
  const project = context.project([serviceName]);
  const run = await context.run();
  const detach = flags.detach === true;
  const tty = flags.tty && !detach && process.stdin.isTTY === true && process.stdout.isTTY === true;
  const stdin = !detach;
  const environment = await readEnvironment([], flags.env, cli.env);
  const id = await createOneOff(run, project, serviceName, {
    command: words.length === 0 ? undefined : words,
    entrypoint: flags.entrypoint === undefined ? undefined : splitCommand(flags.entrypoint),
    environment: new Map(environment.map(splitPair).map(([name, value = '']) => [name, value])),
    user: flags.user,
    workingDir: flags.workdir,
    name: flags.name,
    ports: portsOf(project, serviceName, flags),
    volumes: flags.volume.map((text) => parseVolumeShort(text, process.cwd())),
    ...{ tty, stdin },
    remove: flags.rm,
    dependencies: flags.deps,
    build: flags.build === true ? 'always' : undefined,
  });
  const start = () => run.client.containers.start(id);
  if (detach) {
    await start();
    process.stdout.write(`${id}\n`);
    return;
  }
  cli.exitCode = (await joinContainer(run.client, id, { tty, stdin, detachKeys: undefined, start })) ?? 0;
}

function portsOf(project: Project, serviceName: string, flags: RunFlags): OneOffOptions['ports'] {
  const own = project.services.find(({ name }) => name === serviceName)?.ports ?? [];
  return [...(flags.servicePorts === true ? own : []), ...flags.publish.flatMap(parsePortShort)];
}
