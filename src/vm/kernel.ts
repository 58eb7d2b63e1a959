import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { invalid, KeyedLock, notFound, syncDirectory, systemErrorCode } from '../base/index.ts';
import { type Architecture, hostArchitecture } from './architecture.ts';
import type { ShareTransport } from './contract.ts';
import { readKernelImage } from './kernel-image.ts';
import { listModules, type ModuleList } from './kernel-modules.ts';
import { kernelPackage, withKernelPackage } from './kernel-package.ts';

/** A kernel that virtual machines can be started with. */
export interface Kernel {
  /** "6.1.0-56-amd64". */
  readonly version: string;
  /** Its file, not compressed. */
  readonly path: string;
  /** Its modules' files, in the order in which they are to be loaded. */
  readonly modules: readonly string[];
  /** By what it can share folders: some kernels can by nothing. */
  readonly transports: readonly ShareTransport[];
  /** Tells two kernels of the same version apart. */
  readonly digest: string;
  /** Where it came from: a file's path or a package's. */
  readonly origin: string;
}

/** The origin of a kernel that berth fetched itself. */
export const DEBIAN_PACKAGE = 'a Debian package';

/** A kernel that is ready, or the package that would be fetched for one. */
export type KernelSeen =
  | { readonly state: 'ready'; readonly release: string; readonly path: string }
  | { readonly state: 'fetched-on-first-use'; readonly name: string };

/** Where kernels are looked for. */
export interface KernelPlaces {
  /** Kernels that were made ready are kept here: <data root>/vm/kernels. */
  readonly cache: string;
  /** /etc/berth: its vmlinux or vmlinuz, with the folder modules beside; another architecture's is in the folder of its name. */
  readonly configuration: string;
}

/** What a kept kernel's kernel.json holds. */
interface KeptKernel {
  readonly version: string;
  readonly modules: readonly string[];
  /** By 9p. */
  readonly sharesFolders: boolean;
  /** Missing where an earlier berth wrote it, which kept only modules. */
  readonly hasVirtiofs?: boolean;
  readonly digest: string;
  readonly origin: string;
}

/** A kernel's file with the folder of its modules, which may be missing: everything is built in then. */
interface KernelFile {
  readonly image: string;
  readonly modules: string | undefined;
}

/** Part of a kept kernel's name, so that one that was kept with other modules than guests need now is not used. */
const FORMAT = 2;

/** The name under which a fetched package's kernel is kept: the host's own has been there since before there were others. */
function packageKey({ name }: Architecture): string {
  return `package-${FORMAT}${name === hostArchitecture().name ? '' : `-${name}`}`;
}

/**
 * Finds kernels: the one that is named, else the one in /etc/berth, else that of a Debian package, which is fetched once.
 * What is found is made ready (taken out of its compression, modules in order) and kept.
 */
export class Kernels {
  readonly #places: KernelPlaces;
  readonly #lock = new KeyedLock();

  constructor(places: KernelPlaces) {
    this.#places = places;
  }

  /**
   * `named`: the path of a kernel. Throws `not-found` or `invalid` for a named or configured one that is none, or is for
   * another architecture.
   */
  async find(
    named: string | undefined,
    architecture = hostArchitecture(),
    signal?: AbortSignal,
  ): Promise<Kernel> {
    const file = named === undefined ? await this.#configured(architecture) : await namedKernel(named);
    return file === undefined
      ? this.#fromPackage(architecture, signal)
      : this.#fromFile(file, architecture, signal);
  }

  /** The kernel of machines that name none, if it is here already. */
  async look(architecture = hostArchitecture(), signal?: AbortSignal): Promise<KernelSeen> {
    const file = await this.#configured(architecture);
    const kernel =
      file === undefined
        ? await this.#kept(packageKey(architecture))
        : await this.#fromFile(file, architecture, signal);
    if (kernel === undefined) return { state: 'fetched-on-first-use', name: kernelPackage(architecture) };
    return { state: 'ready', release: kernel.version, path: kernel.path };
  }

