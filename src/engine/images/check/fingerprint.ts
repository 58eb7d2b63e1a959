import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { type Digest, digestFromHex } from '../../../base/index.ts';
import type { Launcher } from '../../../runtime/index.ts';

const READ_SIZE = 256 * 1024;

export type LayerReader = Pick<Launcher, 'openFiles' | 'packChanges' | 'unmountLayer'>;

/** What a layer's content comes to: the sha256 of its image file, or of the tar that its folder is packed to. */
export async function fingerprintOf(
  launcher: LayerReader,
  path: string,
  signal: AbortSignal,
): Promise<Digest> {
  return (await isFolder(path)) ? digestOfTree(launcher, path, signal) : digestOfFile(path, signal);
}

/** Whether a layer and a copy of it are the same, also where one is an image and the other a folder. */
export async function isSameLayer(
  launcher: LayerReader,
  layer: string,
  copy: string,
  signal: AbortSignal,
): Promise<boolean> {
  const digest = (await isFolder(layer)) === (await isFolder(copy)) ? fingerprintOf : digestOfTree;
  return (await digest(launcher, layer, signal)) === (await digest(launcher, copy, signal));
}

/** The sha256 of a file's bytes. */
export function digestOfFile(path: string, signal: AbortSignal): Promise<Digest> {
  return digestOfStream(createReadStream(path, { highWaterMark: READ_SIZE, signal }));
}

async function digestOfTree(launcher: LayerReader, path: string, signal: AbortSignal): Promise<Digest> {
  if (await isFolder(path)) return digestOfStream(await launcher.packChanges(path, signal));
  try {
    await using files = await launcher.openFiles({ layers: [path], writable: undefined }, signal);
    return await digestOfStream(await files.packChanges('/', { signal }));
  } finally {
    await launcher.unmountLayer(path).catch(() => {}); // a container has it
  }
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path)).isDirectory();
}

/** Between two pieces others have their turn on the event loop. */
async function digestOfStream(stream: AsyncIterable<Buffer>): Promise<Digest> {
  const hash = createHash('sha256');
  for await (const piece of stream) hash.update(piece);
  return digestFromHex(hash.digest('hex'));
}
