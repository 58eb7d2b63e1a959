import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runChecked } from '../base/index.ts';
import { DEFAULT_DISK_SIZE, WritableDisks } from './writable-disk.ts';

const MIB = 1024 ** 2;

let folder: string;
let disks: WritableDisks;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'writable-disk-'));
  disks = new WritableDisks(join(folder, 'images'));
});
afterAll(() => rm(folder, { recursive: true }));

test('a disk has the size that was asked for and takes almost no room', async () => {
  const path = join(folder, 'default');
  await disks.provide(path, DEFAULT_DISK_SIZE);
  const { size, blocks, mode } = await stat(path);
  expect(size).toBe(DEFAULT_DISK_SIZE);
  expect(mode & 0o777).toBe(0o600);
  expect(blocks * 512).toBeLessThan(MIB);
  await runChecked('e2fsck', ['-f', '-n', path]);
});

test('no kernel has to write zeros into a new disk', async () => {
  const path = join(folder, 'zeroed');
  await disks.provide(path, DEFAULT_DISK_SIZE);
  const { stdout } = await runChecked('dumpe2fs', [path]);
  const groups = [...stdout.toString().matchAll(/^Group \d+: .*$/gm)].map(([line]) => line);
  expect(groups.length).toBeGreaterThan(0);
  expect(groups.filter((line) => !line.includes('ITABLE_ZEROED'))).toEqual([]);
});

test('the smallest disk is a sound file system with room', async () => {
  const path = join(folder, 'small');
  await disks.provide(path, 32 * MIB);
  await runChecked('e2fsck', ['-f', '-n', path]);
  const { stdout } = await runChecked('dumpe2fs', ['-h', path]);
  const free = Number(/^Free blocks: +(\d+)/m.exec(stdout.toString())?.[1]) * 4096;
  expect(free).toBeGreaterThan(20 * MIB);
});

test('a disk that is there keeps what is on it', async () => {
  const path = join(folder, 'kept');
  await writeFile(path, 'somebody else wrote this');
  await disks.provide(path, 64 * MIB);
  expect((await stat(path)).size).toBe(24);
});

test('many disks of one size at the same time share one image', async () => {
  const own = new WritableDisks(join(folder, 'shared'));
  const paths = Array.from({ length: 5 }, (_, index) => join(folder, `many-${index}`));
  await Promise.all(paths.map((path) => own.provide(path, 64 * MIB)));
  expect(await readdir(join(folder, 'shared'))).toHaveLength(1);
  for (const path of paths) await runChecked('e2fsck', ['-f', '-n', path]);
});

test('a size that no disk has is refused with the sizes that are possible', async () => {
  for (const size of [0, -1, 1.5, Number.NaN, 16 * MIB, 2 ** 45]) {
    await expect(disks.provide(join(folder, 'refused'), size)).rejects.toMatchObject({
      kind: 'invalid',
      hint: expect.stringContaining('from 32m to 16t'),
    });
  }
});

test('a start that is given up leaves no disk', async () => {
  const path = join(folder, 'given-up');
  await expect(disks.provide(path, 128 * MIB, AbortSignal.abort())).rejects.toThrow();
  expect(await readdir(folder)).not.toContain('given-up');
  expect((await readdir(folder)).filter((name) => name.endsWith('.tmp'))).toEqual([]);
});
