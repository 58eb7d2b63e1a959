import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runChecked } from '../../../base/index.ts';
import type { BackingImage } from './contract.ts';
import { imageName } from './node-options.ts';
import { DiskWorkshop } from './testing/disk-images.ts';

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;

let workshop: DiskWorkshop;
let backing: BackingImage;
beforeAll(async () => {
  workshop = await DiskWorkshop.open();
  const path = await workshop.qcow2('system.qcow2');
  using taken = await workshop.store.take({ kind: 'file', path, format: undefined });
  backing = taken.image;
});
afterAll(() => workshop[Symbol.asyncDispose]());

const diskAt = (name: string) => ({ name, path: workshop.file(`${name}.qcow2`), backing: [backing] });

/** A new disk over the image. */
async function newDisk(name: string, size?: number): Promise<ReturnType<typeof diskAt>> {
  const disk = diskAt(name);
  await workshop.disks.create(disk.path, { size, backing });
  return disk;
}

/** What a program that opens the disk with all that is behind it says. */
async function io(disk: ReturnType<typeof diskAt>, command: string): Promise<string> {
  const name = imageName({ path: disk.path, format: 'qcow2' }, disk.backing);
  return (await runChecked('qemu-io', ['-c', command, name])).stdout.toString();
}

describe("a machine's disk", () => {
  test('begins as its image, and what is written to it stays in it', async () => {
    const [one, other] = [await newDisk('one'), await newDisk('other')];
    await io(one, 'write -P 0x42 0 64k');
    expect(await io(one, 'read -P 0x42 0 64k')).not.toContain('failed');
    expect(await io(one, 'read -P 0xa5 64k 64k')).not.toContain('failed');
    expect(await io(other, 'read -P 0xa5 0 1M')).not.toContain('failed');
    expect(await io(other, 'read -P 0 1M 1M')).not.toContain('failed');
  });

  test('names no other file, so that none can be read by it', async () => {
    const { path } = await newDisk('nameless');
    const told = JSON.parse(await workshop.qemuImg('info', '--output=json', '-f', 'qcow2', path));
    expect(told).not.toHaveProperty('backing-filename');
    expect((await readFile(path)).includes(workshop.folder)).toBe(false);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  test('takes less than 1 MB, the tenth of an image as well', async () => {
    for (let count = 1; count <= 10; count += 1) {
      expect(await workshop.disks.allocated(await newDisk(`of-ten-${count}`))).toBeLessThan(1_000_000);
    }
  });

  test('has at least 8 GiB, or the size that was asked for', async () => {
    expect(await workshop.disks.size(await newDisk('default'))).toBe(8 * GIB);
    expect(await workshop.disks.size(await newDisk('sized', 100 * MIB))).toBe(100 * MIB);
    const empty = workshop.file('empty.qcow2');
    expect(await workshop.disks.create(empty, { size: 3 * GIB + 1, backing: undefined })).toEqual({
      size: 3 * GIB + 512, // whole sectors
    });
  });

  test('cannot be smaller than its image', async () => {
    await expect(newDisk('small', 63 * MIB)).rejects.toMatchObject({
      kind: 'invalid',
      message: `a disk of 63MiB is too small for ${backing.source}, which has 64MiB`,
    });
  });

  test.each([[0], [Number.NaN], [65 * 1024 ** 4]])('cannot have %s bytes', async (size) => {
    await expect(
      workshop.disks.create(workshop.file('none.qcow2'), { size, backing: undefined }),
    ).rejects.toMatchObject({
      kind: 'invalid',
      message: `a machine's disk cannot have ${size} bytes`,
      hint: 'Give it a size from 1m to 64t',
    });
  });

  test('that is there is not replaced, and nothing is left of the attempt', async () => {
    const { path } = await newDisk('kept');
    const before = await readFile(path);
    await expect(newDisk('kept', 10 * GIB)).rejects.toMatchObject({
      kind: 'conflict',
      message: `the disk ${path} exists already`,
    });
    expect((await readFile(path)).equals(before)).toBe(true);
    expect((await readdir(workshop.folder)).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  test('is removed, which leaves its image and other disks as they are', async () => {
    const [gone, left] = [await newDisk('gone'), await newDisk('left')];
    await workshop.disks.remove(gone);
    await workshop.disks.remove(gone);
    await expect(workshop.disks.allocated(gone)).rejects.toMatchObject({ kind: 'not-found' });
    expect(await io(left, 'read -P 0xa5 0 1M')).not.toContain('failed');
  });
});

test('what a folder of disks has beside the known ones is removed', async () => {
  const folder = workshop.file('disks');
  await mkdir(folder);
  const [known, other] = [join(folder, 'known.qcow2'), join(folder, 'other.qcow2')];
  for (const path of [known, other])
    await workshop.disks.create(path, { size: 64 * MIB, backing: undefined });
  await writeFile(join(folder, 'half.qcow2.0123.tmp'), '');
  const removed = await workshop.disks.removeOthers(folder, [{ path: known }]);
  expect(removed.toSorted()).toEqual([join(folder, 'half.qcow2.0123.tmp'), other]);
  expect(await readdir(folder)).toEqual(['known.qcow2']);
  expect(await workshop.disks.removeOthers(join(folder, 'none'), [])).toEqual([]);
});

describe('a disk that grows', () => {
  test('keeps what is on it, and has zeros behind that', async () => {
    const disk = await newDisk('grown', 64 * MIB);
    await io(disk, 'write -P 0x17 63M 1M');
    await workshop.disks.grow(disk, 128 * MIB);
    await workshop.disks.grow(disk, 128 * MIB); // has it already
    expect(await workshop.disks.size(disk)).toBe(128 * MIB);
    expect(await io(disk, 'read -P 0x17 63M 1M')).not.toContain('failed');
    expect(await io(disk, 'read -P 0 64M 64M')).not.toContain('failed');
  });

  test('never becomes smaller', async () => {
    const disk = await newDisk('large', GIB);
    await expect(workshop.disks.grow(disk, 512 * MIB)).rejects.toMatchObject({
      kind: 'invalid',
      message: 'the disk large has 1GiB and cannot become smaller (512MiB)',
      hint: 'What is at its end would be lost: make a smaller disk and copy inside the machine',
    });
    expect(await workshop.disks.size(disk)).toBe(GIB);
  });

  test('is not opened when its header names a file of the host', async () => {
    const disk = await newDisk('turned');
    await workshop.qemuImg('rebase', '-u', '-f', 'qcow2', '-b', '/etc/shadow', '-F', 'raw', disk.path);
    await expect(workshop.disks.grow(disk, 16 * GIB)).rejects.toMatchObject({
      kind: 'invalid',
      message: expect.stringContaining('has a backing file'),
    });
    await expect(workshop.disks.flatten(disk, workshop.file('turned-flat.qcow2'))).rejects.toMatchObject({
      kind: 'invalid',
    });
  });
});

describe('a flat copy', () => {
  test('stands on nothing and holds all that the guest sees', async () => {
    const disk = await newDisk('original', 64 * MIB);
    await io(disk, 'write -P 0x33 32M 64k');
    const path = workshop.file('flat.qcow2');
    await workshop.disks.flatten(disk, path);
    const flat = { name: 'flat', path, backing: [] };
    expect(await io(flat, 'read -P 0xa5 0 1M')).not.toContain('failed');
    expect(await io(flat, 'read -P 0x33 32M 64k')).not.toContain('failed');
    expect((await stat(path)).size).toBeLessThan(600_000); // compressed
  });

  test('that is interrupted leaves nothing', async () => {
    const disk = await newDisk('interrupted');
    await expect(
      workshop.disks.flatten(disk, workshop.file('half.qcow2'), AbortSignal.abort()),
    ).rejects.toMatchObject({ name: 'AbortError' });
    expect((await readdir(workshop.folder)).filter((name) => name.startsWith('half'))).toEqual([]);
  });

  test('of a disk whose image is damaged fails with the reason', async () => {
    const path = workshop.file('broken.qcow2');
    await writeFile(path, (await readFile((await newDisk('whole')).path)).fill(0xff, 65_536 * 3));
    const broken = { name: 'broken', path, backing: [] };
    await expect(workshop.disks.flatten(broken, workshop.file('never.qcow2'))).rejects.toMatchObject({
      kind: 'unavailable',
      message: expect.stringMatching(/^qemu-img convert of a copy of the disk broken failed: /),
    });
  });
});
