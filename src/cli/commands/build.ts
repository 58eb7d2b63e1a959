import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { isAbsolute, relative, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { invalid, notImplemented, parseReference, parseSize } from '../../base/index.ts';
import {
  type BuildOptions,
  openBuildContext,
  openDockerfileContext,
  type ProgressMessage,
} from '../../client/index.ts';
import type { Cli } from '../cli.ts';
import { type ProcessLimitFlags, processLimitOptions, processLimits } from '../container/limits.ts';
import { parsePairs, splitPair } from '../filters.ts';
import { CliCommand, listOption, parsedOption } from '../grammar.ts';
import { showProgress } from '../output/progress.ts';

interface BuildFlags extends ProcessLimitFlags {
  readonly addHost: readonly string[];
  readonly buildArg: readonly string[];
  /** False when --no-cache was given. */
  readonly cache: boolean;
  readonly cacheFrom: readonly string[];
  readonly file?: string;
  readonly iidfile?: string;
  readonly isolation?: string;
  readonly label: readonly string[];
  readonly network?: string;
  readonly platform?: string;
  readonly progress: 'auto' | 'plain';
  readonly pull?: boolean;
  readonly quiet?: boolean;
  readonly shmSize?: number;
  readonly tag: readonly string[];
  readonly target?: string;
}

export function buildCommand(cli: Cli, path: string): CliCommand {
  const command = new CliCommand(path, 'Build an image from a Dockerfile');
  command
    .usage('[OPTIONS] PATH | -')
    .argument('<context>')
    .addOption(listOption('--add-host <list>', 'Add a custom host-to-IP mapping ("host:ip")'))
    .addOption(listOption('--build-arg <list>', 'Set build-time variables'))
    .addOption(listOption('--cache-from <strings>', 'Images to consider as cache sources'))
    .option('-f, --file <string>', 'Name of the Dockerfile (default "PATH/Dockerfile"; "-": standard input)')
    .option('--iidfile <string>', 'Write the image ID to the file')
    .option('--isolation <string>', 'Isolation technology of RUN instructions ("default", "vm")')
    .addOption(listOption('--label <list>', 'Set metadata for an image'))
    .option('--network <string>', 'Set the networking mode for the RUN instructions')
    .option('--no-cache', 'Do not use cache when building the image')
    .option('--platform <string>', 'Set platform if the engine has several')
    .addOption(
      parsedOption('--progress <string>', 'Type of progress output ("auto", "plain")', parseProgress).default(
        'auto',
      ),
    )
    .option('--pull', 'Always attempt to pull a newer version of the image')
    .option('-q, --quiet', 'Suppress the build output and print image ID on success')
    .addOption(parsedOption('--shm-size <bytes>', 'Size of /dev/shm', parseSize))
    .addOption(listOption('-t, --tag <list>', 'Name and optionally a tag in the "name:tag" format'))
    .option('--target <string>', 'Set the target build stage to build')
    .action((context: string, flags: BuildFlags) => build(cli, context, flags));
  for (const option of processLimitOptions()) command.addOption(option);
  return command;
}

async function build(cli: Cli, context: string, flags: BuildFlags): Promise<void> {
  for (const tag of flags.tag) parseReference(tag);
  const { tar, dockerfile } = await readContext(context, flags.file);
  const client = await cli.connect();
  const messages = client.build.run(tar, { ...buildOptions(flags, cli.env), dockerfile });
  const id =
    flags.quiet === true ? await quietly(messages) : await imageIdOf(showProgress(messages, process.stdout));
  if (flags.iidfile !== undefined && id !== undefined) await writeFile(flags.iidfile, id);
  if (flags.quiet === true) process.stdout.write(`${id}\n`);
}

function buildOptions(flags: BuildFlags, env: NodeJS.ProcessEnv): BuildOptions {
  return {
    tags: flags.tag,
    buildArgs: Object.fromEntries(
      flags.buildArg.map(splitPair).map(([name, value]) => [name, value ?? env[name]]),
    ),
    labels: parsePairs(flags.label),
    target: flags.target,
    noCache: !flags.cache,
    pull: flags.pull,
    platform: flags.platform,
    networkMode: flags.network,
    extraHosts: flags.addHost,
    cacheFrom: flags.cacheFrom.length === 0 ? undefined : flags.cacheFrom,
    shmSize: flags.shmSize,
    isolation: flags.isolation,
    limits: processLimits(flags),
  };
}

/** What is built, ready to be sent. */
interface Context {
  readonly tar: Readable;
  /** The Dockerfile's path inside it. */
  readonly dockerfile: string;
}

async function readContext(context: string, file: string | undefined): Promise<Context> {
  if (/^(https?|git|ssh):\/\/|^git@|^github\.com\//.test(context)) {
    throw notImplemented(`build contexts from a URL are not implemented: ${context}`, {
      hint: 'Fetch it first, and name the folder',
    });
  }
  if (context !== '-') return folderContext(context, file);
  if (file === '-') throw invalid(`invalid argument: can't use stdin for both build context and dockerfile`);
  return standardInputContext(file);
}

async function folderContext(folder: string, file: string | undefined): Promise<Context> {
  if (file === '-') {
    const text = Buffer.concat(await Array.fromAsync(process.stdin as AsyncIterable<Buffer>));
    return outsideDockerfile(folder, { text });
  }
  // As Docker: a Dockerfile is named from here, not from the context.
  const inside = file === undefined ? 'Dockerfile' : relative(resolve(folder), resolve(file));
  if (inside.startsWith('../') || isAbsolute(inside))
    return outsideDockerfile(folder, { path: resolve(file ?? '') });
  return { tar: await openBuildContext(folder, { dockerfile: inside }), dockerfile: inside };
}

/** A Dockerfile from elsewhere joins the context by a name that nothing in it has. */
async function outsideDockerfile(
  folder: string,
  dockerfileSource: { readonly path: string } | { readonly text: Uint8Array },
): Promise<Context> {
  const dockerfile = `.dockerfile.${randomBytes(10).toString('hex')}`;
  return { tar: await openBuildContext(folder, { dockerfile, dockerfileSource }), dockerfile };
}

const TAR_HEADER = 512;

/** Standard input is a whole context as a tar, also compressed, or else just a Dockerfile. */
async function standardInputContext(file: string | undefined): Promise<Context> {
  const input = process.stdin[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  const start: Buffer[] = [];
  let length = 0;
  while (length < TAR_HEADER) {
    const { value, done } = await input.next();
    if (done === true) break;
    start.push(value);
    length += value.length;
  }
  const head = Buffer.concat(start);
  const rest = { [Symbol.asyncIterator]: () => input };
  if (isArchive(head)) {
    const whole = async function* () {
      yield head;
      yield* rest;
    };
    return { tar: Readable.from(whole(), { objectMode: false }), dockerfile: file ?? 'Dockerfile' };
  }
  const text = Buffer.concat([head, ...(await Array.fromAsync(rest))]);
  return { tar: await openDockerfileContext(text), dockerfile: 'Dockerfile' };
}

/** The magic numbers of gzip, bzip2, xz, zstd and tar. */
function isArchive(head: Buffer): boolean {
  const magics = ['1f8b', '425a68', 'fd377a585a', '28b52ffd'];
  const hex = head.subarray(0, 6).toString('hex');
  return magics.some((magic) => hex.startsWith(magic)) || head.toString('latin1', 257, 262) === 'ustar';
}

async function imageIdOf(messages: AsyncIterable<ProgressMessage>): Promise<string | undefined> {
  let id: string | undefined;
  for await (const { aux } of messages) id = aux?.ID ?? id;
  return id;
}

/** Says nothing, unless the build fails: then all that it said. */
async function quietly(messages: AsyncIterable<ProgressMessage>): Promise<string | undefined> {
  const output: string[] = [];
  let id: string | undefined;
  try {
    for await (const { aux, stream } of messages) {
      id = aux?.ID ?? id;
      if (stream !== undefined) output.push(stream);
    }
    return id;
  } catch (error) {
    process.stderr.write(output.join(''));
    throw error;
  }
}

function parseProgress(text: string): 'auto' | 'plain' {
  if (text === 'auto' || text === 'plain') return text;
  throw notImplemented('it is "auto" or "plain"');
}
