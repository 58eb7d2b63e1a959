import { dirname, join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { type EngineClient, unpackLocal } from '../../client/index.ts';
import { findLocal, requireFolder } from './local-path.ts';
import { type ContainerPlace, type CopyOptions, landing, nameOf } from './place.ts';

type Files = EngineClient['files'];

/** Copies a file or folder of a container to a local path, or as a tar to standard output ("-"). */
export async function copyFromContainer(
  files: Files,
  from: ContainerPlace,
  destination: string,
  { archive: keepOwners, followLink }: CopyOptions,
): Promise<void> {
  const link = followLink ? (await files.stat(from.container, from.path))?.linkTarget : undefined;
  const { stat: source, archive } = await files.read(from.container, link || from.path);
  if (destination === '-') {
    await pipeline(archive, process.stdout, { end: false });
    return;
  }
  try {
    const found = await findLocal(destination);
    const isFolder = source.mode >= 2 ** 31;
    // Resolved without what says "folder" at its end, which landing() reads.
    const asked = resolve(destination) + (/(\/|^)\.?$/.test(destination) ? '/' : '');
    const { folder, name } = landing({ name: nameOf(from.path), isFolder }, asked, found);
    if (!found.exists) await requireFolder(dirname(resolve(destination)));
    await unpackLocal(archive, {
      root: join(folder, name),
      contentOnly: source.name === '.' || source.name === '/',
      owners: keepOwners && process.getuid?.() === 0,
    });
  } finally {
    archive.destroy();
  }
}
