import { readFile } from 'node:fs/promises';
import { invalid, run } from '../base/index.ts';
import { ErofsFormat } from './erofs-format.ts';
import { FolderFormat } from './folder-format.ts';
import type { LayerFormat, LayerFormatName, PlaceTree } from './layer-format.ts';

/**
 * How this host keeps new layers: as asked, else EROFS where the kernel has it, else folders. Throws `invalid` where EROFS is
 * asked for and the kernel has none.
 */
export async function chooseLayerFormat(
  wanted: LayerFormatName | undefined,
  placeTree: PlaceTree,
  hasErofs: () => Promise<boolean> = kernelHasErofs,
): Promise<LayerFormat> {
  if (wanted === 'folder') return new FolderFormat(placeTree);
  if (await hasErofs()) return new ErofsFormat();
  if (wanted === undefined) return new FolderFormat(placeTree);
  throw invalid('layers cannot be EROFS images: this kernel has no EROFS', {
    hint: 'Use a kernel with CONFIG_EROFS_FS (Linux 5.4 or newer), or --layer-format folder',
  });
}

/** Also where EROFS is a module that is not loaded yet. */
async function kernelHasErofs(): Promise<boolean> {
  if (await isRegistered()) return true;
  await run('modprobe', ['--quiet', 'erofs']).catch(() => undefined); // hosts without modules have no modprobe
  return isRegistered();
}

async function isRegistered(): Promise<boolean> {
  const fileSystems = await readFile('/proc/filesystems', 'utf8');
  return fileSystems.split('\n').some((line) => line.endsWith('\terofs'));
}
