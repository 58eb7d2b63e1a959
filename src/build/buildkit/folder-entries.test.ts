import { create } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { FolderEntries } from './folder-entries.ts';
import { StatSchema } from './protocol/fsutil_pb.ts';

const [FOLDER, SYMLINK, PIPE, SETUID, STICKY] = [2 ** 31, 2 ** 27, 2 ** 25, 2 ** 23, 2 ** 20];

function entries(
  ...stats: { path: string; mode?: number; linkname?: string; size?: bigint; modTime?: bigint }[]
) {
  const folder = new FolderEntries();
  for (const stat of stats) folder.add(create(StatSchema, { mode: 0o644, ...stat }));
  return folder;
}

test("Go's modes become Unix's, and times milliseconds", () => {
  const { entries: found } = entries(
    { path: 'd', mode: FOLDER + STICKY + 0o777 },
    { path: 'd/s', mode: SETUID + 0o755, size: 5n, modTime: 1_600_000_000_123_456_789n },
    { path: 'l', mode: SYMLINK + 0o777, linkname: '../out' },
  );
  expect(found).toMatchObject([
    { path: 'd', type: 'directory', mode: 0o1777 },
    { path: 'd/s', type: 'file', mode: 0o4755, size: 5, mtime: new Date(1_600_000_000_123) },
    { path: 'l', type: 'symlink', linkTarget: '../out' },
  ]);
});

test('files have the numbers of the protocol, which counts everything', () => {
  const { numbers, hardLinks } = entries(
    { path: 'a', mode: FOLDER },
    { path: 'a/f' },
    { path: 'g', linkname: 'a/f' },
    { path: 'h', linkname: 'g' },
    { path: 'i' },
  );
  expect([...numbers]).toEqual([
    ['a/f', 1],
    ['i', 4],
  ]);
  expect([...hardLinks]).toEqual([
    ['g', 'a/f'],
    ['h', 'a/f'],
  ]);
});

test.each(['', '/f', '../f', 'a/../f', './f', 'f/', 'a//f', 'f\0'])('%j is no path of a folder', (path) => {
  expect(() => entries({ path: 'a', mode: FOLDER }, { path })).toThrow(
    'a path that is not inside its folder',
  );
});

test('a named pipe is refused by name', () => {
  expect(() => entries({ path: 'p', mode: PIPE })).toThrow(
    'named pipes in build contexts are not there yet: p',
  );
});
