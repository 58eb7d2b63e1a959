import { randomBytes } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import { GrowingFile } from './growing-file.ts';
import { temporaryFolder } from './testing/images.ts';

describe('a file that grows', () => {
  test('is read as it is written, to its end, wherever it goes meanwhile', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'file');
    await using file = await open(path, 'wx');
    const growing = new GrowingFile();
    await growing.follow(path);
    const read = buffer(growing);
    const pieces = Array.from({ length: 20 }, () => randomBytes(100_000));
    let size = 0;
    for (const [index, piece] of pieces.entries()) {
      size += (await file.write(piece)).bytesWritten;
      growing.grow(size);
      if (index === 5) await rename(path, `${path}-renamed`);
      if (index === 10) await rm(`${path}-renamed`);
    }
    growing.complete();
    expect((await read).equals(Buffer.concat(pieces))).toBe(true);
  });

  test('that is empty ends at once', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'file');
    await using _file = await open(path, 'wx');
    const growing = new GrowingFile();
    await growing.follow(path);
    growing.complete();
    expect((await buffer(growing)).length).toBe(0);
  });

  test('fails for its reader when the writing fails', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'file');
    await using file = await open(path, 'wx');
    const growing = new GrowingFile();
    await growing.follow(path);
    const read = buffer(growing);
    await file.write('x');
    growing.grow(1);
    growing.destroy(new Error('the disk is full'));
    await expect(read).rejects.toThrow('the disk is full');
  });
});
