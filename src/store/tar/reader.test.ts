import { link, mkdir, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { runChecked } from '../../base/index.ts';
import { temporaryFolder } from '../testing/images.ts';
import type { TarEntry } from './entry.ts';
import { TarReader } from './reader.ts';

interface ReadEntry {
  readonly entry: TarEntry;
  content: Buffer;
}

function read(tar: Buffer, chunkSize = tar.length): ReadEntry[] {
  const entries: ReadEntry[] = [];
  const append = (chunk: Buffer) => {
    const last = entries.at(-1);
    if (last !== undefined) last.content = Buffer.concat([last.content, chunk]);
  };
  const reader = new TarReader({
    entry: (entry) => entries.push({ entry, content: Buffer.alloc(0) }),
    data: append,
    hole: (length) => append(Buffer.alloc(length)),
  });
  for (let at = 0; at < tar.length; at += chunkSize) reader.push(tar.subarray(at, at + chunkSize));
  reader.end();
  return entries;
}

/** A header block with a right checksum; fields by offset. */
function header(fields: Record<number, string | Buffer>): Buffer {
  const block = Buffer.alloc(512);
  const defaults = {
    100: '0000644\0',
    108: '0000000\0',
    116: '0000000\0',
    124: '00000000000\0',
    136: '00000000000\0',
  };
  for (const [at, value] of Object.entries({ ...defaults, ...fields }))
    Buffer.from(value).copy(block, Number(at));
  block.fill(' ', 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

const END = Buffer.alloc(1024);

function pax(records: Record<string, string>, type = 'x'): Buffer {
  const text = Object.entries(records).map(([key, value]) => {
    const rest = ` ${key}=${value}\n`;
    const length = [1, 2, 3]
      .map((digits) => rest.length + digits)
      .find((n) => `${n}`.length === n - rest.length);
    return `${length}${rest}`;
  });
  const data = Buffer.from(text.join(''));
  const size = `${data.length.toString(8).padStart(11, '0')}\0`;
  return Buffer.concat([header({ 0: 'pax', 124: size, 156: type }), data, Buffer.alloc(-data.length & 511)]);
}

describe('archives of GNU tar', () => {
  test.each(['v7', 'ustar', 'oldgnu', 'gnu', 'posix'])(
    'of the format %s are read whole, however they arrive',
    async (format) => {
      await using folder = await temporaryFolder();
      const long = format === 'v7' || format === 'ustar' ? 'short' : `${'long/'.repeat(40)}name`;
      await mkdir(join(folder.path, long), { recursive: true });
      await writeFile(join(folder.path, long, 'file'), 'content');
      await link(join(folder.path, long, 'file'), join(folder.path, 'zlink'));
      await symlink(`${long}/file`, join(folder.path, 'symlink'));
      await writeFile(join(folder.path, 'empty'), '');
      await utimes(join(folder.path, 'empty'), 1234567, 1234567);
      const arguments_ = ['--create', `--format=${format}`, '--sort=name', `--directory=${folder.path}`, '.'];
      const { stdout } = await runChecked('tar', arguments_);
      const whole = read(stdout);
      expect(read(stdout, 1)).toEqual(whole);
      const byName = new Map(
        whole.map(({ entry, content }) => [entry.name, { ...entry, content: content.toString() }]),
      );
      expect(byName.get('./empty')).toMatchObject({
        type: 'file',
        size: 0,
        mtime: { seconds: 1234567, nanoseconds: 0 },
      });
      expect(byName.get(`./${long}/file`)).toMatchObject({ type: 'file', content: 'content', mode: 0o644 });
      expect(byName.get('./symlink')).toMatchObject({ type: 'symlink', target: `${long}/file` });
      expect(byName.get('./zlink')).toMatchObject({ type: 'hardlink', target: `./${long}/file` });
    },
  );

  test.each([
    ['gnu', []],
    ['posix', ['--sparse-version=0.0']],
    ['posix', ['--sparse-version=0.1']],
    ['posix', ['--sparse-version=1.0']],
  ])('with many holes, in the format %s %j', async (format, options) => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'sparse');
    const content = Buffer.alloc(8_000_000);
    for (let i = 0; i < 60; i += 1) content.fill(i + 1, i * 131_072, i * 131_072 + 4096);
    await writeFile(path, content);
    await runChecked('fallocate', ['--dig-holes', path]);
    const arguments_ = [
      '--create',
      '--sparse',
      `--format=${format}`,
      ...options,
      `--directory=${folder.path}`,
      'sparse',
    ];
    const { stdout } = await runChecked('tar', arguments_);
    expect(stdout.length).toBeLessThan(1_000_000);
    const [sparse] = read(stdout, 1000);
    expect(sparse?.entry).toMatchObject({ name: 'sparse', size: content.length });
    expect(sparse?.content.equals(content)).toBe(true);
  });
});

describe('headers', () => {
  const cases: [string, Buffer, object][] = [
    ['numbers in base 256', header({ 0: 'a', 108: Buffer.from('8000000000011170', 'hex') }), { uid: 70_000 }],
    [
      'times before 1970',
      header({ 0: 'a', 136: Buffer.from('ffffffffffffffffffffffff', 'hex') }),
      { mtime: { seconds: -1, nanoseconds: 0 } },
    ],
    ['numbers that begin with blanks', header({ 0: 'a', 108: '   123 \0' }), { uid: 0o123 }],
    ['old folders, that only end in a slash', header({ 0: 'a/' }), { type: 'directory' }],
    [
      'names in two parts',
      header({ 0: 'name', 257: 'ustar\x0000', 345: 'some/prefix' }),
      { name: 'some/prefix/name' },
    ],
    [
      "star's shorter prefix",
      header({ 0: 'n', 257: 'ustar\x0000', 345: 'p', 476: '0000000001\0', 508: 'tar\0' }),
      { name: 'p/n' },
    ],
    [
      'global records',
      Buffer.concat([pax({ mtime: '7.25' }, 'g'), header({ 0: 'a' })]),
      { mtime: { seconds: 7, nanoseconds: 250_000_000 } },
    ],
    [
      "a file's own records before global ones",
      Buffer.concat([pax({ uid: '1' }, 'g'), pax({ uid: '2' }), header({ 0: 'a' })]),
      { uid: 2 },
    ],
    ['names with any bytes', header({ 0: Buffer.from([0x61, 0xff, 0x80]) }), { name: 'a\xff\x80' }],
    [
      'times with more than nine digits',
      Buffer.concat([pax({ mtime: '1.1234567899' }), header({ 0: 'a' })]),
      { mtime: { seconds: 1, nanoseconds: 123_456_789 } },
    ],
  ];
  test.each(cases)('may have %s', (_, blocks, expected) => {
    expect(read(Buffer.concat([blocks, END])).at(-1)?.entry).toMatchObject(expected);
  });

  const broken: [string, Buffer, RegExp][] = [
    [
      'endless global records',
      Buffer.concat(Array.from({ length: 100 }, () => pax({ comment: 'x'.repeat(900) }, 'g'))),
      /global PAX headers of more than/,
    ],
    ['a wrong checksum', Buffer.concat([header({ 0: 'a' }).fill('x', 50, 51), END]), /checksum is wrong/],
    [
      'letters for digits',
      Buffer.concat([header({ 0: 'a', 124: 'zzzzzzzzzzz\0' }), END]),
      /has the number "zzz/,
    ],
    ['an unknown type', Buffer.concat([header({ 0: 'a', 156: 'M' }), END]), /entry "a": the entry type "M"/],
    [
      'huge records',
      Buffer.concat([header({ 0: 'a', 124: '77777777777\0', 156: 'x' }), END]),
      /extended header of \d+ bytes/,
    ],
    [
      'malformed records',
      Buffer.concat([pax({ a: 'b' }).fill('9', 512, 513), header({ 0: 'a' }), END]),
      /malformed PAX/,
    ],
    [
      'a size that is no number',
      Buffer.concat([pax({ size: 'x' }), header({ 0: 'a' }), END]),
      /has size="x"/,
    ],
    [
      'a lone block of zeros',
      Buffer.concat([header({ 0: 'a' }), Buffer.alloc(512), header({ 0: 'b' })]),
      /lone block of zeros/,
    ],
    ['records for nothing', Buffer.concat([pax({ path: 'x' })]), /truncated/],
    [
      'a sparse map out of order',
      Buffer.concat([
        pax({ 'GNU.sparse.size': '9', 'GNU.sparse.map': '5,1,2,1' }),
        header({ 0: 'a', 124: '00000000002\0' }),
        END,
      ]),
      /out of order/,
    ],
    [
      'a sparse map for more than there is',
      Buffer.concat([
        pax({ 'GNU.sparse.size': '9', 'GNU.sparse.map': '0,5' }),
        header({ 0: 'a', 124: '00000000002\0' }),
        END,
      ]),
      /map of 5 bytes for 2/,
    ],
  ];
  test.each(broken)('are refused with %s', (_, tar, message) => {
    expect(() => read(tar)).toThrow(message);
  });
});
