import { randomBytes } from 'node:crypto';
import { mkdir, readdir } from 'node:fs/promises';
import type { Launcher, RootPlan } from '../runtime/index.ts';
import type { Layer, LayerStore } from '../store/index.ts';

export interface LayerMaker {
  readonly launcher: Launcher;
  readonly layers: LayerStore;
  /** A folder on the data root's file system. */
  readonly scratchDirectory: string;
}

/**
 * Lets `work` change files above `below`, and makes a layer of what it changed; undefined when it changed nothing.
 * Whatever happens, the writable folders are gone afterwards.
 */
export async function makeLayer(
  { launcher, layers, scratchDirectory }: LayerMaker,
  below: readonly Layer[],
  signal: AbortSignal,
  work: (root: RootPlan) => Promise<void>,
): Promise<Layer | undefined> {
  const folder = `${scratchDirectory}/steps/${randomBytes(12).toString('hex')}`;
  const writable = { upper: `${folder}/upper`, work: `${folder}/work` };
  await mkdir(writable.upper, { recursive: true });
  await mkdir(writable.work);
  try {
    await work({ layers: below.map(({ path }) => path), writable });
    signal.throwIfAborted();
    if ((await readdir(writable.upper)).length === 0) return undefined;
    const tar = await launcher.packChanges(writable.upper, signal);
    return await layers.unpackTar(tar, { signal });
  } finally {
    await launcher.removeTree(folder);
  }
}
