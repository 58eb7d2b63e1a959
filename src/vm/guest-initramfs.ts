import { createHash } from 'node:crypto';
import { mkdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { unavailable, writeFileAtomic } from '../base/index.ts';
import { type Architecture, hostArchitecture } from './architecture.ts';
import { guestModules } from './guest-modules.ts';
import { type InitramfsEntry, writeInitramfs } from './initramfs.ts';
import { DEBIAN_PACKAGE, type Kernel } from './kernel.ts';

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

/** The initramfs of each kernel, kept by what it holds. Made again when the kernel or one of the programs is another one. */
export class GuestInitramfses {
  readonly #cache: string;
  readonly #nativeDirectory: string;
  readonly #made = new Map<string, GuestInitramfs>();

  /**
   * `cache` (<data root>/vm/initramfs) is made when it is needed; the programs come from `nativeDirectory`, those of another
   * architecture than the host's from its folder of the architecture's triple.
   */
  constructor(cache: string, nativeDirectory: string) {
    this.#cache = cache;
    this.#nativeDirectory = nativeDirectory;
  }

  /** Throws `unavailable` when berth's own programs are not built for the architecture, with what to do. */
  async for(kernel: Kernel, architecture = hostArchitecture()): Promise<GuestInitramfs> {
    const folder = await this.programs(architecture);
    const key = `${kernel.digest} ${await programTimes(folder)}`;
    const made = this.#made.get(key);
    if (made !== undefined && (await isThere(made.path))) return made;
    const initramfs = await this.#write(kernel, folder);
    this.#made.set(key, initramfs);
    return initramfs;
  }

  /** The folder of berth's programs inside guests. Throws as {@link for} does. */
  async programs(architecture: Architecture): Promise<string> {
    const isOwn = architecture.name === hostArchitecture().name;
    const folder = isOwn ? this.#nativeDirectory : join(this.#nativeDirectory, architecture.triple);
    for (const { program } of programs) {
      const file = join(folder, program);
      if (await isThere(file)) continue;
      const compiler = isOwn
        ? ''
        : `, which needs ${architecture.triple}-gcc: apt-get install --no-install-recommends ${architecture.compilerPackages}`;
      throw unavailable(`virtual machines for ${architecture.name} need ${file}, which does not exist`, {
        hint: `Build it with: make -C native${compiler}`,
      });
    }
    return folder;
  }

  async #write(kernel: Kernel, folder: string): Promise<GuestInitramfs> {
    const archive = writeInitramfs([
      { kind: 'folder', path: 'dev' },
      { kind: 'device', path: 'dev/console', major: 5, minor: 1 },
      ...(await Promise.all(programs.map(({ path, program }) => programEntry(path, join(folder, program))))),
      ...(await moduleEntries(kernel)),
    ]);
    const digest = createHash('sha256').update(archive).digest('hex');
    const path = join(this.#cache, `${digest}.cpio`);
    if (!(await isThere(path))) {
      await mkdir(this.#cache, { recursive: true, mode: 0o700 });
      await writeFileAtomic(path, archive);
    }
    return { path, digest };
  }
}

async function programTimes(folder: string): Promise<string> {
  const times = programs.map(async ({ program }) => {
    const found = await stat(join(folder, program), { bigint: true }).catch(() => undefined);
    return `${found?.ino} ${found?.mtimeNs}`;
  });
  return (await Promise.all(times)).join(' ');
}

async function programEntry(path: string, file: string): Promise<InitramfsEntry> {
  return { kind: 'file', path, content: await readFile(file), executable: true };
}

/** What PID 1 loads always is listed in modules/order, and what it loads when it is told so beside it; one name a line. */
async function moduleEntries(kernel: Kernel): Promise<InitramfsEntry[]> {
  const { modules, lists } = guestModules(
    await Promise.all(kernel.modules.map(async (path) => ({ path, data: await readFile(path) }))),
    // A user's own kernel may insist on signatures.
    { unsigned: kernel.origin === DEBIAN_PACKAGE },
  );
  return [
    { kind: 'folder', path: 'modules' },
    ...Object.entries(lists).map(([name, files]): InitramfsEntry => {
      return {
        kind: 'file',
        path: `modules/${name}`,
        content: Buffer.from(files.map((file) => `${file}\n`).join('')),
      };
    }),
    ...modules.map(({ name, data }): InitramfsEntry => {
      return { kind: 'file', path: `modules/${name}`, content: data };
    }),
  ];
}

async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
