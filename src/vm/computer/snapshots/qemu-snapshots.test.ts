import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ComputerDisk } from '../contract.ts';
import { imageName } from '../disks/node-options.ts';
import { QemuImg } from '../disks/qemu-img.ts';
import { DiskWorkshop } from '../disks/testing/disk-images.ts';
import type { SnapshotSubject } from './contract.ts';
import { QemuSnapshots } from './qemu-snapshots.ts';
import { SnapshotFiles } from './snapshot-files.ts';

const { signal } = new AbortController();

let workshop: DiskWorkshop;
let snapshots: QemuSnapshots;
beforeAll(async () => {
  workshop = await DiskWorkshop.open();
  snapshots = new QemuSnapshots(new QemuImg(process.env.PATH ?? ''), workshop.disks);
});
afterAll(() => workshop[Symbol.asyncDispose]());

/** A stopped machine with two disks, of which the first stands on an image. */
async function machine(name: string): Promise<SnapshotSubject> {
  const base = await workshop.qcow2(`${name}-base.qcow2`);
  const backing = [{ path: base, format: 'qcow2' as const }];
  const disks: ComputerDisk[] = [
    { name: 'root', path: workshop.file(`${name}-root.qcow2`), backing },
    { name: 'data', path: workshop.file(`${name}-data.qcow2`), backing: [] },
  ];
  for (const { path } of disks)
    await workshop.disks.create(path, { size: 64 * 1024 ** 2, backing: undefined });
  return { folder: workshop.file(`${name}-snapshots`), disks, variables: workshop.file(`${name}.fd`) };
}

const image = ({ path, backing }: ComputerDisk) => imageName({ path, format: 'qcow2' }, backing);

async function write(subject: SnapshotSubject, byte: number): Promise<void> {
  for (const disk of subject.disks) await qemuIo(image(disk), `write -P ${byte} 4M 1M`);
}

/** Throws unless the disks hold the byte. */
async function holds(subject: SnapshotSubject, byte: number): Promise<void> {
  for (const disk of subject.disks) {
    expect(await qemuIo(image(disk), `read -P ${byte} 4M 1M`)).not.toContain('verification failed');
  }
}

function qemuIo(name: string, command: string): Promise<string> {
  return workshop.run('qemu-io', '-c', command, name);
}

async function tags({ path }: ComputerDisk): Promise<string> {
  return workshop.qemuImg('snapshot', '-l', path);
}

describe('a snapshot of a stopped machine', () => {
  test('brings all its disks and its firmware back to that moment', async () => {
    const subject = await machine('restore');
    await writeFile(subject.variables, 'of then');
    await write(subject, 0x11);
    const taken = await snapshots.takeStopped(subject, 'before', signal);
    expect(taken).toMatchObject({ name: 'before', running: undefined });
    await write(subject, 0x22);
    await workshop.disks.grow(subject.disks[1] ?? expect.fail(), 128 * 1024 ** 2);
    await writeFile(subject.variables, 'of now');
    expect(await snapshots.restore(subject, 'before')).toEqual(taken);
    await holds(subject, 0x11);
    expect(await workshop.disks.size(subject.disks[1] ?? expect.fail())).toBe(64 * 1024 ** 2);
    expect(await readFile(subject.variables, 'utf8')).toBe('of then');
    expect(await snapshots.resume(subject.folder)).toBeUndefined();
  });

  test('is listed, the oldest first, until it is removed', async () => {
    const subject = await machine('list');
    expect(await snapshots.list(subject.folder)).toEqual([]);
    await snapshots.takeStopped(subject, 'one', signal);
    await snapshots.takeStopped(subject, 'two', signal);
    expect((await snapshots.list(subject.folder)).map(({ name }) => name)).toEqual(['one', 'two']);
    await snapshots.remove(subject, 'one');
    expect((await snapshots.list(subject.folder)).map(({ name }) => name)).toEqual(['two']);
    const [root] = subject.disks;
    expect((await tags(root ?? expect.fail())).match(/berth-/g)).toHaveLength(1);
  });

  test('cannot be read by others', async () => {
    const subject = await machine('private');
    await snapshots.takeStopped(subject, 'one', signal);
    expect((await stat(subject.folder)).mode & 0o777).toBe(0o700);
    expect((await stat(join(subject.folder, 'one.json'))).mode & 0o777).toBe(0o600);
  });

  test('is copied into disks of their own that stand on the same image', async () => {
    const subject = await machine('copy');
    await write(subject, 0x33);
    const taken = await snapshots.takeStopped(subject, 'one', signal);
    await write(subject, 0x44);
    for (const [which, byte] of [
      [taken, 0x33],
      [undefined, 0x44],
    ] as const) {
      const disks = subject.disks.map((disk) => ({ ...disk, path: `${disk.path}.${byte}` }));
      for (const [index, disk] of subject.disks.entries()) {
        await snapshots.copyDisk(disk, which, disks[index]?.path ?? '', signal);
      }
      await holds({ ...subject, disks }, byte);
      const [root] = disks;
      expect(await qemuIo(image(root ?? expect.fail()), 'read -P 0xa5 0 1M')).not.toContain('failed');
      expect(await workshop.disks.allocated(root ?? expect.fail())).toBeLessThan(2 * 1024 ** 2);
    }
  });
});

