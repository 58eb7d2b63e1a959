import { describe, expect, test } from 'vitest';
import { chooseLayerFormat } from './choose-format.ts';
import type { LayerFormatName } from './layer-format.ts';
import { placeTree } from './testing/place-tree.ts';

const choose = async (wanted: LayerFormatName | undefined, kernelHasErofs: boolean) => {
  await using format = await chooseLayerFormat(wanted, placeTree, async () => kernelHasErofs);
  return format.name;
};

describe('layers are kept', () => {
  test('as images where the kernel has EROFS, else as folders', async () => {
    expect(await choose(undefined, true)).toBe('erofs');
    expect(await choose(undefined, false)).toBe('folder');
  });

  test('as asked', async () => {
    expect(await choose('folder', true)).toBe('folder');
    expect(await choose('erofs', true)).toBe('erofs');
  });

  test('not as images that the kernel could not mount', async () => {
    await expect(choose('erofs', false)).rejects.toMatchObject({
      kind: 'invalid',
      message: 'layers cannot be EROFS images: this kernel has no EROFS',
      hint: expect.stringContaining('--layer-format folder'),
    });
  });
});
