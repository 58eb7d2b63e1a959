import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { extract, type Header, pack } from 'tar-stream';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { BuildContext } from './context.ts';

describe('a build context', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'berth-context-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  type Member = Partial<Header> & { content?: string | Buffer };
  const receive = async (members: Record<string, Member>, signal = new AbortController().signal) => {
    const archive = pack();
    for (const [name, { content, ...header }] of Object.entries(members)) {
      if (content === undefined) archive.entry({ name, ...header });
      else archive.entry({ name, ...header }, content);
    }
    archive.finalize();
    return BuildContext.receive(Readable.from(archive, { objectMode: false }), join(folder, 'spool'), signal);
  };

  test('holds every content, small and large, and gives it back as a tar', async () => {
    const large = Buffer.alloc(3 * 1024 * 1024 + 17, 'large ');
    const small = Object.fromEntries(
      Array.from({ length: 3000 }, (_, at) => [`s/${at}`, { content: `small ${at}` }]),
    );
    await using context = await receive({ ...small, 'z/large': { content: large }, empty: { content: '' } });
    expect(await readdir(folder)).toEqual([]); // nothing to leave behind, even when the process is killed
    const placements = context.below('').map((entry) => ({ entry, name: `to/${entry.path}` }));
    const archive = extract();
    archive.end(await buffer(context.tar(placements, undefined)));
    const found = new Map<string, Buffer>();
    for await (const member of archive) found.set(member.header.name, await buffer(Readable.from(member)));
    expect(found.get('to/s/2999')?.toString()).toBe('small 2999');
    expect(found.get('to/z/large')?.equals(large)).toBe(true);
    expect(found.get('to/empty')?.length).toBe(0);
    expect(found.size).toBe(3004); // with the folders s and z, which the tar had no entries for
  });

  test('follows symlinks inside, in the middle of a path too, and never out', async () => {
    await using context = await receive({
      'a/b/file': { content: 'x' },
      short: { type: 'symlink', linkname: 'a/b' },
      'a/up': { type: 'symlink', linkname: '../short/file' },
      absolute: { type: 'symlink', linkname: '/a/b' },
      out: { type: 'symlink', linkname: '../../../etc/passwd' },
      loop: { type: 'symlink', linkname: 'loop' },
    });
    expect(context.follow('short/file')?.path).toBe('a/b/file');
    expect(context.follow('a/up')?.path).toBe('a/b/file');
    expect(context.follow('absolute/file')?.path).toBe('a/b/file');
    expect(context.follow('out')).toBeUndefined();
    expect(context.follow('loop')).toBeUndefined();
    expect(context.follow('a/b/file/more')).toBeUndefined();
  });

  test.each<[string, Record<string, Member>, string]>([
    ['an entry that leads out', { '../out': { content: '' } }, 'leads out of the build context: ../out'],
    [
      'a hard link to nothing',
      { twin: { type: 'link', linkname: 'none' } },
      'comes before what it links to: none',
    ],
    ['a named pipe', { pipe: { type: 'fifo' } }, 'named pipes in build contexts are not there yet: pipe'],
  ])('with %s is refused', async (_, members, message) => {
    await expect(receive(members)).rejects.toThrow(message);
    expect(await readdir(folder)).toEqual([]);
  });

  test('may lack the end of its last block, as the docker CLI sends it, but no content', async () => {
    const archive = pack();
    archive.entry({ name: 'f' }, 'content');
    archive.finalize();
    const tar = await buffer(Readable.from(archive));
    const receivePart = (length: number) =>
      BuildContext.receive(
        Readable.from([tar.subarray(0, length)]),
        join(folder, 'spool'),
        new AbortController().signal,
      );
    await using context = await receivePart(512 + 'content'.length);
    expect(context.get('f')?.size).toBe(7);
    for (const length of [512 + 3, 512, 100]) {
      await expect(receivePart(length)).rejects.toMatchObject({ kind: 'invalid' });
    }
  });

  test('is not waited for when the build is cancelled', async () => {
    const stop = new AbortController();
    const receiving = BuildContext.receive(new Readable({ read() {} }), join(folder, 'spool'), stop.signal);
    stop.abort(new Error('stopped'));
    await expect(receiving).rejects.toThrow('stopped');
    expect(await readdir(folder)).toEqual([]);
  });
});
