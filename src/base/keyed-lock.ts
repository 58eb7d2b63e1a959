/**
 * One async lock per key: work under the same key runs one after the other, in the order asked for.
 * Not re-entrant: never ask for a key while holding it.
 */
export class KeyedLock {
  readonly #tails = new Map<string, Promise<unknown>>();

  /** Whoever waits leaves the line when `signal` aborts, with its reason; work that has begun is not ended by it. */
  async run<T>(key: string, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted();
    const previous = this.#tails.get(key) ?? Promise.resolve();
    const turn = Promise.withResolvers<void>();
    const leave = () => turn.reject(signal?.reason);
    signal?.addEventListener('abort', leave, { once: true });
    const mine = previous.then(async () => {
      signal?.removeEventListener('abort', leave);
      signal?.throwIfAborted();
      turn.resolve();
      return work();
    });
    const tail = mine.then(
      () => {},
      () => {},
    );
    this.#tails.set(key, tail);
    void tail.then(() => {
      if (this.#tails.get(key) === tail) this.#tails.delete(key);
    });
    return Promise.race([turn.promise.then(() => mine), mine]);
  }
}
