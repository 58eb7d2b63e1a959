import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { newContainerId } from '../base/index.ts';
import { UserRanges } from './user-ranges.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'user-ranges-'));
});
afterAll(() => rm(folder, { recursive: true }));

test('machines have different users, 65,536 each, far from those of the host', async () => {
  const ranges = new UserRanges(join(folder, 'different'));
  const bases = await Promise.all(Array.from({ length: 20 }, () => ranges.take(newContainerId())));
  const sorted = bases.toSorted((a, b) => a - b);
  for (const [index, base] of sorted.entries()) {
    expect(base).toBeGreaterThanOrEqual(2 ** 31);
    expect(base + 65_535).toBeLessThan(2 ** 32 - 2);
    if (index > 0) expect(base - (sorted[index - 1] ?? 0)).toBeGreaterThanOrEqual(65_536);
  }
});

test("a machine's users stay its own, also for the next berthd, until they are released", async () => {
  const directory = join(folder, 'kept');
  const [one, other] = [newContainerId(), newContainerId()];
  const base = await new UserRanges(directory).take(one);
  const next = new UserRanges(directory);
  expect(await next.take(one)).toBe(base);
  expect(await next.take(other)).not.toBe(base);
  await next.release(one);
  await next.release(one);
  await next.release(other);
  expect(await readdir(directory)).toEqual([]);
});

test('two instances begin at different places', async () => {
  const id = newContainerId();
  const first = await new UserRanges(join(folder, 'a')).take(id);
  expect(await new UserRanges(join(folder, 'b')).take(id)).not.toBe(first);
});
