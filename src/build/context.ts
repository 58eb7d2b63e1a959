import { createHash } from 'node:crypto';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { posix } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { extract, type Header, type Pack, pack } from 'tar-stream';
import {
  asBerthError,
  errorMessage,
  internal,
  invalid,
  isBerthError,
  systemErrorCode,
} from '../base/index.ts';
import { type ContextEntry, entryOf, impliedFolder } from './context-entry.ts';
import { ContextLoader } from './context-loader.ts';
import type { ClientFolder } from './contract.ts';
import { PIECE, ReadAhead, SpoolWriter } from './spool.ts';

/** An entry and where it goes, relative to the folder that it is unpacked in. */
export interface Placement {
  readonly entry: ContextEntry;
  readonly name: string;
}

type MemberHeader = Partial<Header> & Pick<Header, 'name'>;

/** Of a tar. */
const BLOCK = 512;

const CHUNK = 256 * 1024;

const MAX_LINKS = 40;

/**
 * A build's context: received into one spool file, with an index of what is in it; from a client's folder only what is loaded.
 * Nothing is unpacked before a step needs it. Disposing removes the spool.
 */
export class BuildContext implements AsyncDisposable {
  readonly #spool: FileHandle;
  readonly #entries: Map<string, ContextEntry>;
  /** Of a client's folder. */
  readonly #source: { readonly folder: ClientFolder; readonly loader: ContextLoader } | undefined;

  private constructor(spool: FileHandle, entries: Map<string, ContextEntry>, folder?: ClientFolder) {
    this.#spool = spool;
    this.#entries = entries;
    this.#source = folder && { folder, loader: new ContextLoader(folder, entries, spool) };
  }

  /** Reads a tar to its end; `spool` is a path that is not taken. Throws `invalid` when it is no tar. */
  static async receive(tar: Readable, spool: string, signal: AbortSignal): Promise<BuildContext> {
    const file = await open(spool, 'wx+', 0o600);
    try {
      await rm(spool); // it lives as long as the handle: nothing is left behind, whatever happens
      return new BuildContext(file, await spoolTar(tar, file, signal));
    } catch (error) {
      await file.close();
      signal.throwIfAborted();
      if (isBerthError(error)) throw error;
      if (systemErrorCode(error) === 'ENOSPC') throw asBerthError(error);
      throw invalid(`the build context is no readable tar: ${errorMessage(error)}`, { cause: error });
    }
  }

  /** Takes a client's folder over; `spool` is a path that is not taken. */
  static async of(folder: ClientFolder, spool: string): Promise<BuildContext> {
    await using opened = new AsyncDisposableStack();
    opened.use(folder);
    const file = opened.use(await open(spool, 'wx+', 0o600));
    await rm(spool);
    const entries = new Map(folder.entries.map((entry) => [entry.path, entry]));
    if (!entries.has('')) entries.set('', impliedFolder('', new Date(0)));
    const context = new BuildContext(file, entries, folder);
    opened.move();
    return context;
  }

