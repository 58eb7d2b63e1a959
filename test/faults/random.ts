/** Numbers from 0 to 1 that a seed decides (mulberry32). */
export function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The seed of this run, which is printed: with BERTH_SEED it is that one again. */
export function printedSeed(what: string): number {
  const seed = Number(process.env.BERTH_SEED ?? Math.floor(Math.random() * 2 ** 31));
  process.stdout.write(`${what}: BERTH_SEED=${seed} repeats this run\n`);
  return seed;
}

/** One of them. Throws a `RangeError` for none. */
export function pick<T>(random: () => number, choices: readonly T[]): T {
  const chosen = choices[Math.floor(random() * choices.length)];
  if (chosen === undefined) throw new RangeError('there is nothing to choose from');
  return chosen;
}
