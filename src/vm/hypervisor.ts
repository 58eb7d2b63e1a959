import { access, realpath, stat } from 'node:fs/promises';
import { delimiter, dirname, join, normalize } from 'node:path';
import { KeyedLock, run, runChecked, systemErrorCode, unavailable } from '../base/index.ts';
import { type Architecture, hostArchitecture } from './architecture.ts';
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

/** Finds QEMU's program for an architecture, and asks it about itself once for as long as it stays the same. */
export class Hypervisors {
  readonly #searchPath: string;
  readonly #plugin: string | undefined;
  readonly #lock = new KeyedLock();
  readonly #known = new Map<string, Hypervisor>();

  /** `searchPath` as in PATH; `plugin` is {@link Hypervisor.plugin} on the host. */
  constructor(searchPath: string, plugin?: string) {
    this.#searchPath = searchPath;
    this.#plugin = plugin;
  }

  /** Throws `unavailable` when QEMU is not installed or cannot be executed, with the way out. */
  async find(architecture: Architecture = hostArchitecture(), signal?: AbortSignal): Promise<Hypervisor> {
    const path = await findProgram(this.#searchPath, architecture);
    await requireProgram({ path, need: needOf(architecture), install: installOf(architecture) });
    const identity = await identityOf(path);
    return this.#lock.run(path, async () => {
      const known = this.#known.get(path);
      if (known?.identity === identity) return known;
      const [answers, plugin] = await Promise.all([
        ask(path, signal),
        takenPlugin(path, this.#plugin, signal),
      ]);
      const hypervisor = { path, identity, ...answers, plugin };
      this.#known.set(path, hypervisor);
      return hypervisor;
    });
  }
}

async function findProgram(searchPath: string, architecture: Architecture): Promise<string> {
  const { program } = architecture.emulator;
  for (const folder of searchPath.split(delimiter)) {
    if (await isThere(join(folder, program))) return realpath(join(folder, program));
  }
  throw unavailable(`${needOf(architecture)}: ${program} is not installed`, {
    hint: installOf(architecture),
  });
}

/** Who has only machines of the host's own architecture need not read of others. */
function needOf({ name }: Architecture): string {
  return `virtual machines${name === hostArchitecture().name ? '' : ` for ${name}`} need QEMU`;
}

function installOf({ emulator }: Architecture): string {
  return `Install it: apt-get install --no-install-recommends ${emulator.package}`;
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
