import type { Readable } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { notImplemented } from '../../base/index.ts';

const CHUNK_SIZE = 512 * 1024;
/** Decompression, which runs in one of libuv's threads, stays ahead of the reader by up to so much. */
const READ_AHEAD = 4 * CHUNK_SIZE;
const OPTIONS = { chunkSize: CHUNK_SIZE, readableHighWaterMark: READ_AHEAD };
const MAGIC_LENGTH = 6;

/**
 * The content of a stream that may be compressed by gzip or zstd, told by its first bytes. Refuses bzip2 and xz by name.
 * Errors of the source and of decompression are thrown to the reader.
 */
export async function* decompress(source: Readable): AsyncGenerator<Buffer> {
  const start = await peek(source, MAGIC_LENGTH);
  const decoder = decoderFor(start);
  if (decoder === undefined) {
    yield* source;
    return;
  }
  source.once('error', (error) => decoder.destroy(error));
  yield* readAhead(source.pipe(decoder));
}

/**
 * The chunks of a stream as they are. (A stream's own iterator joins what has gathered, a copy, and lets the next
 * decompression wait for the reader.)
 */
async function* readAhead(stream: Readable): AsyncGenerator<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  let failure: unknown;
  let wake = () => {};
  stream.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    size += chunk.length;
    if (size >= READ_AHEAD) stream.pause();
    wake();
  });
  stream.once('end', () => wake());
  stream.once('error', (error) => {
    failure = error;
    wake();
  });
  try {
    for (;;) {
      const chunk = chunks.shift();
      if (chunk !== undefined) {
        size -= chunk.length;
        if (stream.isPaused()) stream.resume();
        yield chunk;
      } else {
        if (failure !== undefined) throw failure;
        if (stream.readableEnded) return;
        const { promise, resolve } = Promise.withResolvers<void>();
        wake = resolve;
        await promise;
      }
    }
  } finally {
    stream.destroy();
  }
}

function decoderFor(start: Buffer) {
  const hex = start.toString('hex');
  if (hex.startsWith('1f8b')) return createGunzip(OPTIONS);
  if (hex.startsWith('28b52ffd') || /^5.2a4d18/.test(hex)) {
    return createZstdDecompress(OPTIONS);
  }
  if (hex.startsWith('425a68')) throw notImplemented('layers compressed by bzip2 are not supported');
  if (hex === 'fd377a585a00') throw notImplemented('layers compressed by xz are not supported');
  return undefined;
}

/** The first bytes of a stream, left in it; fewer where it is shorter. */
async function peek(source: Readable, length: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let total = 0;
  while (total < length) {
    const chunk: Buffer | null = source.read();
    if (chunk !== null) {
      chunks.push(chunk);
      total += chunk.length;
    } else if (source.readableEnded || !(await readableOrEnd(source))) {
      break;
    }
  }
  const start = Buffer.concat(chunks);
  if (start.length > 0) source.unshift(start);
  return start.subarray(0, length);
}

/** False at the end. */
async function readableOrEnd(source: Readable): Promise<boolean> {
  const { promise, resolve, reject } = Promise.withResolvers<boolean>();
  const onReadable = () => resolve(source.readableLength > 0);
  source.once('readable', onReadable).once('error', reject);
  try {
    return await promise;
  } finally {
    source.off('readable', onReadable).off('error', reject);
  }
}
