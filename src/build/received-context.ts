import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import dockerignore from '@balena/dockerignore';
import { invalid } from '../base/index.ts';
import { BuildContext } from './context.ts';
import { cleanPath } from './context-entry.ts';
import type { BuildEvent, BuildRequest, ClientFolders } from './contract.ts';
import type { Dockerfile } from './dockerfile/instructions.ts';
import { parseDockerfile } from './dockerfile/parse.ts';
import { ignorePatterns } from './ignore-patterns.ts';
import { receiveFolders } from './received-folders.ts';
import type { StepReports } from './step-report.ts';

/** The files of a build. Disposing lets go of what was received. */
export interface ReceivedFiles extends AsyncDisposable {
  readonly dockerfile: Dockerfile;
  /** The context; from a client's folder, it is looked into at the first call. */
  readonly context: () => Promise<BuildContext>;
  /** Whether .dockerignore excludes a path of the context. */
  readonly ignored: (path: string) => boolean;
}

/** Where and for whom files are received. */
export interface Reception {
  /** A path for a file that is not there yet. */
  readonly newSpool: () => string;
  readonly reports: StepReports;
  readonly emit: (event: BuildEvent) => void;
  readonly signal: AbortSignal;
}

/** Receives a Dockerfile and what is known of its context. Throws `invalid` with the Dockerfile's line for what is wrong in it. */
export async function receiveFiles(
  scratchDirectory: string,
  request: BuildRequest,
  reception: Omit<Reception, 'newSpool'>,
): Promise<ReceivedFiles> {
  await mkdir(scratchDirectory, { recursive: true, mode: 0o700 });
  const newSpool = () => `${scratchDirectory}/context-${randomBytes(12).toString('hex')}`;
  const { context, dockerfile } = request;
  if (isFolders(context)) return receiveFolders(context, dockerfile, { ...reception, newSpool });
  await using received = new AsyncDisposableStack();
  const files = received.use(await BuildContext.receive(context, newSpool(), reception.signal));
  const { text, path } = await readDockerfile(files, dockerfile);
  const ignored = await ignoreTest(files);
  reception.emit({ kind: 'dockerfile', file: dockerfile, content: text });
  const parsed = parseDockerfile(dockerfile, text);
  for (const name of [IGNORE_FILE, path]) if (ignored(name)) files.drop(name);
  const kept = received.move();
  return {
    dockerfile: parsed,
    context: async () => files,
    ignored,
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

export const IGNORE_FILE = '.dockerignore';

/**
 * The text and place of the Dockerfile. Clients leave out what .dockerignore excludes, but have to send it and the .dockerignore in
 * a tar: they are dropped later when they are excluded, as in Docker.
 */
export async function readDockerfile(
  context: BuildContext,
  dockerfilePath: string,
): Promise<{ text: string; path: string }> {
  const path = findDockerfile(context, dockerfilePath);
  const entry = context.follow(path);
  if (entry?.type !== 'file') {
    throw invalid(`Cannot locate specified Dockerfile: ${dockerfilePath}`, {
      hint: 'Name it with -f, relative to the context folder',
    });
  }
  return { text: (await context.read(entry)).toString(), path };
}

/** The usual name may also be written in lower case. */
function findDockerfile(context: BuildContext, path: string): string {
  const clean = cleanPath(path);
  return clean === 'Dockerfile' && context.get(clean) === undefined ? 'dockerfile' : clean;
}

async function ignoreTest(context: BuildContext): Promise<(path: string) => boolean> {
  const entry = context.get(IGNORE_FILE);
  if (entry?.type !== 'file') return () => false;
  return testOf((await context.read(entry)).toString());
}

/** Whether a .dockerignore with this text excludes a path. */
export function testOf(text: string): (path: string) => boolean {
  if (ignorePatterns(text).length === 0) return () => false;
  const rules = dockerignore.default().add(text);
  return (path) => path !== '' && rules.ignores(path);
}

/** Whether a client lends its folders, instead of having sent a tar. */
export function isFolders(context: BuildRequest['context']): context is ClientFolders {
  return 'kind' in context && context.kind === 'folders';
}
