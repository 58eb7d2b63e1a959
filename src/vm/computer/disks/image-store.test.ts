import { link, mkdir, readFile, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { digestOf, runChecked } from '../../../base/index.ts';
import type { DiskFormat, TakenImage } from './contract.ts';
import { QemuImg } from './qemu-img.ts';
import { DiskWorkshop } from './testing/disk-images.ts';

let workshop: DiskWorkshop;
beforeAll(async () => {
  workshop = await DiskWorkshop.open();
});
afterAll(() => workshop[Symbol.asyncDispose]());

const take = (path: string, format?: DiskFormat): Promise<TakenImage> =>
  workshop.store.take({ kind: 'file', path, format });

describe('an image from a file', () => {
  test('is kept read-only under its sha256, with its format and size', async () => {
    const path = await workshop.qcow2('plain.qcow2');
    using taken = await take(path);
    const { name, digest, format, virtualSize, source } = taken.image;
    expect(digest).toBe(digestOf(await readFile(path)));
    expect({ name, format, virtualSize, source }).toEqual({
      name: `${digest.slice(7)}.qcow2`,
      format: 'qcow2',
      virtualSize: 64 * 1024 ** 2,
      source: path,
    });
    const stored = await stat(taken.image.path);
    expect([stored.mode & 0o7777, stored.uid, stored.gid]).toEqual([0o400, 0, 0]);
    expect(await workshop.leftovers()).toEqual([]);
    expect(await workshop.store.get(name)).toEqual(taken.image);
  });

  test('is there once, however many machines begin from it', async () => {
    const path = await workshop.qcow2('shared.qcow2');
    await link(path, workshop.file('copy.qcow2'));
    const all = await Promise.all([take(path), take(path), take(workshop.file('copy.qcow2'))]);
    expect(new Set(all.map(({ image }) => image.path)).size).toBe(1);
    for (const taken of all) taken[Symbol.dispose]();
  });

  test('that did not change is not read again', async () => {
    using first = await take('/bin/true', 'raw'); // a file that has been there for longer
    const read: string[] = [];
    using second = await workshop.store.take(
      { kind: 'file', path: '/bin/true', format: 'raw' },
      { onProgress: ({ stage }) => read.push(stage) },
    );
    expect(second.image).toEqual(first.image);
    expect(read).toEqual([]);
  });

  test('is taken in anew when it has changed', async () => {
    const path = await workshop.qcow2('changing.qcow2');
    using first = await take(path);
    await workshop.write('changing.qcow2', 0x11, '1M 1M');
    using second = await take(path);
    expect(second.image.digest).not.toBe(first.image.digest);
    expect(second.image.digest).toBe(digestOf(await readFile(path)));
  });

  test('that is raw keeps its holes', async () => {
    await writeFile(workshop.file('sparse.raw'), 'boot sector');
    await truncate(workshop.file('sparse.raw'), 64 * 1024 ** 2);
    using taken = await take(workshop.file('sparse.raw'));
    const { size, blocks } = await stat(taken.image.path);
    expect([taken.image.format, taken.image.virtualSize, size]).toEqual([
      'raw',
      64 * 1024 ** 2,
      64 * 1024 ** 2,
    ]);
    expect(blocks * 512).toBeLessThan(1024 ** 2);
  });

  test('may be compressed', async () => {
    const path = await workshop.qcow2('packed.qcow2');
    for (const [program, ending] of [
      ['gzip', 'gz'],
      ['xz', 'xz'],
      ['zstd', 'zst'],
    ] as const) {
      const { stdout } = await runChecked(program, ['-c', path]);
      await writeFile(`${path}.${ending}`, stdout);
      using taken = await take(`${path}.${ending}`);
      expect(taken.image.digest).toBe(digestOf(await readFile(path)));
    }
    expect(await workshop.leftovers()).toEqual([]);
  });

  test('with snapshots inside is taken, and that they are not seen is said', async () => {
    const path = await workshop.qcow2('snapshots.qcow2');
    await workshop.qemuImg('snapshot', '-c', 'before', path);
    using taken = await take(path);
    expect(taken.warnings).toEqual([
      `${path} has 1 snapshots inside: machines begin with its present state and do not see them`,
    ]);
  });

  test('behind a symbolic link is what the link leads to', async () => {
    const path = await workshop.qcow2('real.qcow2');
    await symlink(path, workshop.file('link.qcow2'));
    using taken = await take(workshop.file('link.qcow2'));
    expect(taken.image.digest).toBe(digestOf(await readFile(path)));
  });
});

describe('the format', () => {
  test('of a raw image is never guessed from what it begins with', async () => {
    const path = await workshop.qcow2('guest-wrote-this.raw');
    await expect(take(path)).rejects.toMatchObject({
      kind: 'invalid',
      message: `${path} is called a raw image, but begins as qcow2 ones do`,
      hint: 'Say which it is: --format qcow2 or --format raw',
    });
    using taken = await take(path, 'raw');
    expect([taken.image.format, taken.image.virtualSize]).toEqual(['raw', (await stat(path)).size]);
    expect((await readFile(taken.image.path)).equals(await readFile(path))).toBe(true);
    const disk = workshop.file('over-raw.qcow2');
    await workshop.disks.create(disk, { size: 16 * 1024 ** 2, backing: taken.image });
    const flat = workshop.file('flat.qcow2');
    await workshop.disks.flatten({ name: 'root', path: disk, backing: [taken.image] }, flat);
    await workshop.qemuImg('convert', '-f', 'qcow2', '-O', 'raw', flat, 'flat.raw');
    expect((await readFile(workshop.file('flat.raw'))).subarray(0, 4).toString('latin1')).toBe('QFI\xfb');
  });

  test('that nothing tells has to be said', async () => {
    await writeFile(workshop.file('disk.bin'), Buffer.alloc(4096, 1));
    await expect(take(workshop.file('disk.bin'))).rejects.toMatchObject({
      kind: 'invalid',
      message: `${workshop.file('disk.bin')} is no qcow2 image`,
      hint: 'If it is a raw disk, say so: --format raw',
    });
  });

  test.each([['vmdk'], ['vhdx'], ['vdi'], ['qed']])(
    '%s is refused, with how to convert it',
    async (format) => {
      await workshop.qemuImg('create', '-q', '-f', format, `disk.${format}`, '16M');
      await expect(take(workshop.file(`disk.${format}`))).rejects.toMatchObject({
        kind: 'invalid',
        message: `${workshop.file(`disk.${format}`)} is a ${format.toUpperCase()} image; machines are made from qcow2 and raw ones`,
        hint: 'Convert it: qemu-img convert -O qcow2 FILE NEW.qcow2',
      });
    },
  );

  test('qcow2 of another file is refused', async () => {
    await writeFile(workshop.file('text.qcow2'), 'hello');
    await expect(take(workshop.file('text.qcow2'), 'qcow2')).rejects.toMatchObject({
      message: `${workshop.file('text.qcow2')} is no qcow2 image`,
    });
  });
});

describe('images that nobody needs', () => {
  test('are removed by a prune; those in use and those about to be used stay', async () => {
    await using own = await DiskWorkshop.open();
    const names = ['used', 'wanted', 'unused'];
    const [used, wanted, unused] = await Promise.all(
      names.map(async (name, index) => {
        await own.qcow2(`${name}.qcow2`, `${32 + index}M`);
        return own.store.take({ kind: 'file', path: own.file(`${name}.qcow2`), format: undefined });
      }),
    );
    used?.[Symbol.dispose]();
    unused?.[Symbol.dispose]();
    const usedNames = new Set([used?.image.name ?? '']);
    const usage = await own.store.usage(usedNames);
    expect(usage.filter((one) => !one.used).map(({ image }) => image.name)).toEqual([unused?.image.name]);
    const freed = await own.store.prune(usedNames);
    expect(freed).toBeGreaterThanOrEqual(1024 ** 2);
    const left = (await own.store.list()).map(({ name }) => name).sort();
    expect(left).toEqual([used?.image.name, wanted?.image.name].sort());
    wanted?.[Symbol.dispose]();
    await own.store.prune(new Set());
    expect(await own.store.list()).toEqual([]);
    await expect(own.store.get(used?.image.name ?? '')).rejects.toMatchObject({ kind: 'not-found' });
  });

  test('do not come back by a record without its file, nor by a file without its record', async () => {
    await using own = await DiskWorkshop.open();
    const path = await own.qcow2('one.qcow2');
    const taken = await own.store.take({ kind: 'file', path, format: undefined });
    taken[Symbol.dispose]();
    await rm(taken.image.path);
    expect(await own.store.list()).toEqual([]);
    using again = await own.store.take({ kind: 'file', path, format: undefined });
    expect((await readFile(again.image.path)).equals(await readFile(path))).toBe(true);
    await writeFile(`${again.image.path}.json`, '{"version":');
    expect(await own.store.list()).toEqual([]);
  });
});

describe('an image that berth has built', () => {
  test('is moved into the store and found by its name, until another one takes the name over', async () => {
    expect(await workshop.store.named('debian:test')).toBeUndefined();
    for (const size of ['16M', '17M']) {
      const path = await workshop.qcow2('built.qcow2', size);
      const digest = digestOf(await readFile(path));
      using built = await workshop.store.take({ kind: 'built', path, format: 'qcow2', name: 'debian:test' });
      expect(built.image.source).toBe('debian:test');
      await expect(stat(path)).rejects.toMatchObject({ code: 'ENOENT' });
      using found = await workshop.store.named('debian:test');
      expect(found?.image.digest).toBe(digest);
    }
  });
});

test('without qemu-img it is said what to install', async () => {
  await using own = await DiskWorkshop.open();
  const tools = own.file('bin');
  await mkdir(tools);
  for (const name of ['prlimit', 'unshare', 'setpriv']) await symlink(`/usr/bin/${name}`, join(tools, name));
  await using poor = await DiskWorkshop.open(undefined, new QemuImg(tools), own.file('poor'));
  const path = await own.qcow2('one.qcow2');
  await expect(poor.store.take({ kind: 'file', path, format: undefined })).rejects.toMatchObject({
    kind: 'unavailable',
    message: 'machines need qemu-img for their disks, which is not installed',
    hint: 'Install it: apt-get install qemu-utils',
  });
  expect(await poor.leftovers()).toEqual([]);
});
