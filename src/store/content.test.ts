import { Readable } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { digestOf } from '../base/index.ts';
import { filesIn, temporaryStore } from './testing/images.ts';

const content = Buffer.from('some content');
const digest = digestOf(content);

function pieces(data: Buffer, size = 5): Readable {
  const parts = Array.from({ length: Math.ceil(data.length / size) }, (_, i) =>
    data.subarray(i * size, i * size + size),
  );
  return Readable.from(parts, { objectMode: false });
}

describe('the content store', () => {
  test('gives back what was put, by digest', async () => {
    await using opened = await temporaryStore();
    const { content: blobs } = opened.store;
    expect(await blobs.has(digest)).toBe(false);
    expect(await blobs.put(content)).toBe(digest);
    expect(await blobs.has(digest)).toBe(true);
    expect(await blobs.size(digest)).toBe(content.length);
    expect((await blobs.read(digest)).equals(content)).toBe(true);
    expect(Buffer.concat(await (await blobs.open(digest)).toArray()).equals(content)).toBe(true);
  });

  test('stores a stream of the right digest and size', async () => {
    await using opened = await temporaryStore();
    await opened.store.content.write({ digest, size: content.length }, pieces(content));
    expect((await opened.store.content.read(digest)).equals(content)).toBe(true);
    expect(await filesIn(opened.root)).toEqual([`blobs/sha256/${digest.slice(7)}`]);
  });

  test('stores a stream under the digest that it turns out to have, and nothing of one that breaks off', async () => {
    await using opened = await temporaryStore();
    const { content: blobs } = opened.store;
    expect(await blobs.add(pieces(content))).toEqual({ digest, size: content.length });
    expect((await blobs.read(digest)).equals(content)).toBe(true);
    async function* broken() {
      yield Buffer.from('start');
      throw new Error('broke off');
    }
    await expect(blobs.add(Readable.from(broken(), { objectMode: false }))).rejects.toThrow('broke off');
    expect(await filesIn(opened.root)).toEqual([`blobs/sha256/${digest.slice(7)}`]);
  });

  test.each([
    ['another digest', { digest: digestOf('other') }, /should have the digest sha256:.* has sha256:/],
    ['fewer bytes', { digest, size: 100 }, /has 12 bytes instead of 100/],
    ['more bytes', { digest, size: 3 }, /has more than 3 bytes instead of 3/],
  ])('refuses a stream with %s and keeps nothing', async (_, expected, message) => {
    await using opened = await temporaryStore();
    const writing = opened.store.content.write(expected, pieces(content));
    await expect(writing).rejects.toMatchObject({ kind: 'invalid', message: expect.stringMatching(message) });
    expect(await filesIn(opened.root)).toEqual([]);
  });

  test('keeps nothing of a stream that breaks off or is aborted', async () => {
    await using opened = await temporaryStore();
    const broken = Readable.from(
      (async function* () {
        yield content.subarray(0, 5);
        throw new Error('connection lost');
      })(),
    );
    await expect(opened.store.content.write({ digest }, broken)).rejects.toThrow('connection lost');
    const stalled = new Readable({ read() {} });
    const abort = new AbortController();
    const writing = opened.store.content.write({ digest }, stalled, abort.signal);
    stalled.push(content.subarray(0, 5));
    abort.abort();
    await expect(writing).rejects.toMatchObject({ name: 'AbortError' });
    expect(await filesIn(opened.root)).toEqual([]);
  });

  test('lets many write the same blob at once', async () => {
    await using opened = await temporaryStore();
    const writers = Array.from({ length: 20 }, () => opened.store.content.write({ digest }, pieces(content)));
    await Promise.all(writers);
    expect(await filesIn(opened.root)).toEqual([`blobs/sha256/${digest.slice(7)}`]);
  });

  test('names what it does not have', async () => {
    await using opened = await temporaryStore();
    const { content: blobs } = opened.store;
    const asks: (() => Promise<unknown>)[] = [
      () => blobs.read(digest),
      () => blobs.size(digest),
      () => blobs.open(digest),
      () => blobs.path(digest),
    ];
    for (const ask of asks) {
      await expect(ask()).rejects.toMatchObject({
        kind: 'not-found',
        message: expect.stringContaining(digest),
      });
    }
  });
});
