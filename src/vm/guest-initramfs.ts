import { createHash } from 'node:crypto';
import { mkdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { systemErrorCode, unavailable, writeFileAtomic } from '../base/index.ts';
import { type InitramfsEntry, writeInitramfs } from './initramfs.ts';
import type { Kernel } from './kernel.ts';

/** What a guest's first root holds beside the modules: its PID 1, the file worker, and the init of containers. */
const programs = [
  { path: 'init', program: 'berth-guest' },
  { path: 'berth-fs', program: 'berth-fs' },
  { path: 'berth-init', program: 'berth-init' },
];

/** An initramfs on disk. */
export interface GuestInitramfs {
  readonly path: string;
  /** The same content has the same digest. */
  readonly digest: string;
}

/**
 * The initramfs for guests with this kernel, kept in `cache` (<data root>/vm/initramfs) by what it holds. The programs
 * come from `nativeDirectory`.
 */
export async function guestInitramfs(
  cache: string,
  nativeDirectory: string,
  kernel: Kernel,
): Promise<GuestInitramfs> {
  const archive = writeInitramfs([
    { kind: 'folder', path: 'dev' },
    { kind: 'device', path: 'dev/console', major: 5, minor: 1 },
    ...(await Promise.all(programs.map(({ path, program }) => programEntry(path, nativeDirectory, program)))),
    ...(await moduleEntries(kernel)),
  ]);
  const digest = createHash('sha256').update(archive).digest('hex');
  const path = join(cache, `${digest}.cpio`);
  if (!(await isWhole(path, archive.length))) {
    await mkdir(cache, { recursive: true, mode: 0o700 });
    await writeFileAtomic(path, archive);
  }
  return { path, digest };
}

async function programEntry(path: string, directory: string, program: string): Promise<InitramfsEntry> {
  const file = join(directory, program);
  try {
    return { kind: 'file', path, content: await readFile(file), executable: true };
  } catch (error) {
    if (systemErrorCode(error) !== 'ENOENT') throw error;
    throw unavailable(`${file} does not exist`, { hint: 'Build it with: make -C native', cause: error });
  }
}

/** modules/order says in which order they are loaded, one name a line. */
async function moduleEntries(kernel: Kernel): Promise<InitramfsEntry[]> {
  const names = kernel.modules.map((path) => path.slice(path.lastIndexOf('/') + 1));
  const contents = await Promise.all(kernel.modules.map((path) => readFile(path)));
  return [
    { kind: 'folder', path: 'modules' },
    { kind: 'file', path: 'modules/order', content: Buffer.from(names.map((name) => `${name}\n`).join('')) },
    ...contents.map((content, index): InitramfsEntry => {
      return { kind: 'file', path: `modules/${names[index]}`, content };
    }),
  ];
}

async function isWhole(path: string, length: number): Promise<boolean> {
  return stat(path).then(
    ({ size }) => size === length,
    () => false,
  );
}
