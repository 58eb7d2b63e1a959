import { mkdir, mkdtemp, open, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runChecked } from '../../../base/index.ts';
import { requireTools, SYSTEM_PARTITION_SIZE } from './boot-loader.ts';
import { writeSystemDisk } from './system-disk.ts';

const UUID = '01234567-89ab-4cde-8f01-23456789abcd';
const loader = {
  sector: Buffer.alloc(440, 0xb1),
  core: Buffer.alloc(1000, 0xc0),
  systemPartition: Buffer.alloc(SYSTEM_PARTITION_SIZE, 0xef),
};

let folder: string;
let disk: string;
beforeAll(async () => {
  folder = await mkdtemp('/tmp/berth-system-disk-');
  disk = join(folder, 'disk.raw');
  const root = join(folder, 'root');
  await mkdir(join(root, 'etc'), { recursive: true });
  await writeFile(join(root, 'etc/hostname'), 'hello\n');
  await writeSystemDisk(disk, { root, rootUuid: UUID, loader });
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function read(offset: number, length: number): Promise<Buffer> {
  await using file = await open(disk);
  const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(length), position: offset });
  return buffer.subarray(0, bytesRead);
}

it('is as large as a disk is by default, and takes what is in it', async () => {
  const { size, blocks } = await stat(disk);
  expect(size).toBe(8 * 1024 ** 3);
  expect(blocks * 512).toBeLessThan(200 * 1024 ** 2);
});

it('has a partition table at both ends, with the same entries', async () => {
  const [head, tail] = await Promise.all([read(512, 512), read(8 * 1024 ** 3 - 512, 512)]);
  for (const header of [head, tail]) expect(header.toString('latin1', 0, 8)).toBe('EFI PART');
  const [first, second] = await Promise.all([read(1024, 16384), read(8 * 1024 ** 3 - 33 * 512, 16384)]);
  expect(first.equals(second)).toBe(true);
  expect(head.readUInt32LE(88)).toBe(crc32(first));
});

it('has a root of whole blocks, so that systemd-repart finds nothing to round up where there is no room', async () => {
  const root = (await read(1024, 16384)).subarray(2 * 128);
  const [first, last] = [root.readBigUInt64LE(32), root.readBigUInt64LE(40)];
  expect([first % 8n, (last + 1n) % 8n]).toEqual([0n, 0n]);
});

it('has the boot loader where firmware looks for it', async () => {
  const [sector, core, system] = await Promise.all([
    read(0, 512),
    read(1024 ** 2, 1000),
    read(2 * 1024 ** 2, 16),
  ]);
  expect(sector.subarray(0, 440).equals(loader.sector)).toBe(true);
  expect(sector.readUInt16LE(510)).toBe(0xaa55);
  expect(core.equals(loader.core)).toBe(true);
  expect(system.equals(Buffer.alloc(16, 0xef))).toBe(true);
});

it('has the tree as a file system that is whole', async () => {
  const at = `${disk}?offset=${2 * 1024 ** 2 + SYSTEM_PARTITION_SIZE}`;
  const { stdout } = await runChecked('debugfs', ['-R', 'cat /etc/hostname', at]);
  expect(stdout.toString()).toBe('hello\n');
  await runChecked('e2fsck', ['-f', '-n', at]);
});

it('what is not installed to make systems is named, with how to install it', async () => {
  await expect(requireTools(folder)).rejects.toMatchObject({
    kind: 'unavailable',
    message: expect.stringContaining('mmdebstrap, grub-common, grub-pc-bin'),
    hint: expect.stringContaining('apt-get install --no-install-recommends mmdebstrap'),
  });
});
