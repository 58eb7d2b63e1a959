import { randomBytes } from 'node:crypto';
import { open } from 'node:fs/promises';
import { runChecked } from '../../../base/index.ts';
import { guidBytes, HEAD_SECTORS, partitionTable, SECTOR_SIZE } from '../../partition-table.ts';
import { type BootLoader, SYSTEM_PARTITION_SIZE } from './boot-loader.ts';

/** As large as a machine's disk is when nobody says another size: such a one needs nothing to grow at its first boot. */
const DISK_SIZE = 8 * 1024 ** 3;
const TABLE_SECTORS = 33;
const MEBIBYTE = 1024 ** 2 / SECTOR_SIZE;
const BIOS_SECTORS = MEBIBYTE;
const SYSTEM_SECTORS = SYSTEM_PARTITION_SIZE / SECTOR_SIZE;
/** The sector in which the root file system begins. */
export const ROOT_START = HEAD_SECTORS + BIOS_SECTORS + SYSTEM_SECTORS;
const BLOCK_SIZE = 4096;
const BLOCK_SECTORS = BLOCK_SIZE / SECTOR_SIZE;
const ROOM = DISK_SIZE / SECTOR_SIZE - ROOT_START - TABLE_SECTORS;
/** Whole blocks: systemd-repart rounds a partition up to them, and fails at one that is as large as its disk lets it be. */
const ROOT_SECTORS = ROOM - (ROOM % BLOCK_SECTORS);

/** Types of partitions (the Discoverable Partitions Specification, and GRUB's manual for the first). */
const BIOS_BOOT = guidBytes('21686148-6449-6e6f-744e-656564454649');
const EFI_SYSTEM = guidBytes('c12a7328-f81f-11d2-ba4b-00a0c93ec93b');
const ROOT_X86_64 = guidBytes('4f68bce3-e8cd-4db1-96e7-fbcaf984b709');

/**
 * The features that GRUB and the e2fsprogs of all releases know. Inode tables are holes, which mke2fs takes for zeros: no kernel
 * writes them later.
 */
const FORMAT = [
  ...['-q', '-F', '-t', 'ext4', '-b', String(BLOCK_SIZE), '-m', '1', '-L', 'root'],
  ...['-O', '^metadata_csum_seed,^orphan_file'],
];
const JOURNAL = ['-J', 'size=64'];

/**
 * Writes a disk that BIOS and UEFI boot: the tree `root` as an ext4 file system, the boot loader before it. A sparse raw file at
 * `path`, where none is; nothing is mounted for it.
 */
export async function writeSystemDisk(
  path: string,
  {
    root,
    rootUuid,
    loader,
  }: { readonly root: string; readonly rootUuid: string; readonly loader: BootLoader },
  signal?: AbortSignal,
): Promise<void> {
  await using file = await open(path, 'wx', 0o600);
  await file.truncate(DISK_SIZE);
  const extended = `lazy_itable_init=0,lazy_journal_init=1,root_owner=0:0,offset=${ROOT_START * SECTOR_SIZE}`;
  const blocks = ROOT_SECTORS / BLOCK_SECTORS;
  const args = [...FORMAT, ...JOURNAL, '-U', rootUuid, '-E', extended, '-d', root, path, String(blocks)];
  await runChecked('mke2fs', args, signal === undefined ? {} : { signal });
  const partitions = [
    { type: BIOS_BOOT, identifier: randomBytes(16), name: 'bios', sectors: BIOS_SECTORS },
    { type: EFI_SYSTEM, identifier: randomBytes(16), name: 'efi', sectors: SYSTEM_SECTORS },
    { type: ROOT_X86_64, identifier: randomBytes(16), name: 'root', sectors: ROOT_SECTORS },
  ];
  const { head, tail } = partitionTable(randomBytes(16), partitions, ROOM - ROOT_SECTORS);
  loader.sector.copy(head);
  const parts = [
    [0, head],
    [HEAD_SECTORS, loader.core],
    [HEAD_SECTORS + BIOS_SECTORS, loader.systemPartition],
    [ROOT_START + ROOM, tail],
  ] as const;
  for (const [sector, data] of parts) await file.write(data, 0, data.length, sector * SECTOR_SIZE);
  await file.sync();
}