describe('what cannot be', () => {
  test('a name that is taken, no name, or one that nothing has, is refused', async () => {
    const subject = await machine('names');
    await snapshots.takeStopped(subject, 'one', signal);
    await expect(snapshots.takeStopped(subject, 'one', signal)).rejects.toThrow(
      'there is a snapshot one already',
    );
    await expect(snapshots.takeStopped(subject, '../one', signal)).rejects.toThrow(
      'is no name of a snapshot',
    );
    await expect(snapshots.restore(subject, 'two')).rejects.toThrow('there is no snapshot two');
    await expect(snapshots.remove(subject, '../../etc/passwd')).rejects.toThrow('there is no snapshot');
  });

  test('a record of another version is refused with both', async () => {
    const subject = await machine('version');
    await snapshots.takeStopped(subject, 'one', signal);
    await writeFile(join(subject.folder, 'one.json'), '{"version":2,"name":"one"}');
    await expect(snapshots.restore(subject, 'one')).rejects.toThrow(
      'has version 2; this berth reads version 1',
    );
  });
});

describe('a crash', () => {
  test('in the middle of taking a snapshot leaves nothing after the next start', async () => {
    const subject = await machine('half-taken');
    const files = new SnapshotFiles(subject.folder);
    await files.begin({ name: 'half', tag: 'berth-half' });
    await workshop.qemuImg('snapshot', '-c', 'berth-half', subject.disks[0]?.path ?? '');
    await writeFile(files.statePath('half'), 'some of it');
    expect(await snapshots.list(subject.folder)).toEqual([]);
    await snapshots.settle(subject);
    expect(await tags(subject.disks[0] ?? expect.fail())).toBe('');
    await expect(stat(files.statePath('half'))).rejects.toThrow('ENOENT');
    await snapshots.takeStopped(subject, 'half', signal);
  });

  test('in the middle of removing one finishes the removal', async () => {
    const subject = await machine('half-removed');
    await snapshots.takeStopped(subject, 'one', signal);
    await new SnapshotFiles(subject.folder).beginRemoval('one');
    expect(await snapshots.list(subject.folder)).toEqual([]);
    await snapshots.settle(subject);
    for (const disk of subject.disks) expect(await tags(disk)).toBe('');
  });

  test('in the middle of restoring one finishes it before anything is written', async () => {
    const subject = await machine('half-restored');
    await write(subject, 0x55);
    const taken = await snapshots.takeStopped(subject, 'one', signal);
    await write(subject, 0x66);
    await new SnapshotFiles(subject.folder).beginRestore(taken);
    await snapshots.settle(subject);
    await holds(subject, 0x55);
    expect(await new SnapshotFiles(subject.folder).restoring()).toBeUndefined();
  });
});
