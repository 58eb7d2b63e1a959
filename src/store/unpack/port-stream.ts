import { on } from 'node:events';
import { Readable } from 'node:stream';
import type { MessagePort } from 'node:worker_threads';

/** Chunks that may be under way to the reader's thread. */
const WINDOW = 8;

type ToReader = { readonly chunk: Uint8Array } | { readonly end: true } | { readonly error: string };

/**
 * Sends a stream to another thread, no faster than it is read there. Ends when the stream has ended or the reader's port
 * is closed; an error of the stream is thrown here and at the reader.
 */
export async function sendStream(
  source: Readable,
  port: MessagePort,
  { signal, onProgress }: { signal: AbortSignal; onProgress: (bytes: number) => void },
): Promise<void> {
  let sent = 0;
  let credit = WINDOW;
  let wake = () => {};
  let isClosed = false;
  port.on('message', () => {
    credit += 1;
    wake();
  });
  const stop = () => {
    isClosed = true;
    wake();
  };
  port.once('close', stop);
  signal.addEventListener('abort', stop, { once: true });
  try {
    for await (const chunk of source) {
      while (credit === 0 && !isClosed) {
        const { promise, resolve } = Promise.withResolvers<void>();
        wake = resolve;
        await promise;
      }
      if (isClosed) return;
      credit -= 1;
      const copy = Uint8Array.from(chunk as Uint8Array);
      sent += copy.length;
      port.postMessage({ chunk: copy } satisfies ToReader, [copy.buffer]);
      onProgress(sent);
    }
    port.postMessage({ end: true } satisfies ToReader);
  } catch (error) {
    port.postMessage({ error: String(error) } satisfies ToReader);
    throw error;
  } finally {
    signal.removeEventListener('abort', stop);
    source.destroy();
  }
}

/** The reader's end of {@link sendStream}. */
export function receiveStream(port: MessagePort): Readable {
  return Readable.from(receiveChunks(port), { objectMode: false });
}

async function* receiveChunks(port: MessagePort): AsyncGenerator<Buffer> {
  try {
    for await (const [message] of on(port, 'message') as AsyncIterable<[ToReader]>) {
      if ('end' in message) return;
      if ('error' in message) throw new Error(message.error);
      port.postMessage('read');
      const { buffer, byteOffset, length } = message.chunk;
      yield Buffer.from(buffer, byteOffset, length);
    }
  } finally {
    port.close();
  }
}
