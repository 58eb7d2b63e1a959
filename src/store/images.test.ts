import { join } from 'node:path';
import { Readable } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { type DiffId, digestOf, parseDiffId, parseDigest } from '../base/index.ts';
import type { Store } from './contract.ts';
import { Database } from './database.ts';
import { DatabaseDocumentStore } from './documents.ts';
import { filesIn, tarOf, temporaryStore } from './testing/images.ts';
import { placeTree } from './testing/place-tree.ts';

const mediaType = 'application/vnd.oci.image.layer.v1.tar+gzip';

async function layer(store: Store, text: string): Promise<DiffId> {
  const tar = await tarOf([{ header: { name: 'file' }, content: text }]);
  return (await store.layers.unpackTar(Readable.from([tar], { objectMode: false }))).diffId;
}

function config(diffIds: readonly DiffId[], created = '2024-01-01T00:00:00Z'): Buffer {
  const rootfs = { type: 'layers', diff_ids: diffIds };
  return Buffer.from(
    JSON.stringify({ architecture: 'amd64', os: 'linux', created, rootfs, 'x-kept': 1, config: null }),
  );
}

describe('the image store', () => {
  test('gives back an image by id, prefix, tag and digest', async () => {
    await using opened = await temporaryStore();
    const { images } = opened.store;
    const layers = [await layer(opened.store, 'one'), await layer(opened.store, 'three')];
    const configBytes = config(layers);
    const repoDigest = `docker.io/library/x@${digestOf('index')}`;
    const added = await images.add({
      configBytes,
      tags: ['docker.io/library/x:1'],
      repoDigests: [repoDigest],
    });
    expect(added).toMatchObject({
      id: digestOf(configBytes),
      size: 8,
      tags: ['docker.io/library/x:1'],
      repoDigests: [repoDigest],
      layerBlobs: [undefined, undefined],
      config: { os: 'linux', 'x-kept': 1 },
    });
    expect(added.layers.map(({ diffId }) => diffId)).toEqual(layers);
    expect(await images.get(added.id)).toEqual(added);
    expect(await images.byName('docker.io/library/x:1')).toEqual(added);
    expect(await images.byName(repoDigest)).toEqual(added);
    expect(await images.byIdPrefix(added.id.slice(7, 19))).toEqual(added);
    expect(await images.byIdPrefix('not hex')).toBeUndefined();
    expect(await images.byName('docker.io/library/y:1')).toBeUndefined();
  });

  test('knows the manifest of an image, and the blob of a layer that another image came with', async () => {
    await using opened = await temporaryStore();
    const { content, images } = opened.store;
    const base = await layer(opened.store, 'base');
    const blob = { mediaType, digest: await content.put(Buffer.from('compressed')), size: 10 };
    const manifest = { mediaType: 'm', digest: await content.put(Buffer.from('manifest')), size: 8 };
    const pulled = await images.add({ configBytes: config([base]), manifest, layerBlobs: [blob] });
    expect(pulled.manifest).toEqual(manifest);
    const heir = await images.add({ configBytes: config([base, await layer(opened.store, 'own')]) });
    expect(heir).toMatchObject({ manifest: undefined, layerBlobs: [blob, undefined] });
    await images.delete(pulled.id);
    expect(await content.has(blob.digest)).toBe(true);
    expect(await content.has(manifest.digest)).toBe(false);
  });

  test('keeps the index that an image came with, until another one names it or the image goes', async () => {
    await using opened = await temporaryStore();
    const { content, images } = opened.store;
    const configBytes = config([await layer(opened.store, 'base')]);
    const index = async (text: string) => ({
      mediaType: 'i',
      digest: await content.put(Buffer.from(text)),
      size: text.length,
    });
    const [first, second] = [await index('first'), await index('second')];
    await images.add({ configBytes, index: first });
    const image = await images.add({ configBytes, index: second });
    expect(image.index).toEqual(second);
    await images.delete((await images.add({ configBytes: config([await layer(opened.store, 'x')]) })).id);
    expect([await content.has(first.digest), await content.has(second.digest)]).toEqual([false, true]);
    await images.delete(image.id);
    expect(await content.has(second.digest)).toBe(false);
  });

  test('survives a new start', async () => {
    await using opened = await temporaryStore();
    const blob = await opened.store.content.put(Buffer.from('compressed'));
    const manifest = await opened.store.content.put(Buffer.from('manifest'));
    const index = await opened.store.content.put(Buffer.from('index'));
    const added = await opened.store.images.add({
      configBytes: config([await layer(opened.store, 'one')]),
      tags: ['docker.io/library/x:1'],
      manifest: { mediaType: 'm', digest: manifest, size: 8 },
      index: { mediaType: 'i', digest: index, size: 5 },
      layerBlobs: [{ mediaType, digest: blob, size: 10 }],
    });
    opened.store.documents.put('containers', 'a', { name: 'web' });
    await opened.store[Symbol.asyncDispose]();
    const { openStore } = await import('./open-store.ts');
    await using again = await openStore({
      dataRoot: opened.root,
      signal: new AbortController().signal,
      placeTree,
    });
    expect(await again.images.list()).toEqual([added]);
    expect(again.documents.all('containers')).toEqual([{ key: 'a', document: { name: 'web' } }]);
    expect(await again.content.has(blob)).toBe(true);
    expect(await again.content.has(manifest)).toBe(true);
    expect(await again.content.has(index)).toBe(true);
  });

  test('lists the newest first, without hidden ones until they are tagged', async () => {
    await using opened = await temporaryStore();
    const { images } = opened.store;
    const one = await layer(opened.store, 'one');
    const old = await images.add({ configBytes: config([one], '2020-01-01T00:00:00Z') });
    const recent = await images.add({ configBytes: config([one], '2025-01-01T00:00:00.5+02:00') });
    const hidden = await images.add({ configBytes: config([one], '2026-01-01T00:00:00Z'), hidden: true });
    expect((await images.list()).map(({ id }) => id)).toEqual([recent.id, old.id]);
    expect(await images.get(hidden.id)).toBeDefined();
    await images.tag(hidden.id, 'docker.io/library/built:1');
    expect((await images.list()).map(({ id }) => id)).toEqual([hidden.id, recent.id, old.id]);
  });

  test('moves a tag to the image that took it last', async () => {
    await using opened = await temporaryStore();
    const { images } = opened.store;
    const one = await layer(opened.store, 'one');
    const first = await images.add({ configBytes: config([one]), tags: ['docker.io/library/x:1'] });
    const second = await images.add({ configBytes: config([one, one]), tags: ['docker.io/library/x:1'] });
    expect((await images.byName('docker.io/library/x:1'))?.id).toBe(second.id);
    expect((await images.get(first.id))?.tags).toEqual([]);
    expect(await images.untag('docker.io/library/x:1')).toBe(true);
    expect(await images.untag('docker.io/library/x:1')).toBe(false);
    await expect(images.tag(parseDigest(digestOf('none')), 'docker.io/library/x:1')).rejects.toMatchObject({
      kind: 'not-found',
    });
  });

  test('deletes with an image what no other image needs', async () => {
    await using opened = await temporaryStore();
    const { images, layers, content } = opened.store;
    const shared = await layer(opened.store, 'shared');
    const own = await layer(opened.store, 'own');
    const blob = await content.put(Buffer.from('compressed'));
    const kept = await images.add({ configBytes: config([shared]) });
    const gone = await images.add({
      configBytes: config([shared, own]),
      layerBlobs: [undefined, { mediaType, digest: blob, size: 10 }],
    });
    await expect(layers.delete(own)).rejects.toMatchObject({ kind: 'conflict' });
    expect(await images.delete(gone.id)).toEqual({ deletedLayers: [own] });
    await opened.store.spaceFreed();
    expect(await filesIn(opened.root)).toEqual(
      [`blobs/sha256/${kept.id.slice(7)}`, `layers/${shared.slice(7)}.erofs`].sort(),
    );
    expect(await images.delete(kept.id)).toEqual({ deletedLayers: [shared] });
    await opened.store.spaceFreed();
    expect(await filesIn(opened.root)).toEqual([]);
    await expect(images.delete(kept.id)).rejects.toMatchObject({ kind: 'not-found' });
  });

  test('keeps an image that came into use meanwhile', async () => {
    await using opened = await temporaryStore();
    const { images } = opened.store;
    const { id } = await images.add({ configBytes: config([await layer(opened.store, 'used')]) });
    await expect(images.delete(id, { isUsed: () => true })).rejects.toMatchObject({ kind: 'conflict' });
    expect(images.has(id)).toBe(true);
    expect((await images.get(id))?.layers).toHaveLength(1);
    await images.delete(id, { isUsed: () => false });
    expect(images.has(id)).toBe(false);
  });

  test('does not take a layer away that was just unpacked for an image to come', async () => {
    await using opened = await temporaryStore();
    const { images } = opened.store;
    const one = await layer(opened.store, 'one');
    const first = await images.add({ configBytes: config([one]) });
    expect(await layer(opened.store, 'one')).toBe(one); // somebody pulls another image with it
    expect(await images.delete(first.id)).toEqual({ deletedLayers: [] });
    const second = await images.add({ configBytes: config([one, one]) });
    expect(await images.delete(second.id)).toEqual({ deletedLayers: [one] });
  });

  test('refuses what is no image, and an image whose layers are not there', async () => {
    await using opened = await temporaryStore();
    const { images } = opened.store;
    const missing = parseDiffId(digestOf('missing'));
    await expect(images.add({ configBytes: config([missing]) })).rejects.toMatchObject({ kind: 'conflict' });
    await expect(images.add({ configBytes: Buffer.from('{}') })).rejects.toMatchObject({ kind: 'invalid' });
    await expect(images.add({ configBytes: Buffer.from('x') })).rejects.toThrow('it is no JSON');
    expect(await filesIn(opened.root)).toEqual([]);
  });

  test('names an ambiguous prefix', async () => {
    await using opened = await temporaryStore();
    const one = await layer(opened.store, 'one');
    for (let i = 0; i < 17; i += 1) {
      await opened.store.images.add({ configBytes: config([one], `2024-01-01T00:00:${10 + i}Z`) });
    }
    const digits = (await opened.store.images.list()).map(({ id }) => id.charAt(7)).sort();
    const twice = digits.find((digit, i) => digit === digits[i + 1]) ?? '';
    await expect(opened.store.images.byIdPrefix(twice)).rejects.toMatchObject({ kind: 'conflict' });
  });

  test('lists images newest first, as they are now', async () => {
    await using opened = await temporaryStore();
    const { images } = opened.store;
    const one = await layer(opened.store, 'one');
    const added = [];
    for (let i = 0; i < 5; i += 1) {
      const created = new Date(1.7e12 + i * 1000).toISOString();
      added.unshift(await images.add({ configBytes: config([one], created), hidden: i === 2 }));
    }
    expect(await images.list({ hidden: true })).toEqual(added);
    const shown = added.filter(({ hidden }) => !hidden);
    expect(await images.list()).toEqual(shown);
    const [newest, hidden] = [shown[0]?.id, added.find((image) => image.hidden)?.id];
    if (newest === undefined || hidden === undefined) throw new Error('too few images');
    await images.tag(hidden, 'docker.io/library/x:1'); // whoever names it wants to see it
    await images.delete(newest);
    expect((await images.list()).map(({ id }) => id)).toEqual(added.slice(1).map(({ id }) => id));
    expect((await images.byName('docker.io/library/x:1'))?.taggedAt).toMatch(/^\d{4}-.*Z$/);
  });
});

