/** A map whose readers can wait for a key. */
export class AwaitedMap<Value> {
  readonly #values = new Map<string, Value>();
  #change = Promise.withResolvers<void>();

  has(key: string): boolean {
    return this.#values.has(key);
  }

  set(key: string, value: Value): void {
    this.#values.set(key, value);
    this.#change.resolve();
    this.#change = Promise.withResolvers<void>();
  }

  /** Takes a key away, if it still has this value. */
  delete(key: string, value: Value): void {
    if (this.#values.get(key) === value) this.#values.delete(key);
  }

  /** The value as soon as it is there. Rejects with the signal's reason when that is aborted first. */
  async wait(key: string, signal: AbortSignal): Promise<Value> {
    const aborted = Promise.withResolvers<never>();
    aborted.promise.catch(() => {}); // where nobody waits any more
    const stop = () => aborted.reject(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
    try {
      for (;;) {
        signal.throwIfAborted();
        const value = this.#values.get(key);
        if (value !== undefined) return value;
        await Promise.race([this.#change.promise, aborted.promise]);
      }
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }
}
