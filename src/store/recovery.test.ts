import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Readable } from 'node:stream';
import { describe, expect, test } from 'vitest';
import type { Store } from './contract.ts';
import { openStore } from './open-store.ts';
import { filesIn, tarOf, temporaryFolder, temporaryStore } from './testing/images.ts';
import { placeTree } from './testing/place-tree.ts';

const signal = new AbortController().signal;

async function addImage(store: Store, text: string) {
  const tar = await tarOf([{ header: { name: 'file' }, content: text }]);
  const { diffId } = await store.layers.unpackTar(Readable.from([tar], { objectMode: false }));
  const config = { architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: [diffId] } };
  return store.images.add({ configBytes: Buffer.from(JSON.stringify(config)) });
}

describe('a new start', () => {
  test('removes what nothing refers to, and keeps what images need', async () => {
    await using opened = await temporaryStore();
    const image = await addImage(opened.store, 'kept');
    const before = await filesIn(opened.root);
    const unused = await tarOf([{ header: { name: 'file' }, content: 'unused' }]);
    await opened.store.layers.unpackTar(Readable.from([unused], { objectMode: false }));
    await opened.store.content.put(Buffer.from('unused'));
    await opened.store[Symbol.asyncDispose]();
    await writeFile(join(opened.root, 'tmp', 'blob-half'), 'half');
    await mkdir(join(opened.root, 'tmp', 'layer-folder', 'x'), { recursive: true });
    await writeFile(join(opened.root, 'layers', `${'0'.repeat(64)}.erofs`), 'renamed, but not recorded');
    await using again = await openStore({ dataRoot: opened.root, signal, placeTree });
    expect(await filesIn(opened.root)).toEqual(before);
    expect(await readdir(join(opened.root, 'tmp'))).toEqual([]);
    expect((await again.images.list()).map(({ id }) => id)).toEqual([image.id]);
  });

  test('forgets an image of which a part is missing', async () => {
    await using opened = await temporaryStore();
    const broken = await addImage(opened.store, 'broken');
    const whole = await addImage(opened.store, 'whole');
    await opened.store[Symbol.asyncDispose]();
    await rm(broken.layers[0]?.path ?? '');
    await using again = await openStore({ dataRoot: opened.root, signal, placeTree });
    expect((await again.images.list()).map(({ id }) => id)).toEqual([whole.id]);
    expect(await filesIn(opened.root)).toHaveLength(2);
  });

  test('refuses the data of a newer berth', async () => {
    await using folder = await temporaryFolder();
    await (await openStore({ dataRoot: folder.path, signal, placeTree }))[Symbol.asyncDispose]();
    const database = new DatabaseSync(join(folder.path, 'metadata.db'));
    database.exec('PRAGMA user_version = 999');
    database.close();
    await expect(openStore({ dataRoot: folder.path, signal, placeTree })).rejects.toThrow(/has schema 999/);
  });

  test('names a data root that cannot be used', async () => {
    await using folder = await temporaryFolder();
    await writeFile(join(folder.path, 'file'), '');
    const opening = openStore({ dataRoot: join(folder.path, 'file', 'root'), signal, placeTree });
    await expect(opening).rejects.toMatchObject({
      kind: 'unavailable',
      message: expect.stringContaining('ENOTDIR'),
    });
  });

  test('finds whole images or none after a kill in the middle of adding them', async () => {
    await using folder = await temporaryFolder();
    const program = `
      import { openStore } from ${JSON.stringify(new URL('./open-store.ts', import.meta.url).href)};
      import { tarOf } from ${JSON.stringify(new URL('./testing/images.ts', import.meta.url).href)};
      import { Readable } from 'node:stream';
      import { placeTree } from ${JSON.stringify(new URL('./testing/place-tree.ts', import.meta.url).href)};
      const store = await openStore({ dataRoot: ${JSON.stringify(folder.path)}, signal: new AbortController().signal, placeTree });
      for (let i = 0; ; i += 1) {
        const tar = await tarOf([{ header: { name: 'file' }, content: 'x'.repeat(100_000 + i) }]);
        const { diffId } = await store.layers.unpackTar(Readable.from([tar], { objectMode: false }));
        const config = { architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: [diffId] } };
        const { id } = await store.images.add({ configBytes: Buffer.from(JSON.stringify(config)) });
        if (i % 3 === 2) await store.images.delete(id);
        process.stdout.write('.');
      }`;
    for (const steps of [1, 4, 9]) {
      const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      let seen = 0;
      for await (const chunk of child.stdout) {
        seen += String(chunk).length;
        if (seen >= steps) child.kill('SIGKILL');
      }
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
      expect(child.signalCode).toBe('SIGKILL');
      await using store = await openStore({ dataRoot: folder.path, signal, placeTree });
      const images = await store.images.list();
      const expected = images.flatMap(({ id, layers }) => [
        `blobs/sha256/${id.slice(7)}`,
        ...layers.map(({ diffId }) => `layers/${diffId.slice(7)}.erofs`),
      ]);
      expect(await filesIn(folder.path)).toEqual([...new Set(expected)].sort());
    }
  }, 60_000);
});
