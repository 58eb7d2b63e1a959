/**
 * Does the work for all, in their order, so many at a time. After a first failure nothing more is begun and the others are cut
 * short; it is thrown when all have ended.
 */
export async function allOrFirstFailure<T>(
  { signal, atATime }: { readonly signal: AbortSignal; readonly atATime: number },
  items: readonly T[],
  work: (item: T, index: number, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const failure = new AbortController();
  const common = AbortSignal.any([signal, failure.signal]);
  const failures: unknown[] = [];
  const queue = [...items.entries()];
  const takeTurns = async () => {
    for (let next = queue.shift(); next !== undefined && !common.aborted; next = queue.shift()) {
      const [index, item] = next;
      try {
        await work(item, index, common);
      } catch (error) {
        failures.push(error);
        failure.abort();
      }
    }
  };
  await Promise.all(Array.from({ length: atATime }, takeTurns));
  if (failures.length > 0) throw failures[0];
}
