import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { invalid, systemErrorCode } from '../base/index.ts';
import { compressionOf, decompress } from './decompress.ts';
import { sectionNamed } from './elf-sections.ts';

/** What a guest cannot do without; names as modprobe takes them. */
const NEEDED = [
  'virtio_mmio',
  'virtio_console',
  'virtio_blk',
  'virtio_net',
  'erofs',
  'overlay',
  'ext4',
  'virtio_rng',
];

/**
 * What others ask for by an algorithm's name, which no dependency says: before those. Which of them a kernel has depends
 * on its version and machine.
 */
const ALGORITHMS = ['crc32c_intel', 'crc32c_generic'];

/** What makes a guest better, but some kernels do not have: shared folders and giving memory back. */
const WANTED = ['9p', '9pnet_virtio', 'virtiofs', 'virtio_balloon'];

/** A module's content, not compressed. */
export interface KernelModule {
  readonly name: string;
  readonly data: Buffer;
}

export interface ModuleList {
  /** In the order in which they can be loaded. */
  readonly modules: readonly KernelModule[];
  /** Of the wanted ones, those that the kernel does not have. */
  readonly absent: readonly string[];
}

/**
 * The modules that a guest needs, with those that they depend on, from a folder like /lib/modules/VERSION. Throws
 * `invalid` when the kernel lacks a needed one, built in or as a module.
 */
export async function listModules(folder: string, signal?: AbortSignal): Promise<ModuleList> {
  const files = await moduleFiles(folder);
  const builtIn = await builtInModules(folder);
  const missing = NEEDED.filter((name) => !files.has(name) && !builtIn.has(name));
  if (missing.length > 0) {
    throw invalid(`the kernel of ${folder} has no ${missing.join(', ')}, which a virtual machine needs`);
  }
  const loaded = new Map<string, KernelModule>();
  const add = async (name: string): Promise<void> => {
    const path = files.get(name);
    if (path === undefined || loaded.has(name)) return;
    const data = await readModule(path, signal);
    for (const dependency of dependenciesOf(path, data)) await add(dependency);
    loaded.set(name, { name, data });
  };
  for (const name of [...ALGORITHMS, ...NEEDED, ...WANTED]) await add(name);
  return {
    modules: [...loaded.values()],
    absent: WANTED.filter((name) => !files.has(name) && !builtIn.has(name)),
  };
}

/** Files and kernels differ in whether a name is written with - or _. */
export const plainName = (path: string): string =>
  basename(path)
    .replace(/\.ko(\.(xz|gz|zst))?$/, '')
    .replaceAll('-', '_');

async function moduleFiles(folder: string): Promise<Map<string, string>> {
  const names = await readdir(join(folder, 'kernel'), { recursive: true });
  const modules = names.filter((name) => /\.ko(\.(xz|gz|zst))?$/.test(name));
  return new Map(modules.map((name) => [plainName(name), join(folder, 'kernel', name)]));
}

async function builtInModules(folder: string): Promise<Set<string>> {
  try {
    const lines = (await readFile(join(folder, 'modules.builtin'), 'utf8')).split('\n');
    return new Set(lines.filter((line) => line !== '').map(plainName));
  } catch (error) {
    if (systemErrorCode(error) !== 'ENOENT') throw error;
    return new Set();
  }
}

async function readModule(path: string, signal?: AbortSignal): Promise<Buffer> {
  const data = await readFile(path);
  return compressionOf(data) === undefined ? data : decompress(path, data, signal);
}

/** The modules that a module names in its section .modinfo as those it depends on. */
export function dependenciesOf(path: string, module: Buffer): string[] {
  const information = sectionNamed(module, '.modinfo');
  if (information === undefined) throw invalid(`${path} is not a kernel module`);
  const entries = information.toString('latin1').split('\0');
  const depends = entries.find((entry) => entry.startsWith('depends='))?.slice('depends='.length) ?? '';
  return depends
    .split(',')
    .filter((name) => name !== '')
    .map(plainName);
}
