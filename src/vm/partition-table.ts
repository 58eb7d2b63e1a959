import { crc32 } from 'node:zlib';

export const SECTOR_SIZE = 512;
/** Sectors before the first partition: 1 MiB, as everywhere. */
export const HEAD_SECTORS = 2048;
/** Bytes of a partition entry (UEFI 2.10, 5.3.3). */
const ENTRY_SIZE = 128;

export interface Partition {
  /** GUIDs as their bytes are on disk. */
  readonly type: Buffer;
  readonly identifier: Buffer;
  readonly name: string;
  readonly sectors: number;
}

/** The parts of a disk before and behind its partitions, which lie behind each other without gaps. */
export interface PartitionTable {
  /** Nothing but zeros follows, up to the first partition. */
  readonly head: Buffer;
  readonly tail: Buffer;
}

/** A GUID partition table (UEFI 2.10, 5.3) whose tail comes behind the last partition and `spare` free sectors. */
export function partitionTable(
  identifier: Buffer,
  partitions: readonly Partition[],
  spare = 0,
): PartitionTable {
  const entries = Buffer.alloc(Math.max(partitions.length, 128) * ENTRY_SIZE);
  let at = HEAD_SECTORS;
  for (const [index, partition] of partitions.entries()) {
    writeEntry(entries.subarray(index * ENTRY_SIZE), partition, at);
    at += partition.sectors;
  }
  at += spare;
  const entrySectors = Math.ceil(entries.length / SECTOR_SIZE);
  const total = at + entrySectors + 1;
  const header = (place: 'head' | 'tail') => {
    const [own, other, table] = place === 'head' ? [1, total - 1, 2] : [total - 1, 1, at];
    return tableHeader({ identifier, own, other, table, lastUsable: at - 1, entries });
  };

  const head = Buffer.alloc((2 + entrySectors) * SECTOR_SIZE);
  writeProtectiveRecord(head, total);
  header('head').copy(head, SECTOR_SIZE);
  entries.copy(head, 2 * SECTOR_SIZE);
  const tail = Buffer.alloc((entrySectors + 1) * SECTOR_SIZE);
  entries.copy(tail);
  header('tail').copy(tail, entrySectors * SECTOR_SIZE);
  return { head, tail };
}

/** A GUID as it is on disk: of its five groups, the first three are little-endian (UEFI 2.10, appendix A). */
export function guidBytes(text: string): Buffer {
  const bytes = Buffer.from(text.replaceAll('-', ''), 'hex');
  bytes.subarray(0, 4).reverse();
  bytes.subarray(4, 6).reverse();
  bytes.subarray(6, 8).reverse();
  return bytes;
}

/** The record for systems without GPT: one partition of type 0xee that is the whole disk. */
function writeProtectiveRecord(sector: Buffer, total: number): void {
  sector.set([0, 0, 2, 0, 0xee, 0xff, 0xff, 0xff], 446);
  sector.writeUInt32LE(1, 454);
  sector.writeUInt32LE(Math.min(total - 1, 0xffffffff), 458);
  sector.set([0x55, 0xaa], 510);
}

function writeEntry(entry: Buffer, { type, identifier, name, sectors }: Partition, first: number): void {
  type.copy(entry);
  identifier.copy(entry, 16);
  entry.writeBigUInt64LE(BigInt(first), 32);
  entry.writeBigUInt64LE(BigInt(first + sectors - 1), 40);
  entry.write(name, 56, 'utf16le');
}

interface HeaderFields {
  readonly identifier: Buffer;
  /** Sectors: of this header, of the other one, of the entries that belong to it, and the last one of any partition. */
  readonly own: number;
  readonly other: number;
  readonly table: number;
  readonly lastUsable: number;
  readonly entries: Buffer;
}

function tableHeader({ identifier, own, other, table, lastUsable, entries }: HeaderFields): Buffer {
  const header = Buffer.alloc(92);
  header.write('EFI PART', 'latin1');
  header.writeUInt32LE(0x00010000, 8);
  header.writeUInt32LE(header.length, 12);
  header.writeBigUInt64LE(BigInt(own), 24);
  header.writeBigUInt64LE(BigInt(other), 32);
  header.writeBigUInt64LE(BigInt(HEAD_SECTORS), 40);
  header.writeBigUInt64LE(BigInt(lastUsable), 48);
  identifier.copy(header, 56);
  header.writeBigUInt64LE(BigInt(table), 72);
  header.writeUInt32LE(entries.length / ENTRY_SIZE, 80);
  header.writeUInt32LE(ENTRY_SIZE, 84);
  header.writeUInt32LE(crc32(entries), 88);
  header.writeUInt32LE(crc32(header), 16);
  return header;
}
