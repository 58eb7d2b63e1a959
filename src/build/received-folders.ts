import { posix } from 'node:path';
import { invalid, isBerthError } from '../base/index.ts';
import { BuildContext } from './context.ts';
import { cleanPath } from './context-entry.ts';
import type { ClientFolders, FolderRequest } from './contract.ts';
import { parseDockerfile } from './dockerfile/parse.ts';
import { ignorePatterns } from './ignore-patterns.ts';
import {
  IGNORE_FILE,
  type ReceivedFiles,
  type Reception,
  readDockerfile,
  testOf,
} from './received-context.ts';
import type { StepReport } from './step-report.ts';

/**
 * Asks a client for its Dockerfile and .dockerignore, as BuildKit does: an ignore file of the Dockerfile's own, beside it, goes
 * before that of the context.
 */
export async function receiveFolders(
  folders: ClientFolders,
  dockerfilePath: string,
  reception: Reception,
): Promise<ReceivedFiles> {
  const path = cleanPath(dockerfilePath);
  const { reports, emit, signal } = reception;
  await using received = new AsyncDisposableStack();
  const open = (request: FolderRequest) => openFolder(folders, request, reception);
  const { text, ownIgnores } = await reports.run(
    `[internal] load build definition from ${path}`,
    async (report) => {
      const only = definitionPaths(path);
      await using files = await open({ name: 'dockerfile', only });
      await load(files, only, 'transferring dockerfile:', report);
      return {
        text: (await readDockerfile(files, path)).text,
        ownIgnores: await textOf(files, `${path}${IGNORE_FILE}`),
      };
    },
  );
  emit({ kind: 'dockerfile', file: path, content: text });
  const dockerfile = parseDockerfile(path, text);
  const ignores =
    ownIgnores ??
    (await reports.run('[internal] load .dockerignore', async (report) => {
      await using files = await open({ name: 'context', only: [IGNORE_FILE] });
      await load(files, [IGNORE_FILE], 'transferring context:', report);
      return (await textOf(files, IGNORE_FILE)) ?? '';
    }));
  const exclude = ignorePatterns(ignores);
  let context: Promise<BuildContext> | undefined;
  received.defer(async () => (await context?.catch(() => undefined))?.[Symbol.asyncDispose]());
  const kept = received.move();
  return {
    dockerfile,
    context: () => {
      signal.throwIfAborted();
      context ??= open({ name: 'context', exclude });
      return context;
    },
    ignored: testOf(ignores),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/** The Dockerfile, its ignore file, and the usual name in lower case. */
function definitionPaths(path: string): string[] {
  const paths = [path, `${path}${IGNORE_FILE}`];
  if (posix.basename(path) === 'Dockerfile') paths.push(posix.join(posix.dirname(path), 'dockerfile'));
  return paths;
}

async function openFolder(
  folders: ClientFolders,
  request: FolderRequest,
  { newSpool, signal }: Reception,
): Promise<BuildContext> {
  try {
    return await BuildContext.of(await folders.open(request, signal), newSpool());
  } catch (error) {
    if (!isBerthError(error, 'not-found')) throw error;
    throw invalid(`the client gives no folder "${request.name}" for this build`, { cause: error });
  }
}

/** Has what is at these paths sent, whatever else the client offers. */
async function load(
  files: BuildContext,
  paths: readonly string[],
  item: string,
  report: StepReport,
): Promise<void> {
  let bytes = 0;
  const wanted = paths.flatMap((path) => files.follow(path) ?? []).filter(({ type }) => type === 'file');
  await files.load(wanted, (more) => {
    bytes += more;
    report.progress(item, bytes);
  });
  report.progress(item, bytes, { isDone: true });
}

async function textOf(files: BuildContext, path: string): Promise<string | undefined> {
  const entry = files.follow(path);
  return entry?.type === 'file' ? (await files.read(entry)).toString() : undefined;
}
