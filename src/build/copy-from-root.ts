import { posix } from 'node:path';
import { Readable } from 'node:stream';
import { extract } from 'tar-stream';
import type { FileStat, FileWorker } from '../runtime/index.ts';
import { placeOf } from './copy-from-context.ts';
import { type CopyStep, type CopyTarget, isFolderDestination, resolveOwner } from './copy-step.ts';
import { wrong } from './dockerfile/wrong.ts';
import { isPattern, patternExpression } from './path-pattern.ts';
import { withModes } from './tar-modes.ts';

/** What a COPY --from takes: for a symlink, what it leads to, under the symlink's name. */
interface RootSource {
  readonly name: string;
  readonly path: string;
  readonly type: FileStat['type'];
}

/**
 * Copies from another root, a stage's or an image's. Without --chown owners stay as they are there, as in BuildKit.
 */
export async function copyFromRoot(step: CopyStep, source: FileWorker, target: CopyTarget): Promise<void> {
  const { files, destination, signal } = target;
  const sources = (
    await Promise.all(step.sources.map((text) => findSources(step, source, text, signal)))
  ).flat();
  const isFolder = await isFolderDestination(target, sources.length);
  const owner = await resolveOwner(step, files);
  const options = owner === undefined ? { signal } : { owner, signal };
  const packed = async (path: string, as: string) => {
    const tar = await source.pack(path, { as, signal });
    return step.mode === undefined ? tar : Readable.from(withModes(tar, step.mode), { objectMode: false });
  };
  for (const { name, path, type } of sources) {
    const [folder, as] = type === 'directory' ? [destination, '.'] : placeOf(destination, isFolder, name);
    await files.makeDirectory(folder, owner);
    await files.unpack(folder, await packed(path, as), options);
  }
}

async function findSources(
  step: CopyStep,
  source: FileWorker,
  text: string,
  signal: AbortSignal,
): Promise<RootSource[]> {
  const path = posix.resolve('/', text);
  const exact = await followSource(source, path);
  if (exact !== undefined) return [exact];
  if (isPattern(path)) {
    const found: RootSource[] = [];
    for (const match of await matchingPaths(step, source, path, signal)) {
      const followed = await followSource(source, match);
      if (followed !== undefined) found.push(followed);
    }
    if (found.length > 0) return found;
  }
  throw wrong(step, `COPY failed: ${text}: no such file or directory in ${step.from}`);
}

const MAX_LINKS = 40;

/** Packing takes a symlink itself, so the last component's links are followed here; the worker does the others. */
async function followSource(source: FileWorker, path: string): Promise<RootSource | undefined> {
  let at = path;
  for (let links = 0; links <= MAX_LINKS; links += 1) {
    const stat = await source.stat(at);
    if (stat === undefined) return undefined;
    if (stat.type !== 'symlink') return { name: posix.basename(path), path: at, type: stat.type };
    const target = stat.linkTarget ?? '';
    // Not normalised: "..", after a symlink, means the parent of what it leads to.
    at = target.startsWith('/') ? target : `${posix.dirname(at)}/${target}`;
  }
  return undefined;
}

/** The paths in a root that a pattern means, sorted: the names in a tar of the deepest folder without a pattern. */
async function matchingPaths(
  step: CopyStep,
  source: FileWorker,
  pattern: string,
  signal: AbortSignal,
): Promise<string[]> {
  const expression = patternExpression(pattern);
  if (expression === undefined) throw wrong(step, `COPY failed: syntax error in pattern: ${pattern}`);
  const parts = pattern.split('/');
  const folder = parts.slice(0, parts.findIndex(isPattern)).join('/') || '/';
  const searched = await followSource(source, folder);
  if (searched?.type !== 'directory') return [];
  const names = await namesIn(await source.pack(searched.path, { as: '.', signal }));
  return names
    .map((name) => posix.join(folder, name))
    .filter((path) => expression.test(path))
    .sort();
}

async function namesIn(tar: NodeJS.ReadableStream): Promise<string[]> {
  const names: string[] = [];
  const archive = extract();
  tar.on('error', (error) => archive.destroy(error));
  for await (const member of tar.pipe(archive)) {
    names.push(member.header.name.replace(/\/$/, ''));
    member.resume();
  }
  return names;
}
