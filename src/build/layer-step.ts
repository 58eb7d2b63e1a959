import { randomBytes } from 'node:crypto';
import { lstat, mkdir, readdir, rmdir, unlink } from 'node:fs/promises';
import { crashPoint, systemErrorCode } from '../base/index.ts';
import type { FileWorker, Launcher, RootPlan } from '../runtime/index.ts';
import type { Layer, LayerStore } from '../store/index.ts';

export interface LayerMaker {
  readonly launcher: Launcher;
  readonly layers: LayerStore;
  /** A folder on the data root's file system. */
  readonly scratchDirectory: string;
}

/** A root whose changes become a layer. */
export type WritableRoot = RootPlan & {
  readonly writable: { readonly upper: string; readonly work: string };
};

/**
 * Lets `work` change files above `below`, and makes a layer of what it changed; undefined when it changed nothing. Changes that are
 * elsewhere than in the root's upper folder are those that it returns. Whatever happens, the writable folders are gone afterwards.
 */
export async function makeLayer(
  { launcher, layers, scratchDirectory }: LayerMaker,
  below: readonly Layer[],
  signal: AbortSignal,
  work: (root: WritableRoot) => Promise<FileWorker | undefined>,
): Promise<Layer | undefined> {
  const folder = `${scratchDirectory}/steps/${randomBytes(12).toString('hex')}`;
  const writable = { upper: `${folder}/upper`, work: `${folder}/work` };
  await mkdir(writable.upper, { recursive: true });
  try {
    await mkdir(writable.work);
    await using elsewhere = await work({ layers: below.map(({ path }) => path), writable });
    signal.throwIfAborted();
    const names = await (elsewhere?.list('/') ?? readdir(writable.upper));
    if (names.length === 0) return undefined;
    const tar = await (elsewhere?.packChanges('/', { signal }) ??
      launcher.packChanges(writable.upper, signal));
    const layer = await layers.unpackTar(tar, { signal });
    crashPoint('build.layer');
    return layer;
  } finally {
    await launcher.removeTree(folder);
  }
}

/** Mount points that a RUN step's runtime makes where the image lacks them. */
const MOUNT_POINTS = {
  folders: ['proc', 'sys', 'dev'],
  files: ['etc/hosts', 'etc/resolv.conf', 'etc/hostname'],
};

/**
 * Takes away the empty mount points that a step's runtime has left in its upper folder: no file of the image's.
 * Whatever the step did at these paths went to the mounts, so what is empty here is a mount point.
 */
export async function removeMountPoints(upper: string): Promise<void> {
  for (const name of MOUNT_POINTS.folders) await removeEmptyFolder(`${upper}/${name}`);
  // The step may have made a symlink of /etc: never follow it.
  if (!(await isFolder(`${upper}/etc`))) return;
  for (const name of MOUNT_POINTS.files) await removeEmptyFile(`${upper}/${name}`);
}

/** The same where the step's changes are elsewhere. */
export async function removeMountPointsIn(changes: FileWorker): Promise<void> {
  for (const name of MOUNT_POINTS.folders) await changes.removeEmpty(`/${name}`);
  if ((await changes.stat('/etc'))?.type !== 'directory') return;
  for (const name of MOUNT_POINTS.files) await changes.removeEmpty(`/${name}`);
}

async function isFolder(path: string): Promise<boolean> {
  return (await lstat(path).catch(() => undefined))?.isDirectory() ?? false;
}

async function removeEmptyFolder(path: string): Promise<void> {
  if (!(await isFolder(path))) return;
  try {
    await rmdir(path);
  } catch (error) {
    if (systemErrorCode(error) !== 'ENOTEMPTY') throw error;
  }
}

async function removeEmptyFile(path: string): Promise<void> {
  const info = await lstat(path).catch(() => undefined);
  if (info?.isFile() && info.size === 0) await unlink(path);
}
