import { mkdir, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { runChecked } from '../base/index.ts';
import type { LayerFormatName } from './layer-format.ts';
import { directory, entriesArbitrary, file, root } from './testing/entries.ts';
import {
  fsck,
  gnuTree,
  inMounted,
  layerOf,
  listing,
  mountedTree,
  mountObstacle,
  type TestEntry,
  tarOf,
  temporaryFolder,
} from './testing/images.ts';
import type { UnpackedLayer } from './unpack/unpack-layer.ts';

/** Most of these start programs; on a busy machine that takes its time. */
vi.setConfig({ testTimeout: 60_000 });

const obstacle = await mountObstacle();
const whereMountable = test.skipIf(obstacle !== undefined);

/** Unpacks a tar into a new layer at a path; an image has passed fsck then. */
async function unpack(format: LayerFormatName, tar: Buffer | Readable, path: string): Promise<UnpackedLayer> {
  const unpacked = await layerOf(tar, path, { format });
  if (format === 'erofs') expect(await fsck(path)).toBe('');
  return unpacked;
}

/** Checks the layer of a tar against GNU tar's tree. */
async function expectSameTree(format: LayerFormatName, tar: Buffer): Promise<void> {
  await using folder = await temporaryFolder();
  const layer = join(folder.path, 'layer');
  await unpack(format, tar, layer);
  const mounted = await mountedTree(layer);
  const expected = await gnuTree(tar, join(folder.path, 'gnu'));
  expect(listing(mounted).split('\n')).toEqual(listing(expected).split('\n'));
}

async function refusal(format: LayerFormatName, entries: readonly TestEntry[]): Promise<string> {
  await using folder = await temporaryFolder();
  await mkdir(join(folder.path, 'inside'));
  const message = await layerOf(await tarOf(entries), join(folder.path, 'inside', 'layer'), { format }).then(
    () => 'accepted',
    (error: Error) => error.message,
  );
  expect(await readdir(folder.path)).toEqual(['inside']);
  return message;
}

const skipped = obstacle === undefined ? '' : ` (skipped: ${obstacle})`;
const FORMATS: readonly LayerFormatName[] = ['erofs', 'folder'];

describe.each(FORMATS)(`a mounted layer equals GNU tar's tree: %s${skipped}`, (format) => {
  whereMountable('with every kind of file', async () => {
    const tar = await tarOf([
      root,
      directory('d', 0o1777),
      file('d/file', 'content', { uid: 70_000, gid: 200_000, mode: 0o4755 }),
      file('d/empty', ''),
      file('d/block', Buffer.alloc(4096, 1)),
      file('d/blocks', Buffer.alloc(10_000, 2)),
      {
        header: {
          name: 'd/symlink',
          type: 'symlink',
          linkname: '../x/y',
          mode: 0o777,
          mtime: new Date(1e12),
        },
      },
      { header: { name: 'd/long', type: 'symlink', linkname: 'l/'.repeat(2000), mtime: new Date(1e12) } },
      { header: { name: 'other', type: 'link', linkname: 'd/file' } },
      { header: { name: 'd/fifo', type: 'fifo', mode: 0o600, mtime: new Date(1e12) } },
      {
        header: {
          name: 'd/char',
          type: 'character-device',
          devmajor: 259,
          devminor: 200_000,
          mtime: new Date(1e12),
        },
      },
      { header: { name: 'd/disk', type: 'block-device', devmajor: 8, devminor: 1, mtime: new Date(1e12) } },
    ]);
    await expectSameTree(format, tar);
  });

  whereMountable('with nanoseconds, times before 1970 and long names', async () => {
    const tar = await tarOf([
      root,
      file('nano', 'x', { pax: { mtime: '1700000000.123456789' } }),
      file('old', 'x', { pax: { mtime: '-1.5' } }),
      file(`${'ü'.repeat(120)}/${'n'.repeat(255)}`.replace('/', '-').slice(0, 120), 'x'),
      file('n'.repeat(255), 'x'),
    ]);
    await expectSameTree(format, tar);
  });

  whereMountable('with extended attributes', async () => {
    const many = Object.fromEntries(
      Array.from({ length: 12 }, (_, i) => [`SCHILY.xattr.trusted.name-${i}`, `${i}`.repeat(100)]),
    );
    const tar = await tarOf([
      root,
      directory('d'),
      { header: { ...directory('d').header, name: 'd/sub/', pax: many } },
      file('many', 'x', { pax: many }),
      file('user', 'x', { pax: { 'SCHILY.xattr.user.note': 'a=b\nc', 'SCHILY.xattr.trusted.x': 'y' } }),
      file('capability', 'x', {
        pax: { 'SCHILY.xattr.security.capability': '\u0001\0\0\u0002\0\u0004\0\0\0\0\0\0\0\0\0\0\0\0\0\0' },
      }),
    ]);
    await expectSameTree(format, tar);
  });

  whereMountable(
    'with a folder of 2,000 files',
    async () => {
      const names = Array.from({ length: 2000 }, (_, i) => `d/file-${i}-${'x'.repeat(i % 40)}`);
      await expectSameTree(
        format,
        await tarOf([root, directory('d'), ...names.map((name) => file(name, ''))]),
      );
    },
    60_000,
  );

  whereMountable(
    'for any sequence of entries',
    async () => {
      await fc.assert(
        fc.asyncProperty(entriesArbitrary(), async (entries) => {
          await expectSameTree(format, await tarOf(entries));
        }),
        { numRuns: 25 },
      );
    },
    120_000,
  );
});

describe.each(FORMATS)(`a layer: %s${skipped}`, (format) => {
  whereMountable(
    'keeps holes as holes, in files and layers of more than 4 GiB',
    async () => {
      await using folder = await temporaryFolder();
      const source = join(folder.path, 'source');
      await mkdir(source);
      const sparse = await open(join(source, 'sparse'), 'w');
      for (let i = 0; i < 30; i += 1) await sparse.write(Buffer.alloc(4096, i + 1), 0, 4096, i * 150_000_000);
      await sparse.close();
      await runChecked('cp', ['/etc/passwd', join(source, 'zlast')]);
      for (const name of ['gnu', 'pax']) {
        const arguments_ = ['--create', '--sparse', `--format=${name}`, `--directory=${source}`, '.'];
        const { stdout } = await runChecked('tar', arguments_);
        const layer = join(folder.path, `layer-${name}`);
        await unpack(format, stdout, layer);
        const { stdout: used } = await runChecked('du', ['--summarize', '--block-size=1', layer]);
        expect(Number.parseInt(used.toString(), 10)).toBeLessThan(2_000_000);
        // Reading all of the holes would take long.
        for (const part of ['--bytes=200000000', '--ignore-initial=4290000000']) {
          await inMounted(layer, ['cmp', part, 'sparse', join(source, 'sparse')]);
        }
        await inMounted(layer, ['cmp', 'zlast', join(source, 'zlast')]);
      }
    },
    120_000,
  );

  whereMountable('turns whiteouts into the form of overlayfs', async () => {
    await using folder = await temporaryFolder();
    const layer = join(folder.path, 'layer');
    const tar = await tarOf([
      root,
      file('d/.wh.gone', ''),
      file('opaque/.wh..wh..opq', ''),
      file('.wh.kept', ''),
      file('kept', 'still here'),
      file('renewed/x', 'x'),
      file('.wh.renewed', ''),
      file('.wh..wh.plnk/1', ''),
    ]);
    await unpack(format, tar, layer);
    const tree = listing(await mountedTree(layer));
    expect(tree).toMatch(/"\.\/d\/gone","mode":0,.*"type":"character","major":0,"minor":0/);
    expect(tree).toMatch(/"\.\/kept".*"type":"file"/);
    expect(tree).not.toContain('.wh.');
    const opaque = (await mountedTree(layer)).toString('latin1').match(/trusted\.overlay\.opaque=y/g);
    expect(opaque).toHaveLength(2);
  });

  whereMountable('hides in lower layers what its whiteouts say, joined by overlayfs', async () => {
    await using folder = await temporaryFolder();
    const [lower, upper] = [join(folder.path, 'lower'), join(folder.path, 'upper')];
    const names = ['gone', 'kept', 'opaque/old', 'renewed/old', 'merged/old', 'replaced/x'];
    await unpack(format, await tarOf([root, ...names.map((name) => file(name))]), lower);
    const changes = [
      '.wh.gone',
      'opaque/.wh..wh..opq',
      'opaque/new',
      '.wh.renewed',
      'renewed/new',
      'merged/new',
    ];
    await unpack(format, await tarOf([root, ...changes.map((name) => file(name)), file('replaced')]), upper);
    const tree = listing(await mountedTree(lower, upper));
    const files = tree.split('\n').filter((line) => line.includes('"type":"file"'));
    expect(files.map((line) => /"name":"([^"]*)"/.exec(line)?.[1])).toEqual([
      './kept',
      './merged/new',
      './merged/old',
      './opaque/new',
      './renewed/new',
      './replaced',
    ]);
    expect(tree).not.toContain('"character"');
  });

  whereMountable('lets a later entry replace an earlier one, file over folder and back', async () => {
    await using folder = await temporaryFolder();
    const layer = join(folder.path, 'layer');
    const tar = await tarOf([
      root,
      file('d/x', 'x'),
      file('d', 'now a file'),
      file('f', 'first'),
      file('f/below', 'now in a folder'),
      file('same', 'old'),
      file('same', 'new content'),
    ]);
    const { size } = await unpack(format, tar, layer);
    expect(size).toBe('now a file'.length + 'now in a folder'.length + 'new content'.length);
    const names = listing(await mountedTree(layer)).match(/(?<="name":")[^"]*/g);
    expect(names).toEqual(['./', './d', './f/', './f/below', './same']);
  });

  whereMountable("drops overlayfs's own attributes of a tar", async () => {
    await using folder = await temporaryFolder();
    const layer = join(folder.path, 'layer');
    const pax = {
      'SCHILY.xattr.trusted.overlay.redirect': '/etc',
      'SCHILY.xattr.trusted.overlay.opaque': 'y',
      'SCHILY.xattr.user.overlay.metacopy': '',
      'SCHILY.xattr.trusted.overlay.overlay.opaque': 'y',
      'SCHILY.xattr.user.fine': '1',
    };
    await unpack(format, await tarOf([root, file('x', 'x', { pax })]), layer);
    const tree = (await mountedTree(layer)).toString('latin1');
    expect(tree).toContain('user.fine');
    expect(tree).not.toContain('overlay');
  });

  whereMountable('follows symlinks on the way inside the layer, and makes missing folders', async () => {
    await using folder = await temporaryFolder();
    const layer = join(folder.path, 'layer');
    const link = (name: string, linkname: string): TestEntry => ({
      header: { name, type: 'symlink', linkname },
    });
    const tar = await tarOf([
      root,
      link('lib', 'usr/lib'),
      file('lib/a', ''),
      link('usr/abs', '/opt/../usr/lib'),
      file('usr/abs/b', ''),
      { header: { name: 'later-link', type: 'link', linkname: 'z' } },
      file('z', 'z'),
    ]);
    await unpack(format, tar, layer);
    const tree = listing(await mountedTree(layer));
    for (const name of ['usr/lib/a', 'usr/lib/b', 'later-link']) expect(tree).toContain(`"./${name}"`);
  });
});

