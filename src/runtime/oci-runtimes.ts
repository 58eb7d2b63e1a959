import { access, constants, readFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { invalid, run } from '../base/index.ts';

/** An OCI runtime on this host. */
export interface OciRuntime {
  /** As in `--runtime`. */
  readonly name: string;
  /** Absolute. */
  readonly path: string;
  /** Global arguments before the command. */
  readonly args: readonly string[];
  /** As it reports itself, like "1.8.1". */
  readonly version: string;
}

export interface OciRuntimes {
  readonly available: ReadonlyMap<string, OciRuntime>;
  /** crun where it works, else runc; undefined where there is neither. */
  readonly preferred: OciRuntime | undefined;
  readonly warnings: readonly string[];
}

/** A runtime as daemon.json's "runtimes" names it. */
export interface ConfiguredRuntime {
  readonly path: string;
  readonly args?: readonly string[];
}

const KNOWN_RUNTIMES = ['crun', 'runc', 'runsc', 'youki'];

/** Folders that a user's PATH often lacks. */
const SYSTEM_FOLDERS = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

/**
 * Finds the OCI runtimes of this host, the configured ones first. Starts each once, for its version, but no
 * container. A configured one that does not answer is left out with a warning.
 */
export async function findOciRuntimes(
  configured: Readonly<Record<string, ConfiguredRuntime>> = {},
): Promise<OciRuntimes> {
  const warnings: string[] = [];
  const available = new Map<string, OciRuntime>();
  const candidates = {
    ...Object.fromEntries(KNOWN_RUNTIMES.map((name) => [name, { path: name }])),
    ...configured,
  };
  await Promise.all(
    Object.entries(candidates).map(async ([name, { path, args = [] }]: [string, ConfiguredRuntime]) => {
      const found = await findProgram(path);
      const version = found === undefined ? undefined : await runtimeVersion(found);
      if (found !== undefined && version !== undefined)
        available.set(name, { name, path: found, args, version });
      else if (name in configured)
        warnings.push(`the runtime ${name} (${path}) does not answer: it is left out`);
    }),
  );
  const crun = available.get('crun');
  const refusal = crun === undefined ? undefined : await crunRefusal();
  if (refusal !== undefined) {
    available.delete('crun');
    warnings.push(refusal);
  }
  return { available, preferred: available.get('crun') ?? available.get('runc'), warnings };
}

/** The runtime that a user named, or the preferred one. Throws `invalid` in Docker's words. */
export function requireRuntime(runtimes: OciRuntimes, name: string | undefined): OciRuntime {
  const runtime = name === undefined || name === '' ? runtimes.preferred : runtimes.available.get(name);
  if (runtime !== undefined) return runtime;
  if (name) {
    throw invalid(`unknown or invalid runtime name: ${name}`, {
      hint: `This host has ${[...runtimes.available.keys(), 'vm'].sort().join(', ')}`,
    });
  }
  throw invalid('no OCI runtime is installed', { hint: 'Install crun or runc' });
}

/**
 * crun refuses hosts that mix cgroups v1 and v2 while v2 has controllers (its libcrun_get_cgroup_mode); undefined: it works.
 */
async function crunRefusal(): Promise<string | undefined> {
  const controllers = await readFile('/sys/fs/cgroup/unified/cgroup.controllers', 'utf8').catch(() => '');
  if (controllers.trim() === '') return undefined;
  return (
    `crun does not work here, because cgroups v1 and v2 are mixed and v2 has the controllers ${controllers.trim()}: ` +
    'runc is used. Mount these controllers as cgroup v1 below /sys/fs/cgroup to use crun'
  );
}

async function findProgram(name: string): Promise<string | undefined> {
  if (name.startsWith('/')) return isExecutable(name).then((is) => (is ? name : undefined));
  for (const folder of [...(process.env.PATH ?? '').split(delimiter), ...SYSTEM_FOLDERS]) {
    if (folder.startsWith('/') && (await isExecutable(join(folder, name)))) return join(folder, name);
  }
  return undefined;
}

async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

/** Every runtime's first line is "NAME version VERSION". */
async function runtimeVersion(path: string): Promise<string | undefined> {
  const result = await run(path, ['--version']).catch(() => undefined);
  if (result?.code !== 0) return undefined;
  return /version:? (\S+)/.exec(result.stdout.toString())?.[1] ?? 'unknown';
}
