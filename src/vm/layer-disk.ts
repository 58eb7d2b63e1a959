import { createHash } from 'node:crypto';
import { stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { internal, invalid, notFound, systemErrorCode } from '../base/index.ts';

const SECTOR = 512;
/** Sectors of the disk's head: the partitions begin at 1 MiB, as everywhere. */
const HEAD_SECTORS = 2048;
/** Bytes of a partition entry (UEFI 2.10, 5.3.3). */
const ENTRY_SIZE = 128;
/** Linux finds no more partitions on a disk (DISK_MAX_PARTS, which counts the disk itself). */
const MAX_LAYERS = 255;
/** Linux file system data, as the GUID's bytes on disk. */
const PARTITION_TYPE = Buffer.from('af3dc60f838472478e793d69d8477de4', 'hex');

/** A file that a disk consists of, and its name beside the descriptor where QEMU runs. */
export interface DiskFile {
  readonly path: string;
  readonly name: string;
}

/** The disk that joins an image's layers: the descriptor names the other files, relative to itself. */
export interface LayerDisk {
  readonly descriptor: DiskFile;
  readonly extents: readonly DiskFile[];
}

/**
 * Joins layers into one disk without copying them: a VMDK descriptor with flat extents, the layers' files between the
 * head and the tail of a GUID partition table. Layer i is partition i + 1. The same layers give the same bytes.
 *
 * One disk, as a controller per layer ends at the machine's few slots, and one for each layer takes the guest longer to find.
 */
export async function writeLayerDisk(directory: string, layers: readonly string[]): Promise<LayerDisk> {
  if (layers.length > MAX_LAYERS) {
    throw invalid(`the image has ${layers.length} layers; a virtual machine can have ${MAX_LAYERS}`);
  }
  const sizes = await Promise.all(layers.map(sectorsOf));
  const table = partitionTable(sizes);
  const own = (name: string): DiskFile => ({ path: join(directory, name), name });
  const descriptor = own('layers.vmdk');
  const head = own('layers.head');
  const tail = own('layers.tail');
  const files = layers.map((path, index): DiskFile => ({ path, name: `layer-${index}` }));
  const sectors = [HEAD_SECTORS, ...sizes, table.tail.length / SECTOR];
  const extents = [head, ...files, tail];
  await writeFile(head.path, table.head);
  await truncate(head.path, HEAD_SECTORS * SECTOR);
  await writeFile(tail.path, table.tail);
  await writeFile(descriptor.path, describe(extents, sectors));
  return { descriptor, extents };
}

async function sectorsOf(layer: string): Promise<number> {
  const found = await stat(layer).catch((cause: unknown) => {
    throw systemErrorCode(cause) === 'ENOENT' ? notFound(`the layer ${layer} is missing`, { cause }) : cause;
  });
  if (!found.isFile()) {
    throw invalid(`the layer ${layer} is a folder, which a virtual machine cannot have as a disk`, {
      hint: 'Virtual machines need layers in the EROFS format: berthd --layer-format erofs',
    });
  }
  if (found.size === 0 || found.size % SECTOR !== 0) {
    throw internal(`the layer ${layer} has ${found.size} bytes: no whole number of sectors`);
  }
  return found.size / SECTOR;
}

/** VMware's "twoGbMaxExtentFlat", whose extents may have any size for QEMU. An empty line before the first extent would add it twice. */
function describe(extents: readonly DiskFile[], sectors: readonly number[]): string {
  return [
    '# Disk DescriptorFile',
    'version=1',
    'CID=fffffffe',
    'parentCID=ffffffff',
    'createType="twoGbMaxExtentFlat"',
    ...extents.map(({ name }, index) => `RW ${sectors[index]} FLAT "${name}" 0`),
    'ddb.adapterType = "ide"',
    '',
  ].join('\n');
}

interface PartitionTable {
  /** Nothing but zeros follows, up to the first partition. */
  readonly head: Buffer;
  readonly tail: Buffer;
}

/** The parts of a disk before and behind its partitions (UEFI 2.10, 5.3). */
function partitionTable(sizes: readonly number[]): PartitionTable {
  const entries = Buffer.alloc(Math.max(sizes.length, 128) * ENTRY_SIZE);
  let at = HEAD_SECTORS;
  for (const [index, size] of sizes.entries()) {
    writeEntry(entries.subarray(index * ENTRY_SIZE), index, at, size);
    at += size;
  }
  const entrySectors = Math.ceil(entries.length / SECTOR);
  const total = at + entrySectors + 1;
  const header = (place: 'head' | 'tail') => {
    const [own, other, table] = place === 'head' ? [1, total - 1, 2] : [total - 1, 1, at];
    return tableHeader({ own, other, table, lastUsable: at - 1, entries });
  };

  const head = Buffer.alloc((2 + entrySectors) * SECTOR);
  writeProtectiveRecord(head, total);
  header('head').copy(head, SECTOR);
  entries.copy(head, 2 * SECTOR);
  const tail = Buffer.alloc((entrySectors + 1) * SECTOR);
  entries.copy(tail);
  header('tail').copy(tail, entrySectors * SECTOR);
  return { head, tail };
}

/** The record for systems without GPT: one partition of type 0xee that is the whole disk. */
function writeProtectiveRecord(sector: Buffer, total: number): void {
  sector.set([0, 0, 2, 0, 0xee, 0xff, 0xff, 0xff], 446);
  sector.writeUInt32LE(1, 454);
  sector.writeUInt32LE(Math.min(total - 1, 0xffffffff), 458);
  sector.set([0x55, 0xaa], 510);
}

function writeEntry(entry: Buffer, index: number, first: number, size: number): void {
  PARTITION_TYPE.copy(entry);
  identifier(`layer ${index}`).copy(entry, 16);
  entry.writeBigUInt64LE(BigInt(first), 32);
  entry.writeBigUInt64LE(BigInt(first + size - 1), 40);
  entry.write(`layer-${index}`, 56, 'utf16le');
}

interface HeaderFields {
  /** Sectors: of this header, of the other one, of the entries that belong to it, and the last one of any partition. */
  readonly own: number;
  readonly other: number;
  readonly table: number;
  readonly lastUsable: number;
  readonly entries: Buffer;
}

function tableHeader({ own, other, table, lastUsable, entries }: HeaderFields): Buffer {
  const header = Buffer.alloc(92);
  header.write('EFI PART', 'latin1');
  header.writeUInt32LE(0x00010000, 8);
  header.writeUInt32LE(header.length, 12);
  header.writeBigUInt64LE(BigInt(own), 24);
  header.writeBigUInt64LE(BigInt(other), 32);
  header.writeBigUInt64LE(BigInt(HEAD_SECTORS), 40);
  header.writeBigUInt64LE(BigInt(lastUsable), 48);
  identifier('disk').copy(header, 56);
  header.writeBigUInt64LE(BigInt(table), 72);
  header.writeUInt32LE(entries.length / ENTRY_SIZE, 80);
  header.writeUInt32LE(ENTRY_SIZE, 84);
  header.writeUInt32LE(crc32(entries), 88);
  header.writeUInt32LE(crc32(header), 16);
  return header;
}

/** A GUID that the name decides: the disk is the only one of its kind in its guest. */
function identifier(name: string): Buffer {
  const guid = createHash('sha256').update(`berth layer disk: ${name}`).digest().subarray(0, 16);
  guid.writeUInt8((guid.readUInt8(7) & 0x0f) | 0x80, 7); // version 8: made by a rule of our own (RFC 9562)
  guid.writeUInt8((guid.readUInt8(8) & 0x3f) | 0x80, 8);
  return guid;
}