  async #configured({ name: architecture }: Architecture): Promise<KernelFile | undefined> {
    const { configuration } = this.#places;
    const folder =
      architecture === hostArchitecture().name ? configuration : join(configuration, architecture);
    for (const name of ['vmlinux', 'vmlinuz']) {
      const image = join(folder, name);
      if (await exists(image)) return { image, modules: await folderOrNone(join(folder, 'modules')) };
    }
    return undefined;
  }

  /** A file may be replaced at any time, so it is kept by what it holds. */
  async #fromFile(file: KernelFile, architecture: Architecture, signal?: AbortSignal): Promise<Kernel> {
    const key = await fileKey(file, architecture);
    return this.#lock.run(key, async () => {
      return (await this.#kept(key)) ?? this.#keep(key, { ...file, architecture }, file.image, signal);
    });
  }

  async #fromPackage(architecture: Architecture, signal?: AbortSignal): Promise<Kernel> {
    const key = packageKey(architecture);
    return this.#lock.run(key, async () => {
      const kept = await this.#kept(key);
      if (kept !== undefined) return kept;
      await mkdir(this.#places.cache, { recursive: true, mode: 0o700 });
      return withKernelPackage(
        architecture,
        this.#places.cache,
        (kernel) => this.#keep(key, { ...kernel, architecture }, DEBIAN_PACKAGE, signal),
        signal,
      );
    });
  }

  async #kept(key: string): Promise<Kernel | undefined> {
    const folder = join(this.#places.cache, key);
    try {
      const kept = parseKept(await readFile(join(folder, 'kernel.json'), 'utf8'));
      return kept && kernelIn(folder, kept);
    } catch (error) {
      if (systemErrorCode(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  async #keep(
    key: string,
    file: KernelFile & { readonly architecture: Architecture },
    origin: string,
    signal?: AbortSignal,
  ): Promise<Kernel> {
    const image = await readKernelImage(file.image, await readFile(file.image), signal);
    const { name } = file.architecture;
    if (image.architecture !== name) {
      throw invalid(
        `the kernel ${file.image} is for ${image.architecture}, and the virtual machine is ${name}`,
      );
    }
    const list: ModuleList =
      file.modules === undefined ? { modules: [], absent: [] } : await listModules(file.modules, signal);
    await mkdir(this.#places.cache, { recursive: true, mode: 0o700 });
    const folder = await mkdtemp(join(this.#places.cache, 'new-'));
    try {
      const kept = await writeKernel(folder, image, list, origin);
      await rm(join(this.#places.cache, key), { recursive: true, force: true });
      await rename(folder, join(this.#places.cache, key));
      await syncDirectory(this.#places.cache);
      return kernelIn(join(this.#places.cache, key), kept);
    } catch (error) {
      await rm(folder, { recursive: true, force: true });
      throw error;
    }
  }
}

async function writeKernel(
  folder: string,
  image: { readonly version: string; readonly data: Buffer },
  list: ModuleList,
  origin: string,
): Promise<KeptKernel> {
  const hash = createHash('sha256').update(image.data);
  await writeFile(join(folder, 'vmlinux'), image.data);
  const modules: string[] = [];
  for (const { name, data } of list.modules) {
    hash.update(name).update(data);
    modules.push(`${name}.ko`);
    await writeFile(join(folder, `${name}.ko`), data);
  }
  const sharesFolders = !list.absent.includes('9p') && !list.absent.includes('9pnet_virtio');
  const kept = {
    version: image.version,
    modules,
    sharesFolders,
    hasVirtiofs: !list.absent.includes('virtiofs'),
    digest: hash.digest('hex'),
    origin,
  };
  await writeFile(join(folder, 'kernel.json'), JSON.stringify(kept));
  return kept;
}

function kernelIn(folder: string, kept: KeptKernel): Kernel {
  const { version, digest, origin, sharesFolders } = kept;
  const { hasVirtiofs = kept.modules.includes('virtiofs.ko') } = kept;
  return {
    ...{ version, digest, origin },
    path: join(folder, 'vmlinux'),
    modules: kept.modules.map((name) => join(folder, name)),
    transports: [
      ...(sharesFolders ? (['9p'] as const) : []),
      ...(hasVirtiofs ? (['virtiofs'] as const) : []),
    ],
  };
}

/** Undefined when the file is not as this berth writes it: the kernel is then made ready again. */
function parseKept(text: string): KeptKernel | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isKept(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isKept(value: unknown): value is KeptKernel {
  if (typeof value !== 'object' || value === null) return false;
  const { version, modules, sharesFolders, hasVirtiofs, digest, origin } = value as Partial<
    Record<string, unknown>
  >;
  return (
    [version, digest, origin].every((text) => typeof text === 'string') &&
    typeof sharesFolders === 'boolean' &&
    ['boolean', 'undefined'].includes(typeof hasVirtiofs) &&
    Array.isArray(modules) &&
    modules.every((name) => typeof name === 'string')
  );
}

/** A named kernel's modules: the folder `modules` beside it, else the host's of the same version. */
async function namedKernel(path: string): Promise<KernelFile> {
  if (!(await exists(path))) throw notFound(`the kernel ${path} does not exist`);
  const beside = await folderOrNone(join(dirname(path), 'modules'));
  const version = /vmlinu[xz]-(.+)$/.exec(path)?.[1];
  const host = version === undefined ? undefined : await folderOrNone(join('/lib/modules', version));
  return { image: path, modules: beside ?? host };
}

async function fileKey({ image, modules }: KernelFile, { name }: Architecture): Promise<string> {
  const { size, mtimeNs, ino } = await stat(image, { bigint: true });
  const identity = [name, image, size, mtimeNs, ino, modules, modules && (await stat(modules)).mtimeMs].join(
    '\n',
  );
  return `file-${FORMAT}-${createHash('sha256').update(identity).digest('hex').slice(0, 16)}`;
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
}

async function folderOrNone(path: string): Promise<string | undefined> {
  return readdir(path).then(
    () => path,
    () => undefined,
  );
}
