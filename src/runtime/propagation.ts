import { readFile, realpath } from 'node:fs/promises';
import { invalid } from '../base/index.ts';
import type { MountInput } from './mounts.ts';

/**
 * Checks that the sources of shared mounts are shared on the host, and those of slave mounts shared or slave: otherwise
 * they would silently be private. Throws `invalid` in Docker's words.
 */
export async function requirePropagation(mounts: readonly MountInput[]): Promise<void> {
  const wanted = mounts.filter((mount) => mount.kind !== 'tmpfs' && needsHost(mount.propagation));
  if (wanted.length === 0) return;
  const mountinfo = await readFile('/proc/self/mountinfo', 'utf8');
  for (const mount of wanted) {
    if (mount.kind === 'tmpfs') continue;
    const source = await realpath(mount.source);
    const { path, isShared, isSlave } = mountOf(source, mountinfo);
    const wantsShared = mount.propagation === 'shared' || mount.propagation === 'rshared';
    if (isShared || (isSlave && !wantsShared)) continue;
    throw invalid(
      `path ${mount.source} is mounted on ${path} but it is not a shared${wantsShared ? '' : ' or slave'} mount`,
      { hint: `Make it one with "mount --make-rshared ${path}", or use another propagation` },
    );
  }
}

function needsHost(propagation: string | undefined): boolean {
  return propagation !== undefined && propagation !== 'private' && propagation !== 'rprivate';
}

interface HostMount {
  readonly path: string;
  readonly isShared: boolean;
  readonly isSlave: boolean;
}

/** The mount that a path is on, from the text of mountinfo (proc_pid_mountinfo(5)); of several at one place, the last. */
export function mountOf(path: string, mountinfo: string): HostMount {
  let found: HostMount = { path: '', isShared: false, isSlave: false };
  for (const line of mountinfo.split('\n')) {
    const [before = ''] = line.split(' - ', 1);
    const [, , , , escaped, , ...optional] = before.split(' ');
    if (escaped === undefined) continue;
    const mountPoint = unescapePath(escaped);
    const contains = mountPoint === '/' || path === mountPoint || path.startsWith(`${mountPoint}/`);
    if (!contains || mountPoint.length < found.path.length) continue;
    found = {
      path: mountPoint,
      isShared: optional.some((field) => field.startsWith('shared:')),
      isSlave: optional.some((field) => field.startsWith('master:')),
    };
  }
  return found;
}

/** Spaces, tabs, line ends and backslashes are written as three octal digits. */
function unescapePath(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}
