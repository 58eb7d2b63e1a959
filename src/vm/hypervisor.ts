import { access, realpath, stat } from 'node:fs/promises';
import { delimiter, dirname, join, normalize } from 'node:path';
import { KeyedLock, notImplemented, run, runChecked, systemErrorCode, unavailable } from '../base/index.ts';
import { requireProgram } from './host-program.ts';
import { bareMachine, pluginArguments } from './qemu-arguments.ts';
import type { VmFile } from './vm-plan.ts';

/** QEMU as it is installed here. */
export interface Hypervisor {
  readonly path: string;
  /** "7.2.22". */
  readonly version: string;
  /** Changes when the program is replaced. */
  readonly identity: string;
  /** All that it reads to run: program, libraries, modules and firmware; each has the same path in QEMU's root. */
  readonly files: readonly VmFile[];
  /** The plugin that gives an emulated machine's memory back when it rests (native/vm/plugin); undefined: it takes none. */
  readonly plugin: VmFile | undefined;
}

/** Where the plugin is in QEMU's root. */
const PLUGIN = '/berth/idle-memory.so';

/** The processors that berth has machines for. */
const programs: Partial<Record<NodeJS.Architecture, string>> = { x64: 'qemu-system-x86_64' };

const INSTALL = 'Install it: apt-get install --no-install-recommends qemu-system-x86';

/** Finds QEMU, and asks it about itself once for as long as the program stays the same. */
export class Hypervisors {
  readonly #searchPath: string;
  readonly #plugin: string | undefined;
  readonly #lock = new KeyedLock();
  #known: Hypervisor | undefined;

  /** `searchPath` as in PATH; `plugin` is {@link Hypervisor.plugin} on the host. */
  constructor(searchPath: string, plugin?: string) {
    this.#searchPath = searchPath;
    this.#plugin = plugin;
  }

  /** Throws `unavailable` when QEMU is not installed or cannot be executed, with the way out. */
  async find(signal?: AbortSignal): Promise<Hypervisor> {
    const path = await findProgram(this.#searchPath);
    await requireProgram({ path, need: 'virtual machines need QEMU', install: INSTALL });
    const identity = await identityOf(path);
    return this.#lock.run('ask', async () => {
      if (this.#known?.path === path && this.#known.identity === identity) return this.#known;
      const [answers, plugin] = await Promise.all([
        ask(path, signal),
        takenPlugin(path, this.#plugin, signal),
      ]);
      this.#known = { path, identity, ...answers, plugin };
      return this.#known;
    });
  }
}

async function findProgram(searchPath: string): Promise<string> {
  const name = programs[process.arch];
  if (name === undefined) {
    throw notImplemented(`berth has no virtual machines for ${process.arch} processors yet`);
  }
  for (const folder of searchPath.split(delimiter)) {
    if (await isThere(join(folder, name))) return realpath(join(folder, name));
  }
  throw unavailable(`virtual machines need QEMU: ${name} is not installed`, {
    hint: INSTALL,
  });
}

async function identityOf(path: string): Promise<string> {
  const { size, mtimeNs, ino } = await stat(path, { bigint: true });
  return `${ino}-${size}-${mtimeNs}`;
}

async function ask(path: string, signal?: AbortSignal): Promise<Pick<Hypervisor, 'version' | 'files'>> {
  const options = signal === undefined ? {} : { signal };
  const [about, libraries, firmware] = await Promise.all([
    runChecked(path, ['--version'], options),
    run('ldd', [path], options), // fails for a program without libraries
    runChecked(path, ['-L', 'help'], options),
  ]);
  const version = /version (\S+)/.exec(about.stdout.toString())?.[1];
  if (version === undefined) throw unavailable(`${path} does not say its version`);
  const folders = firmware.stdout.toString().trim().split('\n');
  return { version, files: await filesOf(path, librariesIn(libraries.stdout.toString()), folders) };
}

/**
 * Not every QEMU is built for plugins, or for those of this version. Whether this one is shows only where it loads the plugin:
 * it then ends at the first command.
 */
async function takenPlugin(
  path: string,
  plugin: string | undefined,
  signal?: AbortSignal,
): Promise<VmFile | undefined> {
  if (plugin === undefined) return undefined;
  const words = [
    '-M',
    'none',
    ...['-accel', 'tcg'],
    ...bareMachine,
    ...pluginArguments(plugin),
    '-qmp',
    'stdio',
  ];
  const input = ['qmp_capabilities', 'quit'].map((execute) => JSON.stringify({ execute })).join('\n');
  const { code } = await run(path, words, { input, ...(signal === undefined ? {} : { signal }) });
  return code === 0 ? { hostPath: plugin, name: PLUGIN } : undefined;
}

/** The files in what ldd(1) prints: "name => path (address)", or the loader's path alone. */
export function librariesIn(text: string): string[] {
  return [...text.matchAll(/^\s*(?:\S+ => )?(\/\S+) \(0x[0-9a-f]+\)$/gm)].map(([, path = '']) => path);
}

/** A program's own files and its libraries', each at the same path in its root. */
export async function filesOfProgram(program: string, signal?: AbortSignal): Promise<VmFile[]> {
  const { stdout } = await run('ldd', [program], signal === undefined ? {} : { signal }); // fails for one without libraries
  return [program, ...librariesIn(stdout.toString())].map((path) => ({ hostPath: path, name: path }));
}

async function filesOf(
  program: string,
  libraries: readonly string[],
  firmware: readonly string[],
): Promise<VmFile[]> {
  const libraryFolders = new Set(await Promise.all(libraries.map(async (path) => realpath(dirname(path)))));
  const modules = [...libraryFolders].map((folder) => join(folder, 'qemu'));
  const folders: string[] = [];
  for (const folder of [...modules, ...firmware.map(normalize)])
    if (await isThere(folder)) folders.push(folder);
  return [
    { hostPath: program, name: program },
    ...libraries.map((path) => ({ hostPath: path, name: path })),
    ...folders.map((path) => ({ hostPath: path, name: path })),
  ];
}

async function isThere(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT' || systemErrorCode(error) === 'ENOTDIR') return false;
    throw error;
  }
}
