import { posix } from 'node:path';
import type { Readable } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { notImplemented } from '../base/index.ts';
import { type FileWorker, resolveUser } from '../runtime/index.ts';
import { type BuildContext, type ContextEntry, cleanPath, type Placement } from './context.ts';
import type { CopyInstruction, Origin } from './dockerfile/instructions.ts';
import { wrong } from './dockerfile/parse.ts';
import { isPattern, patternExpression } from './path-pattern.ts';

/** A COPY or ADD with its texts expanded. */
export type CopyStep = Origin & CopyInstruction;

/** What a COPY of the context takes: each source as it was written, with the entries that it means. */
export interface ContextSelection {
  readonly entries: readonly ContextEntry[];
  /** Content, names, modes: what the step's key depends on. Times are left out. */
  readonly fingerprint: readonly unknown[];
}

/** Finds a step's sources in the context. Throws `invalid` naming a source that is not there, and why. */
export function selectSources(
  step: CopyStep,
  context: BuildContext,
  ignored: (path: string) => boolean,
): ContextSelection {
  const entries = step.sources.flatMap((source) => entriesOf(step, context, source, ignored));
  const described = entries.flatMap((entry) => [
    entry,
    ...(entry.type === 'directory' ? context.below(entry.path) : []),
  ]);
  return {
    entries,
    fingerprint: described.map(({ path, type, mode, digest, linkTarget }) => [
      path,
      type,
      mode,
      digest,
      linkTarget,
    ]),
  };
}

function entriesOf(
  step: CopyStep,
  context: BuildContext,
  source: string,
  ignored: (path: string) => boolean,
): ContextEntry[] {
  const path = sourcePath(step, source);
  const exact = context.get(path);
  if (exact !== undefined) return [exact];
  if (isPattern(path)) {
    const expression = patternExpression(path);
    const matches = context.paths().filter((candidate) => expression.test(candidate));
    const found = matches.sort().flatMap((match) => context.get(match) ?? []);
    if (found.length > 0) return found;
  }
  const reason = ignored(path)
    ? 'the .dockerignore file excludes it'
    : 'no such file or directory in the build context';
  throw wrong(step, `COPY failed: ${source}: ${reason}`);
}

function sourcePath(step: CopyStep, source: string): string {
  try {
    return cleanPath(source);
  } catch {
    throw wrong(
      step,
      `COPY failed: forbidden path outside the build context: ${source}`,
      'Move the file into the context',
    );
  }
}

/** Copies from the context into a mounted root. */
export async function copyFromContext(
  step: CopyStep,
  { entries }: ContextSelection,
  context: BuildContext,
  files: FileWorker,
  destination: string,
  signal: AbortSignal,
): Promise<void> {
  const isFolder = await isFolderDestination(files, destination, entries.length);
  const owner = await resolveOwner(step, files);
  const mode = parseMode(step);
  for (const entry of entries) {
    if (entry.type === 'directory') {
      await files.makeDirectory(destination, owner);
      const placements = context.below(entry.path).map((child) => place(child, entry.path));
      await files.unpack(destination, context.tar(placements, mode), { owner, signal });
      continue;
    }
    const archive = step.unpack ? await archiveStream(step, context, entry) : undefined;
    if (archive !== undefined) {
      await files.makeDirectory(destination, owner);
      await files.unpack(destination, archive, { signal });
      continue;
    }
    const folder = isFolder ? destination : posix.dirname(destination);
    const name = isFolder ? posix.basename(entry.path) : posix.basename(destination);
    await files.makeDirectory(folder);
    await files.unpack(folder, context.tar([{ entry, name }], mode), { owner, signal });
  }
}

/** Copies from another root, a stage's or an image's. */
export async function copyFromRoot(
  step: CopyStep,
  source: FileWorker,
  files: FileWorker,
  destination: string,
  signal: AbortSignal,
): Promise<void> {
  const isFolder = await isFolderDestination(files, destination, step.sources.length);
  const owner = step.owner === undefined ? undefined : await resolveOwner(step, files);
  const options = owner === undefined ? { signal } : { owner, signal };
  if (step.mode !== undefined)
    throw notImplemented(`${step.file}:${step.line}: --chmod with --from is not there yet`);
  for (const text of step.sources) {
    if (isPattern(text)) {
      throw notImplemented(`${step.file}:${step.line}: patterns with --from are not there yet: ${text}`);
    }
    const path = posix.resolve('/', text);
    const stat = await source.stat(path, { follow: true });
    if (stat === undefined)
      throw wrong(step, `COPY failed: ${text}: no such file or directory in ${step.from}`);
    if (stat.type === 'directory') {
      await files.makeDirectory(destination, owner);
      await files.unpack(destination, await source.pack(path, { as: '.', signal }), options);
      continue;
    }
    const folder = isFolder ? destination : posix.dirname(destination);
    const name = isFolder ? posix.basename(path) : posix.basename(destination);
    await files.makeDirectory(folder);
    await files.unpack(folder, await source.pack(path, { as: name, signal }), options);
  }
}

/** Docker's rule: a slash at the end, several sources, or a folder that is there already. */
async function isFolderDestination(
  files: FileWorker,
  destination: string,
  sources: number,
): Promise<boolean> {
  if (destination.endsWith('/') || sources > 1) return true;
  return (await files.stat(destination, { follow: true }))?.type === 'directory';
}

function place(entry: ContextEntry, folder: string): Placement {
  return { entry, name: folder === '' ? entry.path : entry.path.slice(folder.length + 1) };
}

async function resolveOwner(step: CopyStep, files: FileWorker): Promise<{ uid: number; gid: number }> {
  if (step.owner === undefined) return { uid: 0, gid: 0 };
  const read = async (path: string) =>
    (await files.stat(path)) === undefined ? '' : (await files.readFile(path)).toString();
  const [user = '', group] = step.owner.split(':');
  const accounts = { passwd: await read('/etc/passwd'), group: await read('/etc/group') };
  const { uid, gid } = resolveUser(step.owner, accounts);
  // A lone numeric user is its own group here, unlike for processes (Dockerfile reference, COPY --chown).
  return group === undefined && /^\d+$/.test(user) ? { uid, gid: Number(user) } : { uid, gid };
}

function parseMode(step: CopyStep): number | undefined {
  if (step.mode === undefined) return undefined;
  if (!/^[0-7]{3,4}$/.test(step.mode))
    throw wrong(step, `invalid chmod parameter: '${step.mode}'. it should be octal string`);
  return Number.parseInt(step.mode, 8);
}

/** A local archive that ADD unpacks, as a plain tar; undefined for any other file. */
async function archiveStream(
  step: CopyStep,
  context: BuildContext,
  entry: ContextEntry,
): Promise<Readable | undefined> {
  const head = await context.read({ ...entry, size: Math.min(entry.size, 512) });
  const starts = (...bytes: number[]) => bytes.every((byte, index) => head[index] === byte);
  if (starts(0x1f, 0x8b)) return context.stream(entry).pipe(createGunzip());
  if (starts(0x28, 0xb5, 0x2f, 0xfd)) return context.stream(entry).pipe(createZstdDecompress());
  if (starts(0x42, 0x5a, 0x68) || starts(0xfd, 0x37, 0x7a, 0x58, 0x5a)) {
    throw notImplemented(
      `${step.file}:${step.line}: ADD of bzip2 and xz archives is not there yet: ${entry.path}`,
      {
        hint: 'Compress it with gzip or zstd, or unpack it in a RUN step',
      },
    );
  }
  if (head.subarray(257, 262).toString() === 'ustar') return context.stream(entry);
  return undefined;
}
