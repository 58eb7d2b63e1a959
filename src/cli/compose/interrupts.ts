/** The user's wishes to end, in place of ending at once. */
export interface Interrupts extends Disposable {
  /** Resolves at the next one; one that came before it was asked for counts. */
  next(): Promise<void>;
}

/** Listens for ctrl-c and SIGTERM until disposed. */
export function listenForInterrupts(): Interrupts {
  const waiting: (() => void)[] = [];
  let unheard = 0;
  const onSignal = () => {
    const resolve = waiting.shift();
    if (resolve === undefined) unheard += 1;
    else resolve();
  };
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, onSignal);
  return {
    next() {
      const { promise, resolve } = Promise.withResolvers<void>();
      if (unheard > 0) {
        unheard -= 1;
        resolve();
      } else waiting.push(resolve);
      return promise;
    },
    [Symbol.dispose]() {
      for (const signal of ['SIGINT', 'SIGTERM']) process.off(signal, onSignal);
    },
  };
}
