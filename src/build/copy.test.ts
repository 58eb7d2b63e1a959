import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { pack } from 'tar-stream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Image } from '../store/index.ts';
import { type ContextFiles, missingForBuilds, TestBuilder } from './testing/test-builder.ts';

const missing = missingForBuilds();

describe.skipIf(missing !== undefined)(`COPY and ADD (${missing ?? 'root, crun and busybox'} needed)`, () => {
  let berth: TestBuilder;
  beforeAll(async () => {
    berth = await TestBuilder.create();
  });
  afterAll(() => berth[Symbol.asyncDispose]());

  const files: ContextFiles = {
    f: { content: 'file f', mode: 0o640 },
    g: 'file g',
    empty: '',
    'notes.txt': 'notes',
    folder: { type: 'directory', mode: 0o700 },
    'folder/a': 'a in folder',
    'folder/deep/b': { content: 'b in deep', mode: 0o755 },
    'folder/inner': { type: 'symlink', linkname: 'a' },
    link: { type: 'symlink', linkname: 'folder/a' },
    linked: { type: 'symlink', linkname: './folder/deep' },
    twin: { type: 'link', linkname: 'f' },
    'wei*rd': 'weird',
  };
  const build = async (lines: string) => (await berth.build(`FROM busybox\n${lines}\n`, { files })).image;
  const stat = (image: Image, path: string) => berth.inside(image, (root) => root.stat(path));
  const refusal = (lines: string, more: ContextFiles = {}) =>
    berth.build(`FROM busybox\n${lines}\n`, { files: { ...files, ...more } }).then(
      () => expect.fail('it was built'),
      (error: unknown) => error,
    );

  test('a file keeps its mode and time, and belongs to root', async () => {
    const image = await build('COPY f /x');
    expect(await stat(image, '/x')).toMatchObject({
      mode: 0o640,
      uid: 0,
      gid: 0,
      mtime: new Date(1_600_000_000_000),
    });
    expect(await berth.namesIn(image, -1)).toEqual(['x']);
  });

  test('a destination with a slash, an existing folder and "." are folders', async () => {
    const image = await build(
      'WORKDIR /w\nRUN mkdir /there; ln -s /there /alias\nCOPY f /new/\nCOPY f /there\nCOPY g /alias\nCOPY f g .',
    );
    for (const path of ['/new/f', '/there/f', '/there/g', '/w/f', '/w/g'])
      expect(await berth.read(image, path)).toMatch(/^file/);
    expect((await stat(image, '/alias'))?.type).toBe('symlink');
  });

  test('a folder gives its content, and a new destination the usual mode', async () => {
    const image = await build('RUN mkdir -m 711 /there\nCOPY folder /new\nCOPY folder /there');
    expect(await berth.read(image, '/new/deep/b')).toBe('b in deep');
    expect((await stat(image, '/new'))?.mode).toBe(0o755);
    expect((await stat(image, '/there'))?.mode).toBe(0o711);
    expect(await stat(image, '/new/inner')).toMatchObject({ type: 'symlink', linkTarget: 'a' });
    expect((await stat(image, '/new/deep/b'))?.mode).toBe(0o755);
  });

  test('a symlink named as a source is followed inside the context; a hard link is its file', async () => {
    const image = await build('COPY link /1\nCOPY linked /2/\nCOPY twin /3\nCOPY linked/b link /4/');
    expect(await stat(image, '/1')).toMatchObject({ type: 'file', size: 11 });
    expect(await berth.read(image, '/2/b')).toBe('b in deep');
    expect(await berth.read(image, '/3')).toBe('file f');
    expect(await berth.read(image, '/4/b')).toBe('b in deep');
    expect(await berth.read(image, '/4/link')).toBe('a in folder');
  });

  test('patterns are those of Go: *, ?, sets and escapes, never over a slash', async () => {
    const image = await build(
      'COPY *.txt /p/\nCOPY [f-g] /q/\nCOPY folder/?/ folder/d*/b /r/\nCOPY wei\\*rd /s',
    );
    expect(await berth.read(image, '/p/notes.txt')).toBe('notes');
    expect(await berth.read(image, '/q/g')).toBe('file g');
    expect(await berth.read(image, '/r/a')).toBe('a in folder');
    expect(await berth.read(image, '/s')).toBe('weird');
  });

  test('--chown takes names of the image and numbers, for new parents too; --chmod sets modes', async () => {
    const image = await build(
      'RUN mkdir -p /etc; echo "app:x:7:8::/:" >/etc/passwd; echo "www:x:9:" >/etc/group\n' +
        'COPY --chown=app f /a\nCOPY --chown=app:www folder /b/c\nCOPY --chown=3 f /d\nCOPY --chmod=4711 --chown=5:6 f empty /e/',
    );
    expect(await stat(image, '/a')).toMatchObject({ uid: 7, gid: 8 });
    expect(await stat(image, '/b')).toMatchObject({ uid: 7, gid: 9 });
    expect(await stat(image, '/b/c/deep/b')).toMatchObject({ uid: 7, gid: 9 });
    expect(await stat(image, '/d')).toMatchObject({ uid: 3, gid: 3 });
    expect(await stat(image, '/e/empty')).toMatchObject({ uid: 5, gid: 6, mode: 0o4711 });
  });

  test('the whole context can be copied', async () => {
    const image = await build('COPY . /all');
    expect(await berth.read(image, '/all/folder/deep/b')).toBe('b in deep');
    expect(await berth.read(image, '/all/Dockerfile')).toContain('COPY . /all');
  });

  test('a symlink in the image never leads out of it', async () => {
    const image = await build(
      'RUN mkdir /escape; ln -s ../../../../../escape /out\nCOPY f /out/x\nCOPY folder /out/y',
    );
    expect(await berth.read(image, '/escape/x')).toBe('file f');
    expect(await berth.read(image, '/escape/y/a')).toBe('a in folder');
  });

  test('--from takes files, folders, links and patterns of a stage, with their owners, or of an image', async () => {
    const image = (
      await berth.build(
        'FROM busybox AS made\nRUN mkdir -p /out/sub && echo 1 >/out/1.jar && echo 2 >/out/sub/2.jar && chown 4:5 /out/1.jar && ' +
          'ln -s 1.jar /out/current && ln -s out /o && chmod 600 /out/1.jar\n' +
          'FROM scratch\nCOPY --from=made /out/*.jar /o/s*/*.jar /jars/\nCOPY --from=0 /o /whole\nCOPY --from=made /out/current /c\n' +
          'COPY --from=made --chown=6 --chmod=755 /out /own\nCOPY --from=busybox /bin/busybox /bin/\n',
      )
    ).image;
    expect(await stat(image, '/jars/1.jar')).toMatchObject({ uid: 4, gid: 5, mode: 0o600 });
    expect(await berth.read(image, '/jars/2.jar')).toBe('2\n');
    expect(await berth.read(image, '/whole/sub/2.jar')).toBe('2\n');
    expect(await stat(image, '/whole/current')).toMatchObject({ type: 'symlink' });
    expect(await stat(image, '/c')).toMatchObject({ type: 'file', size: 2 });
    expect(await stat(image, '/own/1.jar')).toMatchObject({ uid: 6, gid: 6, mode: 0o755 });
    expect((await stat(image, '/bin/busybox'))?.type).toBe('file');
  });

  test('ADD unpacks tar archives, plain and compressed, and nothing else', async () => {
    const tar = await tarOf({ 'top/inside': 'from the archive' });
    const image = (
      await berth.build(
        'FROM busybox\nADD a.tar /a\nADD b.tgz /b/\nADD c.gz empty plain /c/\nCOPY b.tgz /d/\n',
        {
          files: {
            'a.tar': tar,
            'b.tgz': gzipSync(tar),
            'c.gz': gzipSync('only text'),
            empty: '',
            plain: 'text',
          },
        },
      )
    ).image;
    expect(await berth.read(image, '/a/top/inside')).toBe('from the archive');
    expect(await berth.read(image, '/b/top/inside')).toBe('from the archive');
    expect((await stat(image, '/c/c.gz'))?.type).toBe('file');
    expect(await berth.read(image, '/c/plain')).toBe('text');
    expect((await stat(image, '/d/b.tgz'))?.type).toBe('file');
  });

  test('a source that .dockerignore excludes, or that is not there, is named with its line', async () => {
    expect(await refusal('COPY missing /x')).toMatchObject({
      kind: 'invalid',
      message: 'Dockerfile:2: COPY failed: missing: no such file or directory in the build context (line 2)',
    });
    expect(await refusal('\nCOPY secret.key /x', { '.dockerignore': '*.key\n' })).toMatchObject({
      message: 'Dockerfile:3: COPY failed: secret.key: the .dockerignore file excludes it (line 3)',
    });
    expect(await refusal('COPY *.none /x')).toMatchObject({
      message: expect.stringContaining('*.none: no such file'),
    });
    expect(await refusal('COPY --from=busybox /none /x')).toMatchObject({
      message: expect.stringContaining('/none: no such file or directory in busybox'),
    });
  });

  test.each([
    ['COPY ../x /x', 'forbidden path outside the build context: ../x'],
    ['COPY a[ /x', 'syntax error in pattern'],
    ['COPY --chmod=rwx f /x', "invalid chmod parameter: 'rwx'"],
    ['COPY --chown=nobody-here f /x', 'unable to find user nobody-here'],
    ['COPY --from=7 f /x', '--from=7: there is no such stage before this one'],
    ['ADD https://example.org/x /x', 'ADD of a URL (https://example.org/x) is not there yet'],
    ['COPY f /bin', undefined],
    ['COPY folder /bin/busybox', '/bin/busybox'],
    ['COPY f /bin/busybox/x', '/bin/busybox'],
    ['ADD archive.xz /x', 'ADD of bzip2 and xz files (archive.xz) is not there yet'],
  ])('%s: %s', async (line, message) => {
    const more = { 'archive.xz': Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0]) };
    if (message === undefined) await build(line);
    else {
      const error = await refusal(line, more);
      expect(error).toMatchObject({ message: expect.stringContaining(message) });
      expect(error).toMatchObject({ message: expect.stringContaining('Dockerfile:2: ') });
    }
    expect(await berth.leftovers()).toEqual([]);
  });
});

function tarOf(files: Record<string, string>): Promise<Buffer> {
  const archive = pack();
  for (const [name, content] of Object.entries(files)) archive.entry({ name }, content);
  archive.finalize();
  return buffer(Readable.from(archive));
}