describe('a holding', () => {
  test('deletes what no image took over when it ends', async () => {
    await using opened = await temporaryStore();
    const { content, images, layers } = opened.store;
    const holding = images.hold();
    const [taken, left] = [await layer(opened.store, 'taken'), await layer(opened.store, 'left')];
    const blob = { mediaType, digest: await content.put(Buffer.from('taken')), size: 5 };
    const leftBlob = await content.put(Buffer.from('left'));
    for (const digest of [taken, left, blob.digest, leftBlob]) holding.add(digest);
    const image = await images.add({ configBytes: config([taken]), layerBlobs: [blob] });
    await holding[Symbol.asyncDispose]();
    expect(await layers.get(left)).toBeUndefined();
    expect(await content.has(leftBlob)).toBe(false);
    expect(await images.get(image.id)).toEqual(image);
    expect(await content.has(blob.digest)).toBe(true);
  });

  test('keeps what another one has, and what it counts on from going with its image', async () => {
    await using opened = await temporaryStore();
    const { content, images, layers } = opened.store;
    const [first, second] = [images.hold(), images.hold()];
    const shared = await layer(opened.store, 'shared');
    const image = await images.add({ configBytes: config([shared]) });
    for (const holding of [first, second]) {
      holding.add(shared);
      holding.add(image.id);
    }
    expect(await images.delete(image.id)).toEqual({ deletedLayers: [] });
    await first[Symbol.asyncDispose]();
    expect(await layers.get(shared)).toBeDefined();
    expect(await content.has(image.id)).toBe(true);
    await second[Symbol.asyncDispose]();
    expect(await layers.get(shared)).toBeUndefined();
    expect(await content.has(image.id)).toBe(false);
  });
});

