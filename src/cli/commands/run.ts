import { Option } from 'commander';
import { errorMessage, invalid } from '../../base/index.ts';
import { type ContainerCreateRequest, type EngineClient, refusalOf } from '../../client/index.ts';
import type { Cli } from '../cli.ts';
import { createContainer } from '../container/create.ts';
import { addContainerFlags, type ContainerFlags } from '../container/flags.ts';
import { reportRefusedPorts } from '../container/port-refusals.ts';
import { attachedStreams, containerRequest, type Streams } from '../container/request.ts';
import { failureText, programFailureCode } from '../failure.ts';
import { CliCommand } from '../grammar.ts';
import { detachKeysOption } from '../terminal/detach-keys.ts';
import { checkTerminal, Session } from '../terminal/session.ts';
import { forwardSignals } from '../terminal/signals.ts';

interface RunFlags extends ContainerFlags {
  readonly detach?: boolean;
  readonly detachKeys?: string;
  /** True unless --sig-proxy=false was given. */
  readonly sigProxy: boolean;
}

const USAGE = '[OPTIONS] IMAGE [COMMAND] [ARG...]';

/** `run`: create, attach, start, and end with the container's exit code. */
export function runContainerCommand(cli: Cli, path: string): CliCommand {
  const command = new CliCommand(path, 'Create and run a new container from an image', {
    interspersed: false,
  });
  addContainerFlags(command)
    .usage(USAGE)
    .argument('<image>')
    .argument('[command...]')
    .option('-d, --detach', 'Run container in background and print container ID')
    .addOption(detachKeysOption())
    .option('--sig-proxy', 'Proxy received signals to the process', true)
    .addOption(new Option('--no-sig-proxy').hideHelp())
    .action(async (image: string, words: readonly string[], flags: RunFlags) => {
      cli.exitCode = await run(cli, image, words, flags);
    });
  return command;
}

/** `create`: as run, without the start. */
export function createCommand(cli: Cli, path: string): CliCommand {
  const command = new CliCommand(path, 'Create a new container', { interspersed: false });
  addContainerFlags(command)
    .usage(USAGE)
    .argument('<image>')
    .argument('[command...]')
    .action(async (image: string, words: readonly string[], flags: ContainerFlags) => {
      checkConflicts(flags);
      const request = await containerRequest(flags, image, words, attachedStreams(flags, false), cli.env);
      process.stdout.write(`${await createContainer(await cli.connect(), request, flags)}\n`);
    });
  return command;
}

function checkConflicts({ rm, restart }: ContainerFlags): void {
  if (rm === true && restart !== undefined && restart.Name !== 'no' && restart.Name !== '') {
    throw invalid('conflicting options: cannot specify both --restart and --rm');
  }
}

async function run(cli: Cli, image: string, words: readonly string[], flags: RunFlags): Promise<number> {
  const detach = flags.detach === true;
  if (detach && flags.attach.length > 0) {
    throw invalid('conflicting options: cannot specify both --attach and --detach');
  }
  const streams = attachedStreams(flags, detach);
  checkTerminal({ stdin: streams.stdin, tty: flags.tty === true });
  try {
    checkConflicts(flags);
    const request = await containerRequest(flags, image, words, streams, cli.env);
    const client = await cli.connect();
    const id = await createContainer(client, request, flags);
    if (!detach) return await runInForeground(client, id, request, streams, flags);
    await client.containers.start(id);
    process.stdout.write(`${id}\n`);
    return 0;
  } catch (error) {
    process.stderr.write(
      `${cli.name}: ${failureText(error)}\n\nRun '${cli.name} run --help' for more information\n`,
    );
    return runFailureCode(error);
  }
}

async function runInForeground(
  client: EngineClient,
  id: string,
  request: ContainerCreateRequest,
  streams: Streams,
  flags: RunFlags,
): Promise<number> {
  const leaving = new AbortController();
  const { signal } = leaving;
  using _leave = { [Symbol.dispose]: () => leaving.abort() };
  const detachKeys = flags.detachKeys;
  // All three before the start: nothing that the container does is missed.
  const [stream, pending] = await Promise.all([
    client.containers.attach(id, { ...streams, detachKeys, signal }),
    client.containers.wait(id, { condition: flags.rm === true ? 'removed' : 'next-exit', signal }),
    publishesPorts(request) ? reportRefusedPorts(client, id, signal) : undefined,
  ]);
  using session = new Session({
    stream,
    stdin: streams.stdin,
    tty: flags.tty === true,
    detachKeys,
    resize: (size) => client.containers.resize(id, size, { signal }),
  });
  using _signals = flags.sigProxy
    ? forwardSignals((name, scope) => client.containers.kill(id, { killSignal: name, scope }))
    : undefined;
  await client.containers.start(id);
  void session.fitTerminal();
  if ((await session.ended) === 'detached') return 0;
  return (await pending.exit()).StatusCode;
}

/** Docker's exit codes: 127 for a program that is not there, 126 for one that cannot be executed, 125 for the rest. */
function runFailureCode(error: unknown): number {
  if (refusalOf(error)?.request.endsWith('/start') !== true) return 125;
  return programFailureCode(errorMessage(error)) ?? 125;
}

function publishesPorts({ HostConfig: host }: ContainerCreateRequest): boolean {
  return host?.PublishAllPorts === true || Object.keys(host?.PortBindings ?? {}).length > 0;
}
