import { on } from 'node:events';
import type { Readable } from 'node:stream';
import type { MessagePort } from 'node:worker_threads';

/** Chunks are gathered to pieces of this size: decompressing many small ones costs the reader's thread far more. */
const PIECE_SIZE = 1024 * 1024;

/** Pieces that may be under way to the reader's thread. */
const WINDOW = 4;

type Piece = Uint8Array<ArrayBuffer>;

type ToReader = { readonly piece: Piece } | { readonly end: true } | { readonly error: string };

/** A piece's memory, which comes back when the reader is through with it. */
type ToSender = { readonly read: ArrayBuffer };

/**
 * Sends a stream to another thread, no faster than it is read there. Ends when the stream has ended, the signal aborts or
 * the reader's port is closed; an error of the stream is thrown here and at the reader.
 */
export async function sendStream(
  source: Readable,
  port: MessagePort,
  { signal, onProgress }: { signal: AbortSignal; onProgress: (bytes: number) => void },
): Promise<void> {
  let credit = WINDOW;
  let wake = () => {};
  let isStopped = false;
  const free: ArrayBuffer[] = [];
  port.on('message', ({ read }: ToSender) => {
    free.push(read);
    credit += 1;
    wake();
  });
  const stop = () => {
    isStopped = true;
    source.destroy();
    wake();
  };
  port.once('close', stop);
  signal.addEventListener('abort', stop, { once: true });
  try {
    for await (const piece of gather(source, free, onProgress)) {
      while (credit === 0 && !isStopped) {
        const { promise, resolve } = Promise.withResolvers<void>();
        wake = resolve;
        await promise;
      }
      if (isStopped) return;
      credit -= 1;
      port.postMessage({ piece } satisfies ToReader, [piece.buffer]);
    }
    port.postMessage({ end: true } satisfies ToReader);
  } catch (error) {
    if (isStopped) return;
    port.postMessage({ error: String(error) } satisfies ToReader);
    throw error;
  } finally {
    signal.removeEventListener('abort', stop);
    source.destroy();
  }
}

/** Copies of the stream's bytes, each in a buffer of its own that can be given away; from `free` where there is one. */
async function* gather(
  source: Readable,
  free: ArrayBuffer[],
  onProgress: (bytes: number) => void,
): AsyncGenerator<Piece> {
  const newPiece = () => new Uint8Array(free.pop() ?? new ArrayBuffer(PIECE_SIZE));
  let total = 0;
  let piece = newPiece();
  let filled = 0;
  for await (const chunk of source as AsyncIterable<Uint8Array>) {
    for (let at = 0; at < chunk.length; ) {
      const part = chunk.subarray(at, at + PIECE_SIZE - filled);
      piece.set(part, filled);
      filled += part.length;
      at += part.length;
      if (filled < PIECE_SIZE) continue;
      yield piece;
      piece = newPiece();
      filled = 0;
    }
    total += chunk.length;
    onProgress(total);
  }
  if (filled > 0) yield piece.subarray(0, filled);
}

/** The reader's end of {@link sendStream}. A chunk is the reader's until it asks for the next one. */
export async function* receiveChunks(port: MessagePort): AsyncGenerator<Buffer> {
  try {
    for await (const [message] of on(port, 'message') as AsyncIterable<[ToReader]>) {
      if ('end' in message) return;
      if ('error' in message) throw new Error(message.error);
      const { buffer, byteOffset, length } = message.piece;
      yield Buffer.from(buffer, byteOffset, length);
      port.postMessage({ read: buffer } satisfies ToSender, [buffer]);
    }
  } finally {
    port.close();
  }
}
