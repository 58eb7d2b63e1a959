import type { PathFacts } from '../../engine/index.ts';
import type { FileStat } from '../../runtime/index.ts';

/** X-Docker-Container-Path-Stat: base64 of JSON (Engine API, ContainerArchiveInfo). */
export function pathStatHeader({ name, stat, linkTarget }: PathFacts): string {
  const { size, mtime } = stat;
  return Buffer.from(JSON.stringify({ name, size, mode: goMode(stat), mtime, linkTarget })).toString(
    'base64',
  );
}

/** The bits of Go's fs.FileMode above the permissions. */
const TYPE_BITS: Readonly<Record<FileStat['type'], number>> = {
  file: 0,
  directory: 2 ** 31,
  symlink: 2 ** 27,
  block: 2 ** 26,
  character: 2 ** 26 + 2 ** 21,
  fifo: 2 ** 25,
  socket: 2 ** 24,
};

/** A mode as Go's fs.FileMode, which is what the API has. */
export function goMode({ type, mode }: Pick<FileStat, 'type' | 'mode'>): number {
  const setuid = mode & 0o4000 ? 2 ** 23 : 0;
  const setgid = mode & 0o2000 ? 2 ** 22 : 0;
  const sticky = mode & 0o1000 ? 2 ** 20 : 0;
  return TYPE_BITS[type] + setuid + setgid + sticky + (mode & 0o777);
}
