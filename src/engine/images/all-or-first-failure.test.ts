import { expect, test } from 'vitest';
import { allOrFirstFailure } from './all-or-first-failure.ts';

const { signal } = new AbortController();

test('no more than so many are at work at a time, and all get their turn', async () => {
  let working = 0;
  let most = 0;
  const done: number[] = [];
  await allOrFirstFailure({ signal, atATime: 3 }, [...Array(10).keys()], async (item, index) => {
    working += 1;
    most = Math.max(most, working);
    await Promise.resolve();
    working -= 1;
    done.push(item);
    expect(index).toBe(item);
  });
  expect(most).toBe(3);
  expect(done.toSorted((a, b) => a - b)).toEqual([...Array(10).keys()]);
});

test('a failure cuts the others short and begins no more', async () => {
  const begun: string[] = [];
  const work = allOrFirstFailure(
    { signal, atATime: 2 },
    ['bad', 'slow', 'never'],
    async (item, _, common) => {
      begun.push(item);
      if (item === 'bad') throw new Error('no');
      const { promise, reject } = Promise.withResolvers<void>();
      common.addEventListener('abort', () => reject(new Error('cut short')), { once: true });
      await promise;
    },
  );
  await expect(work).rejects.toThrow('no');
  expect(begun).toEqual(['bad', 'slow']);
});
