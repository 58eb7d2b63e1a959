import { createHash, type Hash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { invalid } from '../base/index.ts';
import type { ContextEntry } from './context-entry.ts';
import type { ClientFolder } from './contract.ts';
import { PIECE, SpoolWriter } from './spool.ts';

/** Files that are asked for at once: so many, and so many bytes, so that what comes mixed fits into memory. */
const BATCH_FILES = 128;
const BATCH_BYTES = 8 * PIECE;

/** A file that is on its way. */
interface Incoming {
  readonly entry: ContextEntry;
  readonly hash: Hash;
  /** Of a small file; a large one comes alone and goes to the spool at once. */
  readonly pieces: Uint8Array[];
  /** Bytes that came and count. */
  length: number;
}

/** Fetches the contents of a client's files into a spool, each once and only when it is needed. */
export class ContextLoader {
  readonly #folder: ClientFolder;
  readonly #entries: Map<string, ContextEntry>;
  readonly #spool: SpoolWriter;
  /** The work before: one batch at a time. */
  #turn: Promise<void> = Promise.resolve();

  constructor(folder: ClientFolder, entries: Map<string, ContextEntry>, spool: FileHandle) {
    this.#folder = folder;
    this.#entries = entries;
    this.#spool = new SpoolWriter(spool);
  }

  /**
   * Brings the contents of files; their entries are replaced by ones with digest and place. `onBytes` hears how much has come.
   * Throws `invalid` for a file that the client cannot read.
   */
  async load(paths: Iterable<string>, onBytes: (bytes: number) => void = () => {}): Promise<void> {
    const before = this.#turn;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#turn = promise;
    await before;
    try {
      const missing = this.#missing(paths);
      for (const batch of batches(missing)) await this.#fetch(batch, onBytes);
      this.#linkHard();
    } finally {
      resolve();
    }
  }

  #missing(paths: Iterable<string>): ContextEntry[] {
    const wanted = new Set<string>();
    for (const path of paths) wanted.add(this.#folder.hardLinks.get(path) ?? path);
    return [...wanted].flatMap((path) => {
      const entry = this.#entries.get(path);
      return entry?.type === 'file' && entry.digest === '' ? entry : [];
    });
  }

  async #fetch(batch: readonly ContextEntry[], onBytes: (bytes: number) => void): Promise<void> {
    const coming = new Map<string, Incoming>(
      batch.map((entry) => [entry.path, { entry, hash: createHash('sha256'), pieces: [], length: 0 }]),
    );
    const isLarge = batch.some(({ size }) => size > PIECE);
    const start = this.#spool.offset;
    for await (const { path, data } of this.#folder.contents([...coming.keys()])) {
      const file = coming.get(path);
      if (file === undefined) throw invalid(`the client sent a file that it was not asked for: ${path}`);
      onBytes(data.length);
      if (data.length > 0) await this.#take(file, data, isLarge);
      else {
        coming.delete(path);
        await this.#complete(file, isLarge ? start : undefined);
      }
    }
    await this.#spool.flush();
  }

  /** What a file has grown by since it was looked at is left out: it is sent as it was then. */
  async #take(file: Incoming, data: Uint8Array, isLarge: boolean): Promise<void> {
    const piece = data.subarray(0, file.entry.size - file.length);
    file.length += piece.length;
    file.hash.update(piece);
    if (!isLarge) file.pieces.push(piece);
    else if (this.#spool.add(piece)) await this.#spool.flush();
  }

  async #complete({ entry, hash, pieces, length }: Incoming, start: number | undefined): Promise<void> {
    if (length === 0 && entry.size > 0) throw invalid(`the client could not read ${entry.path}`);
    const offset = start ?? this.#spool.offset;
    let isTime = false;
    for (const piece of pieces) isTime = this.#spool.add(piece);
    if (isTime) await this.#spool.flush();
    this.#entries.set(entry.path, { ...entry, size: length, digest: hash.digest('hex'), offset });
  }

  #linkHard(): void {
    for (const [path, target] of this.#folder.hardLinks) {
      const entry = this.#entries.get(target);
      if (entry?.digest !== '' && entry !== undefined) this.#entries.set(path, { ...entry, path });
    }
  }
}

/** Files in the order in which they were asked for, a large one alone. */
function* batches(entries: readonly ContextEntry[]): Generator<ContextEntry[]> {
  let batch: ContextEntry[] = [];
  let bytes = 0;
  for (const entry of entries) {
    const isFull = batch.length === BATCH_FILES || bytes + entry.size > BATCH_BYTES;
    if (batch.length > 0 && (isFull || entry.size > PIECE)) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(entry);
    bytes += entry.size;
    if (entry.size <= PIECE) continue;
    yield batch;
    batch = [];
    bytes = 0;
  }
  if (batch.length > 0) yield batch;
}
