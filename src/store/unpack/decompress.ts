import type { Transform } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { notImplemented } from '../../base/index.ts';

const CHUNK_SIZE = 512 * 1024;
/** Decompression, which runs in one of libuv's threads, stays ahead of the reader by up to so much. */
const READ_AHEAD = 4 * CHUNK_SIZE;
const OPTIONS = { chunkSize: CHUNK_SIZE, readableHighWaterMark: READ_AHEAD };
const MAGIC_LENGTH = 6;

/**
 * The content of a source that may be compressed by gzip or zstd, told by its first bytes. Refuses bzip2 and xz by name.
 * Errors of the source and of decompression are thrown to the reader. On both sides a chunk belongs to its reader until
 * that asks for the next one: then its memory is used again, so that a large layer needs no more of it than a small one.
 */
export async function* decompress(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const chunks = source[Symbol.asyncIterator]();
  const start = await readStart(chunks);
  const decoder = decoderFor(start.subarray(0, MAGIC_LENGTH));
  if (decoder === undefined) {
    yield start;
    yield* { [Symbol.asyncIterator]: () => chunks };
    return;
  }
  void feed(decoder, start, chunks);
  yield* readAhead(decoder);
}

/** Writes to the decoder, which waits for its reader; an error of the source becomes the decoder's. */
async function feed(decoder: Transform, start: Buffer, chunks: AsyncIterator<Buffer>): Promise<void> {
  try {
    await written(decoder, start);
    for (let next = await chunks.next(); next.done !== true; next = await chunks.next()) {
      await written(decoder, next.value);
    }
    decoder.end();
  } catch (error) {
    decoder.destroy(error instanceof Error ? error : new Error(String(error)));
  }
}

/** Resolves when the decoder does not need the chunk any more. */
function written(decoder: Transform, chunk: Buffer): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  decoder.write(chunk, (error) => (error ? reject(error) : resolve()));
  return promise;
}

/**
 * The chunks of a decoder as they are. (A stream's own iterator joins what has gathered, a copy, and lets the next
 * decompression wait for the reader.)
 */
async function* readAhead(decoder: Transform): AsyncGenerator<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  let failure: unknown;
  let wake = () => {};
  decoder.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    size += chunk.length;
    if (size >= READ_AHEAD) decoder.pause();
    wake();
  });
  decoder.once('end', () => wake());
  decoder.once('error', (error) => {
    failure = error;
    wake();
  });
  try {
    for (;;) {
      const chunk = chunks.shift();
      if (chunk !== undefined) {
        size -= chunk.length;
        if (decoder.isPaused()) decoder.resume();
        yield chunk;
        release(chunk);
      } else {
        if (failure !== undefined) throw failure;
        if (decoder.readableEnded) return;
        const { promise, resolve } = Promise.withResolvers<void>();
        wake = resolve;
        await promise;
      }
    }
  } finally {
    decoder.destroy();
  }
}

/**
 * Gives a decoder's buffer back at once: the collector would let dozens of megabytes of them gather. The decoder fills a
 * buffer by several chunks, and writes to it no more after the one that ends it.
 */
function release({ buffer, byteOffset, length }: Buffer): void {
  const isLast = byteOffset + length === buffer.byteLength;
  if (isLast && buffer.byteLength === CHUNK_SIZE && buffer instanceof ArrayBuffer) buffer.transfer(0);
}

function decoderFor(start: Buffer): Transform | undefined {
  const hex = start.toString('hex');
  if (hex.startsWith('1f8b')) return createGunzip(OPTIONS);
  if (hex.startsWith('28b52ffd') || /^5.2a4d18/.test(hex)) {
    return createZstdDecompress(OPTIONS);
  }
  if (hex.startsWith('425a68')) throw notImplemented('layers compressed by bzip2 are not supported');
  if (hex === 'fd377a585a00') throw notImplemented('layers compressed by xz are not supported');
  return undefined;
}

/** A copy of the first bytes of a source, MAGIC_LENGTH of them or more where it is not shorter. */
async function readStart(chunks: AsyncIterator<Buffer>): Promise<Buffer> {
  let start = Buffer.alloc(0);
  while (start.length < MAGIC_LENGTH) {
    const next = await chunks.next();
    if (next.done === true) break;
    start = Buffer.concat([start, next.value]);
  }
  return start;
}
