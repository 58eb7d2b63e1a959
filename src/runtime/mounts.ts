import { invalid } from '../base/index.ts';
import type { OciMount } from './oci-types.ts';

export type Propagation = 'private' | 'rprivate' | 'shared' | 'rshared' | 'slave' | 'rslave';

/** One mount that the user or the engine asks for. Sources are absolute host paths. */
export type MountInput =
  | {
      readonly kind: 'bind' | 'volume';
      readonly source: string;
      readonly destination: string;
      readonly readOnly: boolean;
      /** Default rprivate. */
      readonly propagation?: Propagation;
      /** False: without the mounts below the source. Default true. */
      readonly recursive?: boolean;
      /** Whether a read-only mount is read-only in its submounts too. Default true. */
      readonly recursiveReadOnly?: boolean;
    }
  | {
      readonly kind: 'tmpfs';
      readonly destination: string;
      /** As after `--tmpfs /path:`: "size=64m", "mode=1777", "exec", … */
      readonly options: readonly string[];
    };

export interface MountsInput {
  readonly mounts: readonly MountInput[];
  /** A host folder that becomes /dev/shm; undefined: there is none. */
  readonly shm: string | undefined;
  readonly readOnlyRoot: boolean;
  readonly privileged: boolean;
}

/** Docker's default mounts (moby, daemon/pkg/oci/defaults.go). */
const DEFAULT_MOUNTS: readonly OciMount[] = [
  { destination: '/proc', type: 'proc', source: 'proc', options: ['nosuid', 'noexec', 'nodev'] },
  {
    destination: '/dev',
    type: 'tmpfs',
    source: 'tmpfs',
    options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'],
  },
  {
    destination: '/dev/pts',
    type: 'devpts',
    source: 'devpts',
    options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5'],
  },
  { destination: '/sys', type: 'sysfs', source: 'sysfs', options: ['nosuid', 'noexec', 'nodev', 'ro'] },
  {
    destination: '/sys/fs/cgroup',
    type: 'cgroup',
    source: 'cgroup',
    options: ['ro', 'nosuid', 'noexec', 'nodev'],
  },
  { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: ['nosuid', 'noexec', 'nodev'] },
];

/** Those stay writable when the root is read-only. */
const ALWAYS_WRITABLE = ['/proc', '/dev', '/dev/pts', '/dev/shm', '/dev/mqueue'];

/**
 * All mounts in the order in which they are made: defaults, then the user's by depth. A user's mount replaces a
 * default one at the same place; one at /dev replaces all below it.
 */
export function containerMounts(input: MountsInput): OciMount[] {
  const wanted = sortByDepth(input.mounts);
  const destinations = new Set(wanted.map((mount) => mount.destination));
  const defaults = [...DEFAULT_MOUNTS, ...shmMount(input.shm)]
    .filter(({ destination }) => !destinations.has(destination))
    .filter(({ destination }) => !(destinations.has('/dev') && destination.startsWith('/dev/')))
    .map((mount) => (input.privileged ? writableWhenPrivileged(mount) : mount))
    .map((mount) => (input.readOnlyRoot ? readOnlyWithRoot(mount) : mount));
  return [...defaults, ...wanted.map(userMount)];
}

/** The propagation that the root needs so that shared and slave mounts below it work; undefined: the default. */
export function rootPropagation(mounts: readonly MountInput[]): 'shared' | 'rslave' | undefined {
  const used = mounts.map((mount) => (mount.kind === 'tmpfs' ? undefined : mount.propagation));
  if (used.some((one) => one === 'shared' || one === 'rshared')) return 'shared';
  if (used.some((one) => one === 'slave' || one === 'rslave')) return 'rslave';
  return undefined;
}

function shmMount(source: string | undefined): OciMount[] {
  if (source === undefined) return [];
  return [{ destination: '/dev/shm', type: 'bind', source, options: ['bind', 'nosuid', 'noexec', 'nodev'] }];
}

function writableWhenPrivileged(mount: OciMount): OciMount {
  if (mount.type !== 'sysfs' && mount.type !== 'cgroup') return mount;
  return { ...mount, options: mount.options.filter((option) => option !== 'ro') };
}

function readOnlyWithRoot(mount: OciMount): OciMount {
  if (ALWAYS_WRITABLE.includes(mount.destination) || mount.options.includes('ro')) return mount;
  return { ...mount, options: [...mount.options, 'ro'] };
}

function userMount(mount: MountInput): OciMount {
  if (mount.kind === 'tmpfs') {
    return {
      destination: mount.destination,
      type: 'tmpfs',
      source: 'tmpfs',
      options: tmpfsOptions(mount.options),
    };
  }
  const { recursive = true, recursiveReadOnly = true, propagation = 'rprivate' } = mount;
  const readOnly = recursive && recursiveReadOnly ? 'rro' : 'ro';
  return {
    destination: mount.destination,
    type: 'bind',
    source: mount.source,
    options: [
      recursive ? 'rbind' : 'bind',
      ...(mount.readOnly ? [readOnly] : []),
      // Of one mount alone both words mean the same, but crun 1.8 takes the "r" as a wish for all that is below.
      recursive ? propagation : propagation.replace(/^r/, ''),
    ],
  };
}

/** Parents before children, otherwise the order given. */
function sortByDepth(mounts: readonly MountInput[]): MountInput[] {
  const depth = ({ destination }: MountInput) => destination.split('/').filter((part) => part !== '').length;
  return mounts.toSorted((a, b) => depth(a) - depth(b));
}

/** Options that undo each other, by what they are about. */
const TMPFS_FLAGS: Readonly<Record<string, string>> = {
  ro: 'write',
  rw: 'write',
  exec: 'exec',
  noexec: 'exec',
  suid: 'suid',
  nosuid: 'suid',
  dev: 'dev',
  nodev: 'dev',
  sync: 'sync',
  async: 'sync',
  dirsync: 'dirsync',
  atime: 'atime',
  noatime: 'atime',
  relatime: 'atime',
  norelatime: 'atime',
  strictatime: 'atime',
  nostrictatime: 'atime',
  diratime: 'diratime',
  nodiratime: 'diratime',
  private: 'propagation',
  rprivate: 'propagation',
  shared: 'propagation',
  rshared: 'propagation',
  slave: 'propagation',
  rslave: 'propagation',
};

const TMPFS_VALUES = ['size', 'mode', 'uid', 'gid', 'nr_inodes', 'nr_blocks', 'mpol'];

/** Throws `invalid` for what is no option of a tmpfs. */
export function checkTmpfsOptions(options: readonly string[]): void {
  tmpfsOptions(options);
}

/** Docker's defaults for a tmpfs and the user's options, of which the last word on a subject counts. */
function tmpfsOptions(options: readonly string[]): string[] {
  const bySubject = new Map<string, string>();
  for (const option of ['noexec', 'nosuid', 'nodev', 'rprivate', ...options]) {
    if (option === 'defaults' || option === '') continue;
    const [name = ''] = option.split('=', 1);
    const subject = option.includes('=') && TMPFS_VALUES.includes(name) ? name : TMPFS_FLAGS[option];
    if (subject === undefined) {
      throw invalid(`invalid tmpfs option "${option}"`, {
        hint: `Values are ${TMPFS_VALUES.join(', ')}; flags are ${Object.keys(TMPFS_FLAGS).join(', ')}`,
      });
    }
    bySubject.set(subject, option);
  }
  return [...bySubject.values()];
}
