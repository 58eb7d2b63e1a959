import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { digestOf, runChecked } from '../base/index.ts';
import { type LayerDisk, writeLayerDisk } from './layer-disk.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'layer-disk-'));
});
afterAll(() => rm(folder, { recursive: true }));

test('layers become the partitions of one disk, in order, without being copied', async () => {
  const layers = await layersOf([4096, 12_288, 8192]);
  const disk = await writeLayerDisk(folder, layers);
  const image = await assembled(disk);
  const found = await partitionsOf(image);
  expect(found).toEqual([
    { number: 1, start: 1024 * 1024, size: 4096 },
    { number: 2, start: 1024 * 1024 + 4096, size: 12_288 },
    { number: 3, start: 1024 * 1024 + 16_384, size: 8192 },
  ]);
  const bytes = await readFile(image);
  for (const [index, { start, size }] of found.entries()) {
    expect(digestOf(bytes.subarray(start, start + size))).toBe(digestOf(await readFile(layers[index] ?? '')));
  }
  expect(disk.extents.map(({ path }) => path)).toEqual(expect.arrayContaining(layers));
});

test('the table is found by its copy at the end of the disk when the first one is gone', async () => {
  const disk = await writeLayerDisk(folder, await layersOf([4096, 4096]));
  const image = await assembled(disk);
  const bytes = await readFile(image);
  bytes.fill(0, 512, 1024 * 1024);
  await writeFile(image, bytes);
  expect(await partitionsOf(image)).toHaveLength(2);
});

test('an image may have 255 layers', async () => {
  const disk = await writeLayerDisk(folder, await layersOf(Array.from({ length: 255 }, () => 4096)));
  const found = await partitionsOf(await assembled(disk));
  expect(found).toHaveLength(255);
  expect(found.at(-1)).toEqual({ number: 255, start: 1024 * 1024 + 254 * 4096, size: 4096 });
});

test('an image with more layers than Linux finds partitions is refused with the numbers', async () => {
  const layers = Array.from({ length: 256 }, () => '/nowhere');
  await expect(writeLayerDisk(folder, layers)).rejects.toThrow(
    'the image has 256 layers; a virtual machine can have 255',
  );
});

test('the same layers give the same disk', async () => {
  const layers = await layersOf([8192, 4096]);
  const first = await contentOf(await writeLayerDisk(folder, layers));
  expect(await contentOf(await writeLayerDisk(folder, layers))).toEqual(first);
});

test('a layer that is missing, a folder or cut short is refused by name', async () => {
  await expect(writeLayerDisk(folder, ['/nowhere/a.erofs'])).rejects.toMatchObject({
    kind: 'not-found',
    message: 'the layer /nowhere/a.erofs is missing',
  });
  await expect(writeLayerDisk(folder, [folder])).rejects.toMatchObject({
    kind: 'invalid',
    message: `the layer ${folder} is a folder, which a virtual machine cannot have as a disk`,
  });
  const [short = ''] = await layersOf([1000]);
  await expect(writeLayerDisk(folder, [short])).rejects.toThrow('no whole number of sectors');
});

function layersOf(sizes: readonly number[]): Promise<string[]> {
  return Promise.all(
    sizes.map(async (size, index) => {
      const path = join(folder, `layer ${index}.erofs`);
      await writeFile(path, Buffer.alloc(size, `${index}.`));
      return path;
    }),
  );
}

/** The bytes that the descriptor's extents make up, one after the other. */
async function assembled(disk: LayerDisk): Promise<string> {
  const descriptor = await readFile(disk.descriptor.path, 'utf8');
  const parts = [...descriptor.matchAll(/^RW (\d+) FLAT "(.+)" 0$/gm)].map(async ([, sectors, name]) => {
    const file = disk.extents.find((extent) => extent.name === name);
    const bytes = await readFile(file?.path ?? '');
    expect(bytes.length).toBe(Number(sectors) * 512);
    return bytes;
  });
  const image = join(folder, 'assembled');
  await writeFile(image, Buffer.concat(await Promise.all(parts)));
  return image;
}

/** What util-linux reads; sizes in bytes. */
async function partitionsOf(
  image: string,
): Promise<{ readonly number: number; readonly start: number; readonly size: number }[]> {
  const { stdout } = await runChecked('partx', ['--raw', '--noheadings', '-o', 'NR,START,SECTORS', image]);
  const lines = stdout.toString().trim().split('\n');
  return lines.map((line) => {
    const [number = 0, start = 0, sectors = 0] = line.split(' ').map(Number);
    return { number, start: start * 512, size: sectors * 512 };
  });
}

async function contentOf(disk: LayerDisk): Promise<string[]> {
  const own = [disk.descriptor, ...disk.extents.filter(({ path }) => !path.endsWith('.erofs'))];
  return Promise.all(own.map(async ({ path }) => digestOf(await readFile(path))));
}