  /**
   * Makes sure that the contents of these files, and of all below these folders, are here: of a client's folder they are sent
   * now. Throws `invalid` for what the client cannot read, and what the folder throws.
   */
  async load(entries: readonly ContextEntry[], onBytes?: (bytes: number) => void): Promise<void> {
    if (this.#source === undefined) return;
    const paths = entries.flatMap((entry) =>
      entry.type === 'directory' ? this.below(entry.path).map(({ path }) => path) : [entry.path],
    );
    await this.#source.loader.load(paths, onBytes);
  }

  get(path: string): ContextEntry | undefined {
    return this.#entries.get(path);
  }

  /** The entry that a path leads to, through symlinks; their targets are taken inside the context. */
  follow(path: string): ContextEntry | undefined {
    const pending = path.split('/').filter(Boolean);
    let links = 0;
    let at = this.#entries.get('');
    for (let part = pending.shift(); part !== undefined && at !== undefined; part = pending.shift()) {
      if (part === '.') continue;
      const next: string =
        part === '..' ? posix.dirname(at.path).replace(/^\.$/, '') : posix.join(at.path, part);
      const entry = this.#entries.get(next);
      if (entry?.type !== 'symlink') {
        at = entry;
        continue;
      }
      links += 1;
      if (links > MAX_LINKS) return undefined;
      const target = entry.linkTarget ?? '';
      if (target.startsWith('/')) at = this.#entries.get('');
      pending.unshift(...target.split('/').filter(Boolean));
    }
    return at;
  }

  /** Every entry's path but the context's own. */
  paths(): string[] {
    return [...this.#entries.keys()].filter((path) => path !== '');
  }

  /** Entries below a folder, parents before children. */
  below(folder: string): ContextEntry[] {
    const prefix = folder === '' ? '' : `${folder}/`;
    return [...this.#entries.values()]
      .filter(({ path }) => path !== folder && path.startsWith(prefix))
      .sort((a, b) => (a.path < b.path ? -1 : 1));
  }

  /** Takes a file out of the index: no step sees it. */
  drop(path: string): void {
    this.#entries.delete(path);
  }

  /** A file's content, or its first `limit` bytes. */
  async read({ size, offset }: ContextEntry, limit = size): Promise<Buffer> {
    const length = Math.min(size, limit);
    const { buffer, bytesRead } = await this.#spool.read(Buffer.alloc(length), 0, length, offset);
    return buffer.subarray(0, bytesRead);
  }

  /** A file's content. */
  stream(entry: ContextEntry): Readable {
    return Readable.from(this.#chunks(entry), { objectMode: false });
  }

  /** A tar of entries under new names, with their own modes or the given one. */
  tar(placements: readonly Placement[], mode: number | undefined): Readable {
    const archive = pack();
    this.#write(archive, placements, mode).then(
      () => archive.finalize(),
      (error: unknown) => archive.destroy(error instanceof Error ? error : new Error(String(error))),
    );
    return Readable.from(archive, { objectMode: false });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.#source?.folder[Symbol.asyncDispose]();
    } finally {
      await this.#spool.close();
    }
  }

  /** Unlike a read stream of the handle, which closes it when it is destroyed. */
  async *#chunks({ size, offset }: ContextEntry): AsyncGenerator<Buffer> {
    for (let at = 0; at < size; ) {
      const wanted = Math.min(CHUNK, size - at);
      const { buffer, bytesRead } = await this.#spool.read(Buffer.alloc(wanted), 0, wanted, offset + at);
      if (bytesRead === 0) throw internal('the received build context is shorter than its index says');
      at += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  }

  async #write(archive: Pack, placements: readonly Placement[], mode: number | undefined): Promise<void> {
    const content = new ReadAhead(this.#spool);
    for (const { entry, name } of placements) {
      const header: MemberHeader = {
        name,
        type: entry.type,
        mode: mode ?? entry.mode,
        mtime: entry.mtime,
        size: entry.size,
        ...(entry.linkTarget === undefined ? {} : { linkname: entry.linkTarget }),
      };
      if (entry.type !== 'file') archive.entry(header);
      else if (entry.size > PIECE) await pipeline(this.stream(entry), archive.entry(header));
      else if (content.has(entry)) archive.entry(header, content.take(entry));
      else {
        // Now and then wait for a slow reader: no more than one piece is held for it.
        await content.load(entry);
        await writeMember(archive, header, content.take(entry));
      }
    }
  }
}

/** Resolves when the archive has taken the content, so that no more than a file waits for a slow reader. */
function writeMember(archive: Pack, header: MemberHeader, content: Buffer): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  archive.entry(header, (error) => (error ? reject(error) : resolve())).end(content);
  return promise;
}

/** Writes the contents of a tar's files one after the other, and returns the index of the tar. */
async function spoolTar(
  tar: Readable,
  spool: FileHandle,
  signal: AbortSignal,
): Promise<Map<string, ContextEntry>> {
  const entries = new Map<string, ContextEntry>();
  const archive = extract();
  const input = new PaddedInput();
  const fed = pipeline(tar, (chunks) => input.pass(chunks), archive, { signal });
  fed.catch(() => {}); // the loop below ends with its error, too
  const output = new SpoolWriter(spool);
  let end = 0;
  for await (const member of archive) {
    end = member.offset + BLOCK + member.header.size;
    const entry = entryOf(member.header, output.offset, (path) => entries.get(path));
    const hash = createHash('sha256');
    for await (const chunk of member) {
      if (!(chunk instanceof Uint8Array)) throw new TypeError('a tar member gave no bytes');
      hash.update(chunk);
      if (output.add(chunk)) await output.flush();
    }
    if (entry === undefined) continue;
    addParents(entries, entry);
    entries.set(entry.path, entry.digest === '' ? { ...entry, digest: hash.digest('hex') } : entry);
  }
  await fed;
  if (end > input.length) throw invalid('the build context ends inside a file');
  await output.flush();
  return entries;
}

/**
 * Fills the last block up: the docker CLI leaves the end away when it adds a Dockerfile from outside, and Go's reader
 * does not mind.
 */
class PaddedInput {
  /** Bytes that came, without the padding. */
  length = 0;

  async *pass(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of chunks) {
      this.length += chunk.length;
      yield chunk;
    }
    yield new Uint8Array((BLOCK - (this.length % BLOCK)) % BLOCK);
  }
}

/** Archives may leave folders out. */
function addParents(entries: Map<string, ContextEntry>, { path, mtime }: ContextEntry): void {
  for (let folder = path; folder !== ''; ) {
    folder = folder.includes('/') ? posix.dirname(folder) : '';
    if (!entries.has(folder)) entries.set(folder, impliedFolder(folder, mtime));
  }
}
