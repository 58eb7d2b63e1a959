import { createHash, randomBytes } from 'node:crypto';
import { type FileHandle, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import {
  asBerthError,
  crashPoint,
  type Digest,
  digestFromHex,
  digestOf,
  invalid,
  KeyedLock,
  notFound,
  syncDirectory,
  systemErrorCode,
} from '../base/index.ts';
import type { ContentStore } from './contract.ts';
import type { DataRoot } from './data-root.ts';
import { GrowingFile } from './growing-file.ts';
import type { Leases } from './leases.ts';
import type { Trash } from './trash.ts';

const READ_SIZE = 256 * 1024;

/**
 * Blobs as files. A blob's file appears by rename, complete and synced; who writes the same digest at the same time
 * replaces it by the same bytes.
 */
export class FileContentStore implements ContentStore {
  readonly #root: DataRoot;
  readonly #leases: Leases;
  readonly #trash: Trash;
  /** Per digest: publishing and deleting. */
  readonly #lock = new KeyedLock();

  constructor(root: DataRoot, leases: Leases, trash: Trash) {
    this.#root = root;
    this.#leases = leases;
    this.#trash = trash;
  }

  async has(digest: Digest): Promise<boolean> {
    try {
      await stat(this.#root.blob(digest));
      return true;
    } catch (error) {
      if (systemErrorCode(error) !== 'ENOENT') throw error;
      return false;
    }
  }

  async size(digest: Digest): Promise<number> {
    return (await this.#found(digest, stat(this.#root.blob(digest)))).size;
  }

  async read(digest: Digest): Promise<Buffer> {
    return this.#found(digest, readFile(this.#root.blob(digest)));
  }

  async open(digest: Digest): Promise<Readable> {
    const file = await this.#found(digest, open(this.#root.blob(digest), 'r'));
    return file.createReadStream({ highWaterMark: READ_SIZE });
  }

  async path(digest: Digest): Promise<string> {
    const path = this.#root.blob(digest);
    await this.#found(digest, stat(path));
    return path;
  }

  async put(data: Uint8Array): Promise<Digest> {
    const digest = digestOf(data);
    await this.#writeFile(async (file) => {
      await file.writeFile(data);
      return { digest };
    });
    return digest;
  }

  async write(
    expected: { digest: Digest; size?: number },
    source: Readable,
    signal?: AbortSignal,
  ): Promise<void> {
    try {
      await this.#writeFile((file) => copyChecked(source, file, expected, signal));
    } finally {
      source.destroy();
    }
  }

  writeFollowed(
    expected: { digest: Digest; size: number },
    source: Readable,
    signal?: AbortSignal,
  ): { readonly stored: Promise<void>; readonly copy: Readable } {
    const copy = new GrowingFile();
    copy.on('error', () => {}); // its reader sees it, if there still is one
    return { stored: this.#writeFollowed(expected, source, copy, signal), copy };
  }

  async #writeFollowed(
    expected: { digest: Digest; size: number },
    source: Readable,
    copy: GrowingFile,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    try {
      await this.#writeFile(async (file, path) => {
        await copy.follow(path);
        const written = await copyChecked(source, file, expected, signal, (size) => copy.grow(size));
        copy.complete();
        return written;
      });
    } catch (error) {
      copy.destroy(error instanceof Error ? error : new Error(String(error)));
      throw error;
    } finally {
      source.destroy();
    }
  }

  async add(
    source: Readable,
    signal?: AbortSignal,
  ): Promise<{ readonly digest: Digest; readonly size: number }> {
    try {
      return await this.#writeFile((file) => copy(source, file, Number.POSITIVE_INFINITY, signal));
    } finally {
      source.destroy();
    }
  }

  async discard(digest: Digest): Promise<void> {
    await this.discardUnless(digest, () => this.#leases.isLeased(digest));
  }

  async list(): Promise<readonly Digest[]> {
    return (await readdir(this.#root.blobs)).map(digestFromHex);
  }

  async delete(digest: Digest): Promise<void> {
    await this.#lock.run(digest, () => rm(this.#root.blob(digest), { force: true }));
  }

  /** Takes a blob away unless somebody needs it by then; returns whether it is gone. Its space is free soon after. */
  async discardUnless(digest: Digest, isNeeded: () => boolean): Promise<boolean> {
    return this.#lock.run(digest, async () => {
      if (isNeeded()) return false;
      await this.#trash.discard(this.#root.blob(digest));
      return true;
    });
  }

  /** Publishes what `fill` writes under the digest that it returns; nothing is kept when it fails. */
  async #writeFile<T extends { readonly digest: Digest }>(
    fill: (file: FileHandle, path: string) => Promise<T>,
  ): Promise<T> {
    const temporary = join(this.#root.temporary, `blob-${randomBytes(8).toString('hex')}`);
    try {
      const file = await open(temporary, 'wx', 0o600);
      let written: T;
      try {
        written = await fill(file, temporary);
        await file.sync();
      } finally {
        await file.close();
      }
      const { digest } = written;
      await this.#lock.run(digest, async () => {
        this.#leases.take(digest);
        await rename(temporary, this.#root.blob(digest));
        await syncDirectory(this.#root.blobs);
        crashPoint('blob.stored');
      });
      return written;
    } catch (error) {
      await rm(temporary, { force: true });
      throw systemErrorCode(error) === 'ENOSPC' ? asBerthError(error) : error;
    }
  }

  async #found<T>(digest: Digest, work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      if (systemErrorCode(error) !== 'ENOENT') throw error;
      throw notFound(`content ${digest} is not in the store`, { cause: error });
    }
  }
}

async function copyChecked(
  source: Readable,
  file: FileHandle,
  expected: { digest: Digest; size?: number },
  signal: AbortSignal | undefined,
  onWritten = (_size: number) => {},
): Promise<Written> {
  const limit = expected.size ?? Number.POSITIVE_INFINITY;
  const { digest, size } = await copy(source, file, limit, signal, onWritten);
  if (expected.size !== undefined && size !== expected.size) {
    const seen = size > expected.size ? `more than ${expected.size}` : `${size}`;
    throw invalid(`content ${expected.digest} has ${seen} bytes instead of ${expected.size}`);
  }
  if (digest !== expected.digest) {
    throw invalid(`content that should have the digest ${expected.digest} has ${digest}`);
  }
  return { digest, size };
}

interface Written {
  readonly digest: Digest;
  readonly size: number;
}

/** Writes a stream; stops when it turns out longer than `limit` bytes. */
async function copy(
  source: Readable,
  file: FileHandle,
  limit: number,
  signal: AbortSignal | undefined,
  onWritten = (_size: number) => {},
): Promise<Written> {
  const hash = createHash('sha256');
  let size = 0;
  const onAbort = () => source.destroy(abortReason(signal));
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    signal?.throwIfAborted();
    for await (const chunk of source) {
      size += chunk.length;
      if (size > limit) break;
      hash.update(chunk);
      await writeAll(file, chunk);
      onWritten(size);
    }
  } finally {
    signal?.removeEventListener('abort', onAbort);
  }
  return { digest: digestFromHex(hash.digest('hex')), size };
}

async function writeAll(file: FileHandle, chunk: Uint8Array): Promise<void> {
  for (let at = 0; at < chunk.length; ) at += (await file.write(chunk, at)).bytesWritten;
}

function abortReason(signal: AbortSignal | undefined): Error {
  const reason: unknown = signal?.reason;
  return reason instanceof Error ? reason : new Error(String(reason));
}
