import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { plainTar } from './plain-tar.ts';

test.each([
  ['plain', Buffer.from('archive')],
  ['gzip', gzipSync('archive')],
  ['zstd', zstdCompressSync('archive')],
])('a %s archive is read as what it holds', async (_name, data) => {
  expect(await text(await plainTar(Readable.from([data])))).toBe('archive');
});

test('an empty one stays empty', async () => {
  expect(await text(await plainTar(Readable.from([])))).toBe('');
});

test('a compressed one that breaks off is an error', async () => {
  const broken = gzipSync('archive').subarray(0, 12);
  await expect(text(await plainTar(Readable.from([broken])))).rejects.toThrow();
});

test('other compressions are refused by name', async () => {
  await expect(plainTar(Readable.from([Buffer.from('BZh91')]))).rejects.toMatchObject({
    kind: 'not-implemented',
  });
});
