import { once } from 'node:events';
import { PassThrough, Readable } from 'node:stream';

/**
 * Lets two readers have one stream, at the pace of the slower one. When one of them fails, the other is aborted and that
 * first failure is thrown; otherwise both results are returned.
 */
export async function readTwice<A, B>(
  source: Readable,
  outerSignal: AbortSignal | undefined,
  first: (copy: Readable, signal: AbortSignal) => Promise<A>,
  second: (copy: Readable, signal: AbortSignal) => Promise<B>,
): Promise<[A, B]> {
  const failed = new AbortController();
  const signal = outerSignal === undefined ? failed.signal : AbortSignal.any([outerSignal, failed.signal]);
  const copy = new PassThrough();
  copy.on('error', () => {}); // its reader sees it, if there still is one
  // A source that stalls would keep the second reader from ending.
  signal.addEventListener('abort', () => source.destroy(new Error('nobody reads any more')), { once: true });
  const failures: unknown[] = [];
  const orAbort = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work;
    } catch (error) {
      failures.push(error);
      failed.abort(error);
      throw error;
    }
  };
  const results = await Promise.allSettled([
    orAbort(first(copy, signal)),
    orAbort(second(Readable.from(passOn(source, copy, signal), { objectMode: false }), signal)),
  ]);
  copy.destroy();
  source.destroy();
  const [a, b] = results;
  if (a.status === 'fulfilled' && b.status === 'fulfilled') return [a.value, b.value];
  // Who leaves a stream breaks it off for the other, whose complaint about that may come before the reason.
  throw failures.find((error) => !isAbort(error)) ?? failures[0];
}

const isAbort = (error: unknown) => error instanceof Error && error.name === 'AbortError';

async function* passOn(source: Readable, copy: PassThrough, signal: AbortSignal): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of source) {
      if (!copy.write(chunk)) await once(copy, 'drain', { signal });
      yield chunk;
    }
    copy.end();
  } catch (error) {
    copy.destroy(error instanceof Error ? error : new Error(String(error)));
    throw error;
  }
}