describe('documents', () => {
  test('come back as they were put, by collection', async () => {
    await using opened = await temporaryStore();
    const { documents } = opened.store;
    documents.put('volumes', 'b', { size: 1 });
    documents.put('volumes', 'a', { size: 2 });
    documents.put('networks', 'a', 'text');
    expect(documents.all('volumes')).toEqual([
      { key: 'a', document: { size: 2 } },
      { key: 'b', document: { size: 1 } },
    ]);
    documents.delete('volumes', 'a');
    expect(documents.get('volumes', 'a')).toBeUndefined();
    expect(documents.get('networks', 'a')).toBe('text');
  });

  test('that did not wait for the disk are there for the next who opens them, and later ones wait again', async () => {
    await using opened = await temporaryStore();
    const path = join(opened.root, 'documents.db');
    using first = new Database(path);
    const documents = new DatabaseDocumentStore(first);
    documents.buffered(() => documents.put('c', 'a', 1));
    documents.buffered(() => documents.transaction(() => documents.put('c', 'b', 2)));
    expect(first.get('PRAGMA synchronous')).toEqual({ synchronous: 2 }); // FULL
    using second = new Database(path);
    expect(new DatabaseDocumentStore(second).all('c')).toEqual([
      { key: 'a', document: 1 },
      { key: 'b', document: 2 },
    ]);
  });

  test('change all together or not at all, also when nested', async () => {
    await using opened = await temporaryStore();
    const { documents } = opened.store;
    const failing = () =>
      documents.transaction(() => {
        documents.put('c', 'a', 1);
        documents.transaction(() => documents.put('c', 'b', 1));
        throw new Error('no');
      });
    expect(failing).toThrow('no');
    expect(documents.all('c')).toEqual([]);
    documents.transaction(() => {
      documents.put('c', 'a', 1);
      const inner = () =>
        documents.transaction(() => {
          documents.put('c', 'b', 1);
          throw new Error('only this');
        });
      expect(inner).toThrow('only this');
    });
    expect(documents.all('c')).toEqual([{ key: 'a', document: 1 }]);
  });
});
