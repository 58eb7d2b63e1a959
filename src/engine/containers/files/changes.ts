import { posix } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { extract } from 'tar-stream';
import type { FileWorker } from '../../../runtime/index.ts';
import type { ContainerContext } from '../context.ts';
import { imageOf } from '../create.ts';
import { packChanges } from './pack-changes.ts';

/** A difference between a container's files and its image's. */
export interface FileChange {
  readonly path: string;
  readonly kind: 'changed' | 'added' | 'deleted';
}

/** What the OCI image-spec (layer.md, "Whiteouts") puts before the name of what is deleted. */
const WHITEOUT = '.wh.';
/** In a folder: nothing of what lower layers have in it is left. */
const OPAQUE = '.wh..wh..opq';

/** Mount points that the runtime makes where the image lacks them; nothing that the container did. */
const MOUNT_POINTS: ReadonlySet<string> = new Set(
  '/dev /proc /sys /etc/hosts /etc/hostname /etc/resolv.conf'.split(' '),
);

/** What a container has changed, added and deleted, sorted by path. Volumes are no part of it. */
export async function listChanges(
  context: ContainerContext,
  reference: string,
  signal: AbortSignal,
): Promise<FileChange[]> {
  const record = context.collection.findContainer(reference);
  const { launcher } = context.parts;
  const { layers } = await imageOf(context, record);
  await using image = await launcher.openFiles({
    layers: layers.map(({ path }) => path),
    writable: undefined,
  });
  const changes = new Map<string, FileChange['kind']>();
  const opaque: string[] = [];
  /** Folders in which the runtime has made something; the container perhaps not. */
  const untouched = new Set<string>();
  for (const path of await namesIn(await packChanges(context, record, signal))) {
    const folder = posix.dirname(path);
    const name = posix.basename(path);
    if (name === OPAQUE) opaque.push(folder);
    else if (name.startsWith(WHITEOUT))
      changes.set(posix.join(folder, name.slice(WHITEOUT.length)), 'deleted');
    else if ((await image.stat(path)) !== undefined) changes.set(path, 'changed');
    else if (MOUNT_POINTS.has(path)) untouched.add(folder);
    else changes.set(path, 'added');
  }
  for (const folder of untouched) {
    if (![...changes.keys()].some((path) => path.startsWith(`${folder}/`))) changes.delete(folder);
  }
  for (const folder of opaque) await addHidden(image, folder, changes);
  return [...changes].map(([path, kind]) => ({ path, kind })).sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** What the image has in a folder that was replaced, and the new folder has not, is deleted. */
async function addHidden(
  image: FileWorker,
  folder: string,
  changes: Map<string, FileChange['kind']>,
): Promise<void> {
  if ((await image.stat(folder))?.type !== 'directory') return;
  for (const path of await namesIn(await image.pack(folder, { as: '' }))) {
    const hidden = posix.join(folder, path);
    if (posix.dirname(path) === '/' && !changes.has(hidden)) changes.set(hidden, 'deleted');
  }
}

/** The names in an archive as absolute paths, without the root. */
async function namesIn(archive: Readable): Promise<string[]> {
  const names: string[] = [];
  const entries = extract();
  const fed = pipeline(archive, entries);
  fed.catch(() => {}); // the loop is told, too
  for await (const entry of entries) {
    const path = posix.resolve('/', entry.header.name);
    if (path !== '/') names.push(path);
    entry.resume();
  }
  await fed;
  return names;
}
