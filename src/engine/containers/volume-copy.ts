import { chmod, chown, readdir } from 'node:fs/promises';
import { unpackInto } from '../../runtime/index.ts';
import type { ContainerRecord } from './container.ts';
import type { ContainerContext } from './context.ts';

/**
 * Copies what the image has at a volume's path into the volume when it is still empty, owners and modes
 * included (Docker's rule for named and anonymous volumes).
 */
export async function fillVolumes(
  context: ContainerContext,
  record: ContainerRecord,
  layers: readonly { path: string }[],
): Promise<void> {
  const { launcher, settings } = context.parts;
  for (const mount of record.mounts) {
    if (mount.type !== 'volume' || mount.noCopy || (await readdir(mount.source)).length > 0) continue;
    await using image = await launcher.openFiles({
      layers: layers.map(({ path }) => path),
      writable: undefined,
    });
    const stat = await image.stat(mount.target, { follow: true });
    if (stat?.type !== 'directory') continue;
    await unpackInto(settings.nativeDirectory, mount.source, await image.pack(mount.target, { as: '.' }));
    await chown(mount.source, stat.uid, stat.gid);
    await chmod(mount.source, stat.mode);
  }
}
