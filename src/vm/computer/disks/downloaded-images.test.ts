import { readFile } from 'node:fs/promises';
import { PassThrough, Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { digestOf, notFound } from '../../../base/index.ts';
import type { DiskFormat, Download, TakeOptions } from './contract.ts';
import { DiskWorkshop } from './testing/disk-images.ts';

let workshop: DiskWorkshop;
let image: Buffer;
let asked: string[];
let answer: () => Readable;
const download: Download = async (url) => {
  asked.push(url.href);
  return { body: answer(), size: undefined };
};
beforeAll(async () => {
  workshop = await DiskWorkshop.open(download);
  image = await readFile(await workshop.qcow2('published.qcow2'));
});
afterAll(() => workshop[Symbol.asyncDispose]());

const URL_OF_IMAGE = 'https://images.test/debian/disk.qcow2?at=1';

function take(
  content: Buffer | (() => Readable),
  { url = URL_OF_IMAGE, format = undefined as DiskFormat | undefined, sha256 = digestOf(image) } = {},
  options: TakeOptions = {},
) {
  asked = [];
  answer = typeof content === 'function' ? content : () => Readable.from([content]);
  return workshop.store.take({ kind: 'url', url: new URL(url), format, sha256 }, options);
}

/** In pieces, as it comes from a network. */
function* pieces(content: Buffer, size = 10_000): Generator<Buffer> {
  for (let at = 0; at < content.length; at += size) yield content.subarray(at, at + size);
}

async function expectNothingKept(): Promise<void> {
  expect(await workshop.leftovers()).toEqual([]);
  expect(await workshop.store.list()).toEqual([]);
}

describe('a download that fails leaves nothing', () => {
  test('with another sha256 than was promised', async () => {
    await expect(take(image, { sha256: digestOf('other') })).rejects.toMatchObject({
      kind: 'invalid',
      message: `${URL_OF_IMAGE} has another content than was promised: ${digestOf(image)} instead of ${digestOf('other')}`,
      hint: 'Compare the sha256 with the one that its publisher names',
    });
    await expectNothingKept();
  });

  test('when the connection breaks off', async () => {
    const broken = () => {
      const body = new PassThrough();
      body.write(image.subarray(0, 300_000));
      body.once('drain', () => body.destroy(new Error('connection reset')));
      return body;
    };
    await expect(take(broken)).rejects.toThrow('connection reset');
    await expectNothingKept();
  });

  test('when it is not there', async () => {
    const missing = () => {
      throw notFound('failed to GET it with status 404');
    };
    await expect(take(missing)).rejects.toMatchObject({ kind: 'not-found' });
    await expectNothingKept();
  });

  test('when it is interrupted', async () => {
    const abort = new AbortController();
    const endless = new PassThrough();
    endless.write(image.subarray(0, 300_000));
    const taking = take(
      () => endless,
      {},
      {
        signal: abort.signal,
        onProgress: () => abort.abort(),
      },
    );
    await expect(taking).rejects.toMatchObject({ name: 'AbortError' });
    expect(endless.destroyed).toBe(true);
    await expectNothingKept();
  });

  test('and what is no disk image is let go after its first bytes', async () => {
    const page = new PassThrough();
    page.write(Buffer.from('<!DOCTYPE html>'.padEnd(600)));
    await expect(take(() => page)).rejects.toMatchObject({
      kind: 'invalid',
      message: `${URL_OF_IMAGE} is no qcow2 image`,
    });
    expect(page.destroyed).toBe(true);
    await expectNothingKept();
  });

  test('when what comes cannot be decompressed', async () => {
    for (const ending of ['gz', 'xz', 'zst']) {
      await expect(take(image, { url: `https://images.test/disk.qcow2.${ending}` })).rejects.toMatchObject({
        kind: 'invalid',
      });
    }
    await expectNothingKept();
  });
});

describe('an image from a URL', () => {
  test('tells how far it has come, is checked, and is not downloaded again', async () => {
    const stages = new Map<string, number>();
    const onProgress: TakeOptions['onProgress'] = ({ stage, done }) => stages.set(stage, done);
    using first = await take(() => Readable.from(pieces(image)), {}, { onProgress });
    expect(first.image).toMatchObject({ digest: digestOf(image), format: 'qcow2', source: URL_OF_IMAGE });
    expect([...stages]).toEqual([
      ['downloading', image.length],
      ['checking', 0],
    ]);
    using second = await take(image, { url: 'https://mirror.test/disk.qcow2' });
    expect(second.image).toEqual(first.image);
    expect(asked).toEqual([]);
  });

  test('may be compressed; its sha256 is that of the download', async () => {
    const packed = gzipSync(image);
    const url = 'https://images.test/disk.qcow2.gz';
    using taken = await take(() => Readable.from(pieces(packed, 100)), { url, sha256: digestOf(packed) });
    expect(taken.image.digest).toBe(digestOf(image));
    using again = await take(packed, { url, sha256: digestOf(packed) });
    expect([again.image, asked]).toEqual([taken.image, []]);
  });

  test('is raw only if that is said or its name says so', async () => {
    const raw = Buffer.alloc(100_000, 'x');
    const sha256 = digestOf(raw);
    await expect(take(raw, { url: 'https://images.test/disk', sha256 })).rejects.toMatchObject({
      hint: 'If it is a raw disk, say so: --format raw',
    });
    using named = await take(raw, { url: 'https://images.test/disk.raw', sha256 });
    using said = await take(raw, { url: 'https://images.test/disk', sha256, format: 'raw' });
    expect(named.image).toEqual(said.image);
    expect((await readFile(named.image.path)).equals(raw)).toBe(true);
  });
});
