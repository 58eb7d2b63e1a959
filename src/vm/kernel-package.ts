import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { errorMessage, isBerthError, unavailable } from '../base/index.ts';
import { type Architecture, hostArchitecture } from './architecture.ts';
import { type Apt, aptFor, unpackPackage } from './debian-package.ts';

function hintFor({ name }: Architecture): string {
  const folder = name === hostArchitecture().name ? '/etc/berth' : `/etc/berth/${name}`;
  return `Name a kernel with --kernel, or put one at ${folder}/vmlinux, with its modules in ${folder}/modules`;
}

/** The kernel and the modules of an unpacked kernel package. */
export interface UnpackedKernel {
  /** The kernel's file. */
  readonly image: string;
  /** The folder like /lib/modules/VERSION. */
  readonly modules: string;
}

/**
 * Fetches the newest Debian kernel package of an architecture by apt-get and unpacks it (it is not installed) below `folder`,
 * for `use` only: both are removed afterwards. Throws `unavailable` where that does not work.
 */
export async function withKernelPackage<T>(
  architecture: Architecture,
  folder: string,
  use: (kernel: UnpackedKernel) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  const work = await mkdtemp(join(folder, 'unpack-'));
  try {
    const apt = await aptFor(architecture, work, signal);
    const name = await newestPackage(architecture, apt);
    return await use(await findKernel(name, await unpackPackage(apt, name, work, signal)));
  } catch (error) {
    if (!isBerthError(error, 'unavailable') || error.hint !== undefined) throw error;
    throw unavailable(`no kernel for virtual machines could be fetched: ${errorMessage(error)}`, {
      hint: hintFor(architecture),
      cause: error,
    });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** The package that stands for Debian's newest kernel. */
export function kernelPackage({ name }: Architecture): string {
  return `linux-image-${name}`;
}

/** What Debian's linux-image-ARCHITECTURE stands for at present: linux-image-6.1.0-56-amd64. */
async function newestPackage(architecture: Architecture, apt: Apt): Promise<string> {
  const meta = kernelPackage(architecture);
  const depends = await apt('apt-cache', ['depends', '--important', meta]);
  const name = /Depends: (linux-image-\S+)/.exec(depends)?.[1];
  if (name === undefined)
    throw unavailable(`apt does not know the package ${meta}; apt-get update fetches its lists`);
  return name;
}

async function findKernel(name: string, root: string): Promise<UnpackedKernel> {
  const [image] = (await readdir(join(root, 'boot'))).filter((file) => file.startsWith('vmlinuz-'));
  if (image === undefined) throw unavailable(`the package ${name} holds no kernel`);
  const version = image.slice('vmlinuz-'.length);
  const libraries = ['lib/modules', 'usr/lib/modules'].map((folder) => join(root, folder, version));
  const [modules] = (
    await Promise.all(libraries.map(async (path) => ((await isFolder(path)) ? [path] : [])))
  ).flat();
  if (modules === undefined) throw unavailable(`the package ${name} holds no modules`);
  return { image: join(root, 'boot', image), modules };
}

const isFolder = (path: string) =>
  readdir(path).then(
    () => true,
    () => false,
  );
