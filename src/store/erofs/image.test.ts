import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { runChecked } from '../../base/index.ts';
import {
  fsck,
  gnuTree,
  inMounted,
  layerOf,
  listing,
  mountedTree,
  mountObstacle,
  type TestEntry,
  tarOf,
  temporaryFolder,
} from '../testing/images.ts';

const whereMountable = test.skipIf((await mountObstacle()) !== undefined);
const format = 'erofs';
const root: TestEntry = { header: { name: './', type: 'directory', mode: 0o755 } };

describe('an EROFS image', () => {
  test('has the same bytes for the same tar, however it arrives', async () => {
    await using folder = await temporaryFolder();
    const tar = await tarOf([
      root,
      { header: { name: 'd/x' }, content: Buffer.alloc(9000, 7) },
      { header: { name: 'a' }, content: 'a' },
    ]);
    const a = await layerOf(tar, join(folder.path, 'a'), { format });
    const b = await layerOf(tar, join(folder.path, 'b'), { format, chunkSize: 777 });
    expect(a).toEqual(b);
    expect((await readFile(join(folder.path, 'a'))).equals(await readFile(join(folder.path, 'b')))).toBe(
      true,
    );
    expect(a.size).toBe(9001);
  });

  whereMountable('holds more extended attributes than most file systems', async () => {
    await using folder = await temporaryFolder();
    const image = join(folder.path, 'image');
    const pax: Record<string, string> = { 'SCHILY.xattr.user.large': 'v'.repeat(60_000) };
    for (let i = 0; i < 500; i += 1) pax[`SCHILY.xattr.trusted.name-${i}`] = `${i}`.repeat(50);
    const tar = await tarOf([
      root,
      { header: { name: 'a', pax }, content: 'x' },
      { header: { name: 'd/', type: 'directory', pax } },
      { header: { name: 'z' }, content: 'z' },
    ]);
    await layerOf(tar, image, { format });
    expect(await fsck(image)).toBe('');
    const xattrs = (name: string, tree: string) =>
      tree
        .split('\n')
        .find((line) => line.includes(`"${name}"`))
        ?.match(/"xattrs".*/);
    const [mounted, original] = [listing(await mountedTree(image)), listing(tar)];
    expect(xattrs('./a', mounted)?.[0]).toBe(xattrs('a', original)?.[0]);
    expect(xattrs('./d/', mounted)?.[0]).toBe(xattrs('d/', original)?.[0]);
  });

  whereMountable(
    'finds each of 100,000 files in one folder',
    async () => {
      await using folder = await temporaryFolder();
      const names = Array.from({ length: 100_000 }, (_, i) => `${i}-${'x'.repeat(i % 30)}`);
      const entries = names.map((name): TestEntry => ({ header: { name: `d/${name}` }, content: '' }));
      await layerOf(await tarOf([root, ...entries]), join(folder.path, 'layer'), { format });
      expect(await fsck(join(folder.path, 'layer'))).toBe('');
      const found = await inMounted(join(folder.path, 'layer'), [
        'find',
        'd',
        '-type',
        'f',
        '-printf',
        '%f\n',
      ]);
      expect(found.trim().split('\n').sort()).toEqual(names.toSorted());
    },
    120_000,
  );

  whereMountable(
    "is the same as GNU tar's tree for this machine's documentation",
    async () => {
      await using folder = await temporaryFolder();
      const { stdout } = await runChecked('tar', ['--create', '--directory=/usr/share/doc', '.']);
      await layerOf(stdout, join(folder.path, 'layer'), { format });
      expect(await fsck(join(folder.path, 'layer'))).toBe('');
      const expected = await gnuTree(stdout, join(folder.path, 'gnu'));
      expect(listing(await mountedTree(join(folder.path, 'layer')))).toBe(listing(expected));
    },
    120_000,
  );
});
