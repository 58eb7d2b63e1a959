import { spawn } from 'node:child_process';
import { createHash, type Hash } from 'node:crypto';
import { once } from 'node:events';
import type { FileHandle } from 'node:fs/promises';
import { PassThrough, Transform, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import {
  BerthError,
  type Digest,
  digestFromHex,
  invalid,
  isDecompressionError,
  systemErrorCode,
} from '../../../base/index.ts';
import { confinedCommand, strangerId } from './confined-program.ts';
import { LARGEST_DISK } from './contract.ts';
import { COPY_LIMITS } from './qemu-img.ts';

/** Holes have this size, and begin at a multiple of it. */
const BLOCK = 64 * 1024;
const ZEROS = Buffer.alloc(BLOCK);

/** How much of an image's beginning is looked at. */
export const HEAD_SIZE = 512;

export type Compression = 'gzip' | 'zstd' | 'xz';

const endings: readonly (readonly [RegExp, Compression])[] = [
  [/\.gz$/i, 'gzip'],
  [/\.zstd?$/i, 'zstd'],
  [/\.xz$/i, 'xz'],
];

/** A file's name without the ending that says how it is compressed, and that. A name decides, as a raw disk may begin with anything. */
export function splitCompression(name: string): {
  readonly name: string;
  readonly compression?: Compression;
} {
  for (const [ending, compression] of endings) {
    if (ending.test(name)) return { name: name.replace(ending, ''), compression };
  }
  return { name };
}

export interface Receiving {
  /** For messages. */
  readonly subject: string;
  readonly compression: Compression | undefined;
  /** Called with what the image begins with, up to {@link HEAD_SIZE} bytes; throws to refuse the rest. */
  readonly onHead: (head: Buffer) => void;
  /** Called with the number of bytes that have come so far. */
  readonly onBytes: (bytes: number) => void;
  readonly signal: AbortSignal | undefined;
}

/** Digests of what came, and of that after decompression. */
export interface Received {
  readonly received: Digest;
  readonly written: Digest;
}

/** Writes a stream to a file: decompressed, hashed while it comes, zeros as holes. Throws `invalid` for what cannot be decompressed. */
export async function receive(
  source: AsyncIterable<Buffer>,
  file: FileHandle,
  receiving: Receiving,
): Promise<Received> {
  const { subject, compression, onBytes, onHead, signal } = receiving;
  const received = createHash('sha256');
  const written = createHash('sha256');
  const options = signal === undefined ? {} : { signal };
  try {
    await pipeline(
      source,
      counted(received, onBytes),
      decompressor(compression),
      new SparseWriter(file, written, onHead),
      options,
    );
  } catch (error) {
    const isBroken = isDecompressionError(error) || systemErrorCode(error) === 'EPIPE'; // xz has ended
    if (error instanceof BerthError || !isBroken) throw error;
    throw invalid(`${subject} cannot be decompressed (${compression})`, { cause: error });
  }
  const digest = (hash: Hash) => digestFromHex(hash.digest('hex'));
  return { received: digest(received), written: digest(written) };
}

function counted(hash: Hash, onBytes: (bytes: number) => void): Transform {
  let bytes = 0;
  return new Transform({
    transform(chunk: Buffer, _, done) {
      hash.update(chunk);
      bytes += chunk.length;
      onBytes(bytes);
      done(null, chunk);
    },
  });
}

function decompressor(compression: Compression | undefined) {
  switch (compression) {
    case undefined:
      return new PassThrough();
    case 'gzip':
      return createGunzip();
    case 'zstd':
      return createZstdDecompress();
    case 'xz':
      return throughXz;
  }
}

/** By the program, as Node has no xz; it reads what others have made, so it is confined. */
async function* throughXz(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const confinement = { limits: COPY_LIMITS, user: strangerId(), writes: false };
  const command = confinedCommand(confinement, 'xz', ['--decompress', '--stdout']);
  const child = spawn(command.file, command.args, { stdio: 'pipe', cwd: '/' });
  const ended = once(child, 'close');
  ended.catch(() => {}); // seen below, unless nobody reads to the end
  const fed = pipeline(source, child.stdin).catch((error: unknown) => error); // also when it ends before it has read all
  let words = '';
  child.stderr.on('data', (chunk: Buffer) => {
    if (words.length < 1000) words += chunk.toString();
  });
  try {
    yield* child.stdout;
    const [code] = await ended;
    if (code === 0) return;
    const failure = await fed;
    if (failure !== undefined && systemErrorCode(failure) !== 'EPIPE') throw failure;
    throw invalid(`xz: ${words.trim() || `exit code ${code}`}`);
  } finally {
    child.kill('SIGKILL');
  }
}

/** Writes what comes, zeros as holes. */
class SparseWriter extends Writable {
  readonly #file: FileHandle;
  readonly #hash: Hash;
  readonly #onHead: (head: Buffer) => void;
  /** Undefined once it was shown. */
  #head: Buffer | undefined = Buffer.alloc(0);
  #size = 0;

  constructor(file: FileHandle, hash: Hash, onHead: (head: Buffer) => void) {
    super();
    this.#file = file;
    this.#hash = hash;
    this.#onHead = onHead;
  }

  override _write(chunk: Buffer, _: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#add(chunk).then(() => done(), done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#end().then(() => done(), done);
  }

  async #add(chunk: Buffer): Promise<void> {
    if (this.#head !== undefined) {
      this.#head = Buffer.concat([this.#head, chunk.subarray(0, HEAD_SIZE - this.#head.length)]);
      if (this.#head.length === HEAD_SIZE) this.#showHead();
    }
    this.#hash.update(chunk);
    for (let from = 0; from < chunk.length; ) {
      const at = this.#size + from;
      const part = chunk.subarray(from, from + BLOCK - (at % BLOCK));
      if (!part.equals(ZEROS.subarray(0, part.length))) await writeAll(this.#file, part, at);
      from += part.length;
    }
    this.#size += chunk.length;
    if (this.#size > LARGEST_DISK)
      throw invalid(`it is larger than any disk: more than ${LARGEST_DISK} bytes`);
  }

  async #end(): Promise<void> {
    this.#showHead();
    await this.#file.truncate(this.#size);
  }

  #showHead(): void {
    const head = this.#head;
    this.#head = undefined;
    if (head !== undefined) this.#onHead(head);
  }
}

async function writeAll(file: FileHandle, data: Buffer, position: number): Promise<void> {
  for (let done = 0; done < data.length; ) {
    done += (await file.write(data, done, data.length - done, position + done)).bytesWritten;
  }
}
