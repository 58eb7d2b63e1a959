import { mkdir, readdir, readFile, rmdir } from 'node:fs/promises';
import { invalid, run, systemErrorCode, unavailable } from '../base/index.ts';

/** A file system that is mounted on the host, for several containers to share. */
export interface HostMount {
  /** As mount(8) takes it: "tmpfs", "nfs", "none" with the option "bind". */
  readonly type: string;
  readonly source: string;
  /** As after `mount -o`; "" for none. */
  readonly options: string;
  /** An absolute path; the folder is made. */
  readonly target: string;
  /** What relative paths in the options start from. */
  readonly folder?: string;
}

/** Mounts it, unless something is mounted there already. Throws `invalid` with mount's own words when it cannot be. */
export async function mountOnHost({ type, source, options, target, folder }: HostMount): Promise<void> {
  if (await isMounted(target)) return;
  await mkdir(target, { recursive: true });
  const args = ['-t', type, ...(options === '' ? [] : ['-o', options]), '--', source, target];
  const { code, stderr } = await run('mount', args, folder === undefined ? {} : { cwd: folder });
  if (code !== 0) throw invalid(`${source} cannot be mounted: ${firstLine(stderr)}`);
}

/** Takes away what is mounted there, if anything is; what still uses it keeps it until it ends. */
export async function unmountFromHost(target: string): Promise<void> {
  if (!(await isMounted(target))) return;
  const { code, stderr } = await run('umount', ['--lazy', '--', target]);
  if (code !== 0) throw unavailable(`${target} cannot be unmounted: ${firstLine(stderr)}`);
}

/** As {@link unmountFromHost}, and the empty folder goes too. */
export async function removeHostMount(target: string): Promise<void> {
  await unmountFromHost(target);
  await rmdir(target).catch((error: unknown) => {
    if (systemErrorCode(error) !== 'ENOENT') throw error;
  });
}

/** Takes away every mount in a folder, and then the folder. */
export async function removeHostMounts(folder: string): Promise<void> {
  const names = await readdir(folder).catch((error: unknown) => {
    if (systemErrorCode(error) === 'ENOENT') return undefined;
    throw error;
  });
  if (names === undefined) return;
  for (const name of names) await removeHostMount(`${folder}/${name}`);
  await rmdir(folder);
}

async function isMounted(target: string): Promise<boolean> {
  const mountinfo = await readFile('/proc/self/mountinfo', 'utf8');
  // Blanks, tabs, line ends and backslashes in a path are written as octal digits (proc_pid_mountinfo(5)).
  const escaped = target.replace(
    /[ \t\n\\]/g,
    (letter) => `\\${letter.charCodeAt(0).toString(8).padStart(3, '0')}`,
  );
  return mountinfo.split('\n').some((line) => line.split(' ')[4] === escaped);
}

function firstLine(text: string): string {
  return text.trim().split('\n')[0] ?? '';
}
