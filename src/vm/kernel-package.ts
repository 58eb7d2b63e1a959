import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { errorMessage, isBerthError, runChecked, unavailable } from '../base/index.ts';

const HINT =
  'Name a kernel with --kernel, or put one at /etc/berth/vmlinux, with its modules in /etc/berth/modules';

/** Debian's names of the architectures. */
const debianArchitecture: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };

/** The kernel and the modules of an unpacked kernel package. */
export interface UnpackedKernel {
  /** The kernel's file. */
  readonly image: string;
  /** The folder like /lib/modules/VERSION. */
  readonly modules: string;
}

/**
 * Fetches the newest Debian kernel package by apt-get and unpacks it (it is not installed) below `folder`, for `use`
 * only: both are removed afterwards. Throws `unavailable` where that does not work.
 */
export async function withKernelPackage<T>(
  folder: string,
  use: (kernel: UnpackedKernel) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  const work = await mkdtemp(join(folder, 'unpack-'));
  try {
    const name = await newestPackage(signal);
    const archive = await download(name, work, signal);
    await runChecked('dpkg-deb', ['-x', archive, join(work, 'root')], signal === undefined ? {} : { signal });
    return await use(await findKernel(name, join(work, 'root')));
  } catch (error) {
    if (!isBerthError(error, 'unavailable') || error.hint !== undefined) throw error;
    throw unavailable(`no kernel for virtual machines could be fetched: ${errorMessage(error)}`, {
      hint: HINT,
      cause: error,
    });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** The package that stands for Debian's newest kernel. */
export function kernelPackage(): string {
  return `linux-image-${debianArchitecture[process.arch] ?? process.arch}`;
}

/** What Debian's linux-image-ARCHITECTURE stands for at present: linux-image-6.1.0-56-amd64. */
async function newestPackage(signal?: AbortSignal): Promise<string> {
  const meta = kernelPackage();
  const options = signal === undefined ? {} : { signal };
  const { stdout } = await runChecked('apt-cache', ['depends', '--important', meta], options);
  const name = /Depends: (linux-image-\S+)/.exec(stdout.toString())?.[1];
  if (name === undefined)
    throw unavailable(`apt does not know the package ${meta}; apt-get update fetches its lists`);
  return name;
}

async function download(name: string, folder: string, signal?: AbortSignal): Promise<string> {
  // As root, apt says that it did not give its rights up for a folder that only root may read: that is no error.
  await runChecked('apt-get', ['download', '--quiet', name], {
    cwd: folder,
    ...(signal === undefined ? {} : { signal }),
  });
  const archive = (await readdir(folder)).find((file) => file.endsWith('.deb'));
  if (archive === undefined) throw unavailable(`apt-get download ${name} left no package`);
  return join(folder, archive);
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
