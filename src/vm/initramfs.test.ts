import { expect, test } from 'vitest';
import { writeInitramfs } from './initramfs.ts';

/** The members of an archive, as the kernel reads it. */
function membersOf(archive: Buffer) {
  const members = [];
  const aligned = (at: number) => (at + 3) & ~3;
  for (let at = 0; ; ) {
    const head = archive.toString('latin1', at, at + 110);
    expect(head.slice(0, 6)).toBe('070701');
    const numbers = Array.from({ length: 13 }, (_, index) =>
      Number.parseInt(head.slice(6 + 8 * index, 14 + 8 * index), 16),
    );
    const [, mode = 0, uid, gid, , time, size = 0, , , major, minor, nameSize = 0] = numbers;
    const path = archive.toString('latin1', at + 110, at + 110 + nameSize - 1);
    const start = aligned(at + 110 + nameSize);
    if (path === 'TRAILER!!!') return { members, rest: archive.length - aligned(start + size) };
    const content = archive.toString('latin1', start, start + size);
    members.push({ path, mode: mode.toString(8), owner: [uid, gid], time, device: [major, minor], content });
    at = aligned(start + size);
  }
}

test('an archive holds folders, files, programs and devices as they were given, of root and of the epoch', () => {
  const archive = writeInitramfs([
    { kind: 'folder', path: 'dev' },
    { kind: 'device', path: 'dev/console', major: 5, minor: 1 },
    { kind: 'file', path: 'init', content: Buffer.from('a program'), executable: true },
    { kind: 'file', path: 'empty', content: Buffer.alloc(0) },
  ]);
  const common = { owner: [0, 0], time: 0, device: [0, 0], content: '' };
  expect(membersOf(archive)).toEqual({
    members: [
      { ...common, path: 'dev', mode: '40755' },
      { ...common, path: 'dev/console', mode: '20600', device: [5, 1] },
      { ...common, path: 'init', mode: '100755', content: 'a program' },
      { ...common, path: 'empty', mode: '100644' },
    ],
    rest: 0,
  });
});

test('the same entries give the same bytes', () => {
  const entries = [{ kind: 'file', path: 'x', content: Buffer.from('abc') }] as const;
  expect(writeInitramfs(entries)).toEqual(writeInitramfs(entries));
});
