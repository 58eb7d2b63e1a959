import { mkdtemp, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { runChecked } from '../../src/base/index.ts';
import type { ComputerSystem } from './hand-made-computer.ts';

/** BIOSes want more than the one sector that it has. */
const DISK_BYTES = 1024 ** 2;

/** The disk image of tiny-system.S, assembled in a folder. */
export async function tinyDisk(folder: string): Promise<string> {
  const work = await mkdtemp(join(folder, 'tiny-'));
  const [object, disk] = [join(work, 'object'), join(work, 'disk')];
  await runChecked('gcc', ['-m32', '-c', '-o', object, join(import.meta.dirname, 'tiny-system.S')]);
  await runChecked('ld', ['-m', 'elf_i386', '-Ttext=0x7c00', '--oformat', 'binary', '-o', disk, object]);
  await truncate(disk, DISK_BYTES);
  return disk;
}

/** tiny-system.S, which boots in no time. The guest agent's port is its second serial port. */
export async function tinySystem(folder: string): Promise<ComputerSystem> {
  const disk = await tinyDisk(folder);
  const node = { driver: 'file', 'node-name': 'disk', filename: '/disk', 'read-only': true };
  return {
    args: [
      ...['-M', 'q35', '-m', '64M', '-serial', 'chardev:agent', '-device', 'pvpanic'],
      ...['-blockdev', JSON.stringify(node), '-device', 'virtio-blk-pci,drive=disk'],
    ],
    files: [{ hostPath: disk, name: '/disk', idmap: true }],
  };
}
