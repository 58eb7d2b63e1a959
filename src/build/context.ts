import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream, createWriteStream } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { extract, type Header, pack } from 'tar-stream';
import { errorMessage, invalid } from '../base/index.ts';

/** One thing in a build context. */
export interface ContextEntry {
  /** Without a leading or trailing slash; "" is the context itself. */
  readonly path: string;
  readonly type: 'file' | 'directory' | 'symlink';
  readonly mode: number;
  readonly mtime: Date;
  readonly size: number;
  readonly linkTarget: string | undefined;
  /** sha256 of a file's content, in hex. */
  readonly digest: string;
  /** Where a file's content lies in the spool. */
  readonly offset: number;
}

/** An entry and where it goes, relative to the folder that it is unpacked in. */
export interface Placement {
  readonly entry: ContextEntry;
  readonly name: string;
}

/**
 * A build's context: received once into one spool file, with an index of what is in it. Nothing is unpacked
 * before a step needs it. Disposing removes the spool.
 */
export class BuildContext implements AsyncDisposable {
  readonly #spool: string;
  readonly #entries: ReadonlyMap<string, ContextEntry>;

  private constructor(spool: string, entries: ReadonlyMap<string, ContextEntry>) {
    this.#spool = spool;
    this.#entries = entries;
  }

  /** Reads a tar to its end. Throws `invalid` when it is none. */
  static async receive(tar: Readable, spool: string, signal: AbortSignal): Promise<BuildContext> {
    try {
      return new BuildContext(spool, await spoolTar(tar, spool, signal));
    } catch (error) {
      await rm(spool, { force: true });
      signal.throwIfAborted();
      throw invalid(`the build context is no readable tar: ${errorMessage(error)}`, { cause: error });
    }
  }

  get(path: string): ContextEntry | undefined {
    return this.#entries.get(path);
  }

  /** Every entry's path. */
  paths(): string[] {
    return [...this.#entries.keys()];
  }

  /** Entries below a folder, parents before children. */
  below(folder: string): ContextEntry[] {
    const prefix = folder === '' ? '' : `${folder}/`;
    return [...this.#entries.values()]
      .filter(({ path }) => path !== folder && path.startsWith(prefix))
      .sort((a, b) => (a.path < b.path ? -1 : 1));
  }

  async read(entry: ContextEntry): Promise<Buffer> {
    const file = await open(this.#spool, 'r');
    try {
      const { buffer } = await file.read(Buffer.alloc(entry.size), 0, entry.size, entry.offset);
      return buffer;
    } finally {
      await file.close();
    }
  }

  /** A file's content as a stream. */
  stream({ size, offset }: ContextEntry): Readable {
    return createReadStream(this.#spool, { start: offset, end: offset + size - 1 });
  }

  /** A tar of entries under new names, owned by root unless its reader says otherwise. */
  tar(placements: readonly Placement[], mode: number | undefined): Readable {
    const archive = pack();
    this.#write(archive, placements, mode).then(
      () => archive.finalize(),
      (error: unknown) => archive.destroy(error instanceof Error ? error : new Error(String(error))),
    );
    return Readable.from(archive);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#spool, { force: true });
  }

  async #write(
    archive: ReturnType<typeof pack>,
    placements: readonly Placement[],
    mode: number | undefined,
  ): Promise<void> {
    for (const { entry, name } of placements) {
      const header = {
        name,
        type: entry.type,
        mode: mode ?? entry.mode,
        mtime: entry.mtime,
        uid: 0,
        gid: 0,
        size: entry.size,
        ...(entry.linkTarget === undefined ? {} : { linkname: entry.linkTarget }),
      };
      if (entry.type === 'file' && entry.size > 0) await pipeline(this.stream(entry), archive.entry(header));
      else archive.entry({ ...header, size: 0 }, '');
    }
  }
}

async function spoolTar(
  tar: Readable,
  spool: string,
  signal: AbortSignal,
): Promise<Map<string, ContextEntry>> {
  const entries = new Map<string, ContextEntry>();
  const output = createWriteStream(spool, { mode: 0o600 });
  const archive = extract();
  const reading = pipeline(tar, archive, { signal });
  let offset = 0;
  try {
    for await (const member of archive) {
      const entry = entryOf(member.header, offset);
      const hash = createHash('sha256');
      for await (const chunk of member) {
        hash.update(chunk as Buffer);
        offset += (chunk as Buffer).length;
        if (!output.write(chunk)) await once(output, 'drain', { signal });
      }
      if (entry === undefined) continue;
      addParents(entries, entry.path, entry.mtime);
      entries.set(entry.path, { ...entry, digest: hash.digest('hex') });
    }
    await reading;
  } finally {
    output.end();
    await once(output, 'close');
  }
  return entries;
}

function entryOf(header: Header, offset: number): ContextEntry | undefined {
  const path = cleanPath(header.name);
  const type = header.type === 'contiguous-file' ? 'file' : header.type;
  if (type === 'link') throw invalid(`hard links are not there in build contexts yet: ${header.name}`);
  if (type !== 'file' && type !== 'directory' && type !== 'symlink') return undefined; // sockets and devices
  return {
    path,
    type,
    mode: (header.mode ?? 0o644) & 0o7777,
    mtime: header.mtime ?? new Date(0),
    size: type === 'file' ? (header.size ?? 0) : 0,
    linkTarget: type === 'symlink' ? (header.linkname ?? '') : undefined,
    digest: '',
    offset,
  };
}

/** The path without ".", empty parts and slashes at its ends; throws `invalid` when it leads out. */
export function cleanPath(path: string): string {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue;
    if (part !== '..') parts.push(part);
    else if (parts.pop() === undefined) throw invalid(`the path leads out of the build context: ${path}`);
  }
  return parts.join('/');
}

/** Archives may leave folders out. */
function addParents(entries: Map<string, ContextEntry>, path: string, mtime: Date): void {
  const parts = path.split('/').slice(0, -1);
  for (let count = 0; count <= parts.length; count += 1) {
    const folder = parts.slice(0, count).join('/');
    if (entries.has(folder)) continue;
    const none = { size: 0, linkTarget: undefined, digest: '', offset: 0 };
    entries.set(folder, { path: folder, type: 'directory', mode: 0o755, mtime, ...none });
  }
}
