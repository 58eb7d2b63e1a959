import { readFile } from 'node:fs/promises';
import { notImplemented, run } from '../base/index.ts';
import { ErofsFormat } from './erofs-format.ts';
import type { LayerFormat } from './layer-format.ts';

/** How this host keeps layers. A kernel without EROFS can hold images, but refuses to unpack layers for them. */
export async function chooseLayerFormat(): Promise<LayerFormat> {
  return (await kernelHasErofs()) ? new ErofsFormat() : new RefusedFormat();
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

class RefusedFormat implements LayerFormat {
  readonly name = 'folder';

  async unpack(): Promise<never> {
    throw notImplemented('layers cannot be unpacked: this kernel has no EROFS', {
      hint: 'Use a kernel with CONFIG_EROFS_FS (Linux 5.4 or newer)',
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}
