/**
 * A program for tests, to be run in a mount namespace of its own: a store (of the format that is named) on a disk
 * of 4 MiB gets a layer of 8 MiB. Prints what the errors say, and what is left, as JSON.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { BerthError, digestOf } from '../../base/index.ts';
import { openStore } from '../open-store.ts';
import { filesIn, tarOf } from './images.ts';
import { placeTree } from './place-tree.ts';

const layerFormat = process.argv[2] === 'folder' ? 'folder' : 'erofs';
const folder = mkdtempSync(join(tmpdir(), 'full-disk-'));
spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', folder]);
try {
  const store = await openStore({
    dataRoot: folder,
    signal: new AbortController().signal,
    layerFormat,
    placeTree,
  });
  const tar = await tarOf([{ header: { name: 'large' }, content: Buffer.alloc(8 * 1024 * 1024, 1) }]);
  const stream = () => Readable.from([tar], { objectMode: false });
  const failures = [
    await store.layers.unpackTar(stream()).catch((error: unknown) => error),
    await store.content.write({ digest: digestOf(tar) }, stream()).catch((error: unknown) => error),
  ];
  const told = failures.map((failure) => (failure instanceof BerthError ? failure.message : String(failure)));
  console.log(JSON.stringify({ told, files: await filesIn(folder) }));
  await store[Symbol.asyncDispose]();
} finally {
  spawnSync('umount', ['-l', folder]);
  rmdirSync(folder);
}
