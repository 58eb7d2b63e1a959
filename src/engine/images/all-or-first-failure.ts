/** Does the work for all at once. After a first failure the others are cut short, and it is thrown when all have ended. */
export async function allOrFirstFailure<T>(
  signal: AbortSignal,
  items: readonly T[],
  work: (item: T, index: number, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const failure = new AbortController();
  const common = AbortSignal.any([signal, failure.signal]);
  const failures: unknown[] = [];
  await Promise.all(
    items.map((item, index) =>
      work(item, index, common).catch((error: unknown) => {
        failures.push(error);
        failure.abort();
      }),
    ),
  );
  if (failures.length > 0) throw failures[0];
}
