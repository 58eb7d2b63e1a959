import { createReadStream, type Stats } from 'node:fs';
import { lstat, readdir, readFile, readlink, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import dockerignore from '@balena/dockerignore';
import { type Pack, pack } from 'tar-stream';
import {
  errorMessage,
  invalid,
  isBerthError,
  notFound,
  notImplemented,
  systemErrorCode,
} from '../base/index.ts';

export interface BuildContextOptions {
  /** The Dockerfile's path inside the context. */
  readonly dockerfile: string;
  /** Where the Dockerfile is, or what it says, when it is not in the context: it is sent by the name `dockerfile`. */
  readonly dockerfileSource?: { readonly path: string } | { readonly text: string | Uint8Array };
}

/**
 * A folder as the tar that POST /build takes: without what its .dockerignore leaves out (`<Dockerfile>.dockerignore`
 * comes first), but always with the Dockerfile and .dockerignore. Keeps modes, times and symlinks; owners become root,
 * as Docker's do. Sockets are left out. Throws `not-found` without folder or Dockerfile; later errors of reading
 * destroy the stream.
 */
export async function buildContext(folder: string, options: BuildContextOptions): Promise<Readable> {
  try {
    await checkContext(folder, options);
  } catch (error) {
    throw readFailure(folder, error);
  }
  const tar = pack();
  packContext(tar, resolve(folder), options).then(
    () => tar.finalize(),
    (error: unknown) => tar.destroy(readFailure(folder, error)),
  );
  return Readable.from(tar, { objectMode: false });
}

/** A context that has nothing but a Dockerfile. */
export function dockerfileContext(text: string | Uint8Array): Readable {
  const tar = pack();
  tar.entry({ name: 'Dockerfile' }, Buffer.from(text));
  tar.finalize();
  return Readable.from(tar, { objectMode: false });
}

async function checkContext(folder: string, options: BuildContextOptions): Promise<void> {
  const { dockerfile, dockerfileSource: source } = options;
  if (!(await stat(folder)).isDirectory()) {
    throw invalid(`unable to prepare context: ${folder} is not a directory`);
  }
  if (source === undefined) await checkDockerfile(join(folder, dockerfile), dockerfile);
  else if ('path' in source) await checkDockerfile(source.path, source.path);
}

async function packContext(tar: Pack, folder: string, options: BuildContextOptions): Promise<void> {
  const { dockerfile, dockerfileSource: source } = options;
  const isIncluded = await inclusion(folder, dockerfile);
  for await (const path of walk(folder, '', isIncluded)) {
    if (source !== undefined && path === dockerfile) continue;
    await packEntry(tar, join(folder, path), path);
  }
  if (source === undefined) return;
  if ('path' in source) await packEntry(tar, resolve(source.path), dockerfile);
  else tar.entry({ name: dockerfile }, Buffer.from(source.text));
}

async function checkDockerfile(source: string, name: string): Promise<void> {
  const found = await stat(source).catch((error: unknown) => {
    if (systemErrorCode(error) === 'ENOENT' || systemErrorCode(error) === 'ENOTDIR') return undefined;
    throw error;
  });
  if (found === undefined) {
    throw notFound(`failed to read dockerfile: open ${name}: no such file or directory`, {
      hint: `${source} does not exist; name another one with -f, in a Compose file with build.dockerfile`,
    });
  }
  if (found.isDirectory()) throw invalid(`failed to read dockerfile: ${source} is a directory`);
}

/** Tells which paths are sent, and whether a folder that is not may have something inside that is. */
interface Inclusion {
  readonly sends: (path: string) => boolean;
  readonly hasExceptions: boolean;
}

async function inclusion(folder: string, dockerfile: string): Promise<Inclusion> {
  const own = await readIfThere(join(folder, `${dockerfile}.dockerignore`));
  const rules = own ?? (await readIfThere(join(folder, '.dockerignore')));
  if (rules === undefined) return { sends: () => true, hasExceptions: false };
  const matcher = dockerignore.default({ ignorecase: false }).add(rules);
  const always = new Set(['.dockerignore', dockerfile]);
  const parents = parentsOf(dockerfile);
  return {
    sends: (path) => always.has(path) || !matcher.ignores(path),
    hasExceptions: parents.length > 0 || /^\s*!/m.test(rules),
  };
}

function parentsOf(path: string): string[] {
  const parts = path.split('/');
  return parts.slice(1).map((_, index) => parts.slice(0, index + 1).join('/'));
}

/** Paths relative to the context, in the order of their names, folders before what is in them. */
async function* walk(folder: string, inside: string, inclusion: Inclusion): AsyncGenerator<string> {
  const names = (await readdir(join(folder, inside), { withFileTypes: true })).sort((a, b) =>
    a.name < b.name ? -1 : 1,
  );
  for (const entry of names) {
    const path = inside === '' ? entry.name : `${inside}/${entry.name}`;
    const sent = inclusion.sends(path);
    if (sent) yield path;
    if (entry.isDirectory() && (sent || inclusion.hasExceptions)) yield* walk(folder, path, inclusion);
  }
}

async function packEntry(tar: Pack, source: string, name: string): Promise<void> {
  const stats = await lstat(source);
  const header = { name, mode: stats.mode & 0o7777, mtime: stats.mtime, uid: 0, gid: 0 };
  if (stats.isFile()) {
    await packFile(tar, source, header, stats);
    return;
  }
  if (stats.isSocket()) return;
  if (stats.isDirectory()) return packed(tar, { ...header, type: 'directory' });
  if (stats.isSymbolicLink())
    return packed(tar, { ...header, type: 'symlink', linkname: await readlink(source) });
  if (stats.isFIFO()) return packed(tar, { ...header, type: 'fifo' });
  throw notImplemented(`${source} is a device: sending devices in a build context is not implemented`, {
    hint: 'Leave it out by .dockerignore',
  });
}

type Header = Parameters<Pack['entry']>[0];

function packed(tar: Pack, header: Header, content = ''): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  tar.entry(header, content, (error) => (error == null ? resolve() : reject(error)));
  return promise;
}

async function packFile(tar: Pack, source: string, header: Header, { size }: Stats): Promise<void> {
  if (size === 0) return packed(tar, { ...header, size });
  const entry = tar.entry({ ...header, size });
  try {
    // A file that grows meanwhile is sent as long as it was: the header is gone already.
    await pipeline(createReadStream(source, { end: size - 1 }), entry);
  } catch (error) {
    throw /size mismatch/i.test(errorMessage(error)) ? invalid(`${source} changed while it was sent`) : error;
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT' || systemErrorCode(error) === 'ENOTDIR') return undefined;
    throw error;
  }
}

function readFailure(folder: string, error: unknown): Error {
  if (isBerthError(error)) return error;
  if (systemErrorCode(error) === 'ENOENT') {
    return notFound(`unable to prepare context: path "${folder}" not found`, { cause: error });
  }
  return invalid(`unable to prepare context: ${errorMessage(error)}`, { cause: error });
}
