import { readFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, test, vi } from 'vitest';
import { digestOf, parseDiffId, unavailable } from '../base/index.ts';
import { filesIn, mountObstacle, runUnshared, tarOf, temporaryStore } from './testing/images.ts';

/** Most of these start threads or programs; on a busy machine that takes its time. */
vi.setConfig({ testTimeout: 60_000 });

const obstacle = await mountObstacle();

const tar = await tarOf([
  { header: { name: 'etc/', type: 'directory' } },
  { header: { name: 'etc/name' }, content: 'a layer' },
  { header: { name: 'etc/large' }, content: Buffer.alloc(300_000, 'x') },
]);
const diffId = parseDiffId(digestOf(tar));
const layerPaths = { erofs: `layers/${diffId.slice(7)}.erofs`, folder: `layers/${diffId.slice(7)}` };
const layerFiles = {
  erofs: [layerPaths.erofs],
  folder: [`${layerPaths.folder}/etc/large`, `${layerPaths.folder}/etc/name`],
};
const size = 300_007;

function stream(data: Buffer, chunk = 10_000): Readable {
  return Readable.from(
    Array.from({ length: Math.ceil(data.length / chunk) }, (_, i) =>
      data.subarray(i * chunk, (i + 1) * chunk),
    ),
    { objectMode: false },
  );
}

/** As parallel compressors write it. */
function twoMembers(compress: (data: Buffer) => Buffer): Buffer {
  return Buffer.concat([compress(tar.subarray(0, 1000)), compress(tar.subarray(1000))]);
}

