import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { errorMessage, isBerthError, runChecked, unavailable } from '../base/index.ts';
import { type Architecture, hostArchitecture } from './architecture.ts';

const HINT =
  'Name a kernel with --kernel, or put one at /etc/berth/vmlinux, with its modules in /etc/berth/modules';

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
    const archive = await download(name, work, apt);
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
export function kernelPackage({ name }: Architecture): string {
  return `linux-image-${name}`;
}

/** Runs a tool of apt's with arguments, in a folder. */
type Apt = (tool: 'apt-get' | 'apt-cache', args: readonly string[], folder?: string) => Promise<string>;

/**
 * Of the host's own packages, apt has lists already. For another architecture it gets some of its own below `folder`, so that the
 * host's dpkg need not know of it.
 */
async function aptFor(architecture: Architecture, folder: string, signal?: AbortSignal): Promise<Apt> {
  const isOwn = architecture.name === hostArchitecture().name;
  const options = isOwn ? [] : settingsOf(architecture, folder);
  const apt: Apt = async (tool, args, cwd) => {
    const { stdout } = await runChecked(tool, [...options, ...args], {
      ...(cwd === undefined ? {} : { cwd }),
      ...(signal === undefined ? {} : { signal }),
    });
    return stdout.toString();
  };
  if (isOwn) return apt;
  for (const name of ['lists/partial', 'cache/archives/partial']) {
    await mkdir(join(folder, name), { recursive: true });
  }
  await apt('apt-get', ['update', '--quiet']);
  return apt;
}

/** Of apt.conf(5). */
function settingsOf({ name }: Architecture, folder: string): string[] {
  const settings = {
    'APT::Architecture': name,
    'APT::Architectures': name,
    'Acquire::Languages': 'none',
    'Dir::State::Lists': join(folder, 'lists'),
    'Dir::State::status': '/dev/null',
    'Dir::Cache': join(folder, 'cache'),
  };
  return Object.entries(settings).flatMap(([setting, value]) => ['-o', `${setting}=${value}`]);
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

async function download(name: string, folder: string, apt: Apt): Promise<string> {
  // As root, apt says that it did not give its rights up for a folder that only root may read: that is no error.
  await apt('apt-get', ['download', '--quiet', name], folder);
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
