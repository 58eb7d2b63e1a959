import { expect, test } from 'vitest';
import { containerMounts, rootPropagation } from './mounts.ts';

const input = { mounts: [], shm: '/run/shm', readOnlyRoot: false, privileged: false };
const places = (mounts: ReturnType<typeof containerMounts>) => mounts.map((mount) => mount.destination);
const bind = (destination: string) =>
  ({ kind: 'bind', source: '/src', destination, readOnly: false }) as const;

test('the defaults come first and in Docker’s order', () => {
  expect(places(containerMounts(input))).toEqual([
    '/proc',
    '/dev',
    '/dev/pts',
    '/sys',
    '/sys/fs/cgroup',
    '/dev/mqueue',
    '/dev/shm',
  ]);
  expect(places(containerMounts({ ...input, shm: undefined }))).not.toContain('/dev/shm');
});

test('a user’s mount replaces the default, and one at /dev all below it', () => {
  const mounts = containerMounts({ ...input, mounts: [bind('/dev'), bind('/sys')] });
  expect(places(mounts)).toEqual(['/proc', '/sys/fs/cgroup', '/dev', '/sys']);
});

test('parents are mounted before what is in them', () => {
  const mounts = containerMounts({
    ...input,
    mounts: [bind('/a/b/c'), bind('/a'), bind('/z'), bind('/a/b')],
  });
  expect(places(mounts).slice(-4)).toEqual(['/a', '/z', '/a/b', '/a/b/c']);
});

test('bind options follow from the wish', () => {
  const options = (wish: object) =>
    containerMounts({ ...input, mounts: [{ ...bind('/x'), ...wish }] }).at(-1)?.options;
  expect(options({})).toEqual(['rbind', 'rprivate']);
  expect(options({ readOnly: true, propagation: 'rslave' })).toEqual(['rbind', 'rro', 'rslave']);
  expect(options({ readOnly: true, recursiveReadOnly: false })).toEqual(['rbind', 'ro', 'rprivate']);
  expect(options({ readOnly: true, recursive: false })).toEqual(['bind', 'ro', 'private']);
});

test('a tmpfs is closed unless its options open it', () => {
  const options = (...list: string[]) =>
    containerMounts({ ...input, mounts: [{ kind: 'tmpfs', destination: '/t', options: list }] }).at(-1)
      ?.options;
  expect(options()).toEqual(['noexec', 'nosuid', 'nodev', 'rprivate']);
  expect(options('exec', 'size=1m', 'size=2m')).toEqual(['exec', 'nosuid', 'nodev', 'rprivate', 'size=2m']);
  expect(() => options('bogus=1')).toThrow('invalid tmpfs option "bogus=1"');
});

test('a read-only root makes the rest read-only but for /dev and /proc', () => {
  const mounts = containerMounts({ ...input, readOnlyRoot: true, mounts: [bind('/data')] });
  const readOnly = mounts.filter((mount) => mount.options.includes('ro')).map((mount) => mount.destination);
  expect(readOnly).toEqual(['/sys', '/sys/fs/cgroup']);
});

test('privileged containers may write to /sys and their cgroups', () => {
  const mounts = containerMounts({ ...input, privileged: true });
  expect(mounts.filter((mount) => mount.options.includes('ro'))).toEqual([]);
});

test('shared and slave mounts need a root that lets them through', () => {
  expect(rootPropagation([bind('/a')])).toBeUndefined();
  expect(rootPropagation([{ ...bind('/a'), propagation: 'rslave' }])).toBe('rslave');
  expect(
    rootPropagation([
      { ...bind('/a'), propagation: 'slave' },
      { ...bind('/b'), propagation: 'rshared' },
    ]),
  ).toBe('shared');
});