describe.each(FORMATS)('a hostile tar is refused with the name of its entry: %s', (format) => {
  const link = (name: string, linkname: string): TestEntry => ({
    header: { name, type: 'symlink', linkname },
  });
  const cases: [string, TestEntry[], RegExp][] = [
    ['an absolute name', [file('/etc/passwd')], /entry "\/etc\/passwd": its name is absolute/],
    ['a name that climbs', [file('a/../../x')], /entry "a\/\.\.\/\.\.\/x": its name leads out of the layer/],
    [
      'a symlink that climbs',
      [link('up', '../..'), file('up/x')],
      /entry "up\/x": .* leads out of the layer/,
    ],
    [
      'a symlink loop',
      [link('a', 'b'), link('b', 'a'), file('a/x')],
      /entry "a\/x": too many symbolic links/,
    ],
    [
      'a hard link that climbs',
      [{ header: { name: 'h', type: 'link', linkname: '../../etc/passwd' } }],
      /entry "h": its name leads out/,
    ],
    [
      'a hard link to nothing',
      [{ header: { name: 'h', type: 'link', linkname: 'nothing' } }],
      /entry "h": the hard link's target "nothing" is not in the layer/,
    ],
    [
      'a hard link to a folder',
      [directory('d'), { header: { name: 'h', type: 'link', linkname: 'd' } }],
      /entry "h": a hard link to the folder "d"/,
    ],
    [
      'a whiteout of the parent',
      [file('d/.wh...', '')],
      /entry "d\/\.wh\.\.\.": ".." cannot be a file's name/,
    ],
    ['a name too long', [file('n'.repeat(256))], /has 256 bytes/],
    [
      'an attribute too large',
      [file('x', 'x', { pax: { 'SCHILY.xattr.user.large': 'v'.repeat(70_000) } })],
      /entry "x": the extended attribute "user.large" of 70000 bytes cannot be stored/,
    ],
    ['a link as the root', [link('./', 'x')], /entry "\.\/": the layer's root would be a symlink/],
  ];
  test.each(cases)('%s', async (_, entries, message) => {
    expect(await refusal(format, entries)).toMatch(message);
  });

  test('one that ends within an entry, wherever', async () => {
    await using folder = await temporaryFolder();
    const tar = await tarOf([root, file('first', Buffer.alloc(3000, 1)), file('n'.repeat(200), 'x')]);
    const ends = [100, 700, 2000, 4608, 5000, 5200, 6000];
    for (const end of ends) {
      const result = layerOf(tar.subarray(0, end), join(folder.path, `layer-${end}`), { format });
      await expect(result, `cut at ${end}`).rejects.toThrow(/truncated|malformed/);
    }
  });

  test('whatever is done to its bytes, nothing but "invalid" comes out', async () => {
    await using folder = await temporaryFolder();
    const tar = await tarOf([root, directory('d'), file('d/x', 'x', { pax: { mtime: '1.5' } }), file('y')]);
    let count = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(tar.length - 1), fc.nat(255)), { maxLength: 20 }),
        async (edits) => {
          const broken = Buffer.from(tar);
          for (const [at, value] of edits) broken[at] = value;
          count += 1;
          const outcome = await layerOf(broken, join(folder.path, `${count}`), { format }).catch(
            (error: unknown) => error,
          );
          if (outcome instanceof Error) expect(outcome).toMatchObject({ kind: 'invalid' });
        },
      ),
      { numRuns: format === 'erofs' ? 300 : 50 }, // a folder starts a program
    );
  }, 30_000);
});