describe.each(['erofs', 'folder'] as const)('the layer store: %s', (format) => {
  test.each([
    ['plain', tar],
    ['gzip', gzipSync(tar)],
    ['zstd', zstdCompressSync(tar)],
    ['several gzip members', twoMembers(gzipSync)],
    ['several zstd frames', twoMembers(zstdCompressSync)],
  ])('unpacks a blob: %s', async (_, blob) => {
    await using opened = await temporaryStore(format);
    const { layers, content } = opened.store;
    const progress: number[] = [];
    const layer = await layers.unpackBlob(await content.put(blob), diffId, {
      onProgress: (n) => progress.push(n),
    });
    expect(layer).toEqual({ diffId, size, path: `${opened.root}/${layerPaths[format]}` });
    expect(await layers.get(diffId)).toEqual(layer);
    expect(progress.at(-1)).toBe(blob.length);
  });

  test('unpacks a tar and names it by its content, with the same bytes as a blob', async () => {
    await using a = await temporaryStore(format);
    await using b = await temporaryStore(format);
    const fromTar = await a.store.layers.unpackTar(stream(tar));
    const fromBlob = await b.store.layers.unpackBlob(await b.store.content.put(gzipSync(tar)), diffId);
    expect(fromTar.diffId).toBe(diffId);
    if (format === 'erofs')
      expect((await readFile(fromTar.path)).equals(await readFile(fromBlob.path))).toBe(true);
    expect(await filesIn(a.root)).toEqual(layerFiles[format]);
  });

  test('receives a blob: stores and unpacks it in one go', async () => {
    await using opened = await temporaryStore(format);
    const blob = gzipSync(tar);
    const descriptor = { digest: digestOf(blob), size: blob.length };
    const layer = await opened.store.layers.receiveBlob(descriptor, diffId, stream(blob, 100));
    expect(layer.size).toBe(size);
    expect(await filesIn(opened.root)).toEqual(
      [`blobs/sha256/${descriptor.digest.slice(7)}`, ...layerFiles[format]].sort(),
    );
    const again = await opened.store.layers.receiveBlob(descriptor, diffId, stream(blob));
    expect(again).toEqual(layer);
  });

  test('keeps neither blob nor layer when one of the two is wrong', async () => {
    await using opened = await temporaryStore(format);
    const blob = gzipSync(tar);
    const { layers } = opened.store;
    const right = { digest: digestOf(blob), size: blob.length };
    const wrongDigest = layers.receiveBlob({ ...right, digest: digestOf('x') }, diffId, stream(blob));
    await expect(wrongDigest).rejects.toMatchObject({ kind: 'invalid' });
    expect(await layers.get(diffId)).toBeUndefined();
    const broken = Buffer.concat([Buffer.from('no tar'), Buffer.alloc(100_000, 1)]);
    const noTar = layers.receiveBlob(
      { digest: digestOf(broken), size: broken.length },
      diffId,
      stream(broken, 100),
    );
    await expect(noTar).rejects.toMatchObject({ kind: 'invalid', message: expect.stringContaining('tar') });
    expect(await filesIn(opened.root)).toEqual([]);
  });

  test.each([
    [
      'a wrong diff ID',
      gzipSync(tar),
      parseDiffId(digestOf('other')),
      /has the diff ID .* but its image says/,
    ],
    ['truncated gzip', gzipSync(tar).subarray(0, -300), diffId, /compressed data is broken/],
    ['truncated zstd', zstdCompressSync(tar).subarray(0, -10), diffId, /compressed data is broken|truncated/],
    ['a truncated tar', tar.subarray(0, 5000), diffId, /entry "etc\/large": it is truncated/],
    ['bzip2', Buffer.from('BZh91AY&SY'), diffId, /bzip2/],
  ])('refuses %s and keeps nothing of it', async (_, blob, expected, message) => {
    await using opened = await temporaryStore(format);
    const { layers, content } = opened.store;
    const digest = await content.put(blob);
    await expect(layers.unpackBlob(digest, expected)).rejects.toThrow(message);
    await content.delete(digest);
    expect(await filesIn(opened.root)).toEqual([]);
    expect(await layers.get(expected)).toBeUndefined();
  });

  test('unpacks one layer once, whoever asks at the same time', async () => {
    await using opened = await temporaryStore(format);
    const { layers, content } = opened.store;
    const blob = await content.put(gzipSync(tar));
    const asked = Array.from({ length: 8 }, () => layers.unpackBlob(blob, diffId));
    const streamed = Array.from({ length: 3 }, () => layers.unpackTar(stream(tar)));
    const all = await Promise.all([...asked, ...streamed]);
    expect(new Set(all.map((layer) => JSON.stringify(layer))).size).toBe(1);
    expect((await filesIn(opened.root)).filter((name) => !name.startsWith('blobs'))).toEqual(
      layerFiles[format],
    );
  });

  test('stops when asked to, and leaves nothing', async () => {
    await using opened = await temporaryStore(format);
    const endless = new Readable({ read() {} });
    endless.push(tar.subarray(0, 5000));
    const abort = new AbortController();
    const unpacking = opened.store.layers.unpackTar(endless, {
      signal: abort.signal,
      onProgress: () => abort.abort(),
    });
    await expect(unpacking).rejects.toMatchObject({ name: 'AbortError' });
    expect(await filesIn(opened.root)).toEqual([]);
  });

  test('stops receiving a blob that stalls, and lets go of its source', async () => {
    await using opened = await temporaryStore(format);
    const blob = gzipSync(tar);
    const stalled = new Readable({ read() {} });
    stalled.push(blob.subarray(0, 500));
    const abort = new AbortController();
    const descriptor = { digest: digestOf(blob), size: blob.length };
    const receiving = opened.store.layers.receiveBlob(descriptor, diffId, stalled, {
      signal: abort.signal,
      onProgress: () => abort.abort(),
    });
    await expect(receiving).rejects.toMatchObject({ name: 'AbortError' });
    expect(stalled.destroyed).toBe(true);
    expect(await filesIn(opened.root)).toEqual([]);
  });

  test('passes on why a blob did not come whole', async () => {
    await using opened = await temporaryStore(format);
    const blob = gzipSync(tar);
    const source = Readable.from(
      (async function* () {
        yield blob.subarray(0, 500);
        throw unavailable('the registry stalled');
      })(),
    );
    const descriptor = { digest: digestOf(blob), size: blob.length };
    await expect(opened.store.layers.receiveBlob(descriptor, diffId, source)).rejects.toMatchObject({
      kind: 'unavailable',
      message: 'the registry stalled',
    });
    expect(await filesIn(opened.root)).toEqual([]);
  });

  test('passes on why its source failed', async () => {
    await using opened = await temporaryStore(format);
    const source = Readable.from(
      (async function* () {
        yield tar.subarray(0, 5000);
        throw new Error('connection lost');
      })(),
    );
    await expect(opened.store.layers.unpackTar(source)).rejects.toThrow('connection lost');
    expect(await filesIn(opened.root)).toEqual([]);
  });

  test("leaves the caller's event loop free while it unpacks", async () => {
    await using opened = await temporaryStore(format);
    const large = await tarOf(
      Array.from({ length: 3000 }, (_, i) => ({
        header: { name: `d/${i}` },
        content: Buffer.alloc(20_000, i),
      })),
    );
    const blob = await opened.store.content.put(gzipSync(large, { level: 1 }));
    const before = performance.eventLoopUtilization();
    await opened.store.layers.unpackBlob(blob, parseDiffId(digestOf(large)));
    expect(performance.eventLoopUtilization(before).utilization).toBeLessThan(0.5);
  });

  test.skipIf(obstacle !== undefined)('says so when the disk is full, and frees what it took', async () => {
    const { told, files } = JSON.parse((await runUnshared('fill-disk.ts', [format])).toString());
    expect(told).toEqual([
      expect.stringMatching(/^no space left on device/),
      expect.stringMatching(/^no space left on device/),
    ]);
    expect(files).toEqual([]);
  });
});
