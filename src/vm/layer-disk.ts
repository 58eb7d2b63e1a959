import { createHash } from 'node:crypto';
import { stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { internal, invalid, notFound, systemErrorCode } from '../base/index.ts';
import { guidBytes, HEAD_SECTORS, partitionTable, SECTOR_SIZE } from './partition-table.ts';

/** Linux finds no more partitions on a disk (DISK_MAX_PARTS, which counts the disk itself). */
const MAX_LAYERS = 255;
/** Linux file system data, for the table's entries. */
const LINUX_DATA = guidBytes('0fc63daf-8483-4772-8e79-3d69d8477de4');

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
  const partitions = sizes.map((size, index) => ({
    ...{ type: LINUX_DATA, identifier: identifier(`layer ${index}`), name: `layer-${index}`, sectors: size },
  }));
  const table = partitionTable(identifier('disk'), partitions);
  const own = (name: string): DiskFile => ({ path: join(directory, name), name });
  const descriptor = own('layers.vmdk');
  const head = own('layers.head');
  const tail = own('layers.tail');
  const files = layers.map((path, index): DiskFile => ({ path, name: `layer-${index}` }));
  const sectors = [HEAD_SECTORS, ...sizes, table.tail.length / SECTOR_SIZE];
  const extents = [head, ...files, tail];
  await writeFile(head.path, table.head);
  await truncate(head.path, HEAD_SECTORS * SECTOR_SIZE);
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
  if (found.size === 0 || found.size % SECTOR_SIZE !== 0) {
    throw internal(`the layer ${layer} has ${found.size} bytes: no whole number of sectors`);
  }
  return found.size / SECTOR_SIZE;
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

/** A GUID that the name decides: the disk is the only one of its kind in its guest. */
function identifier(name: string): Buffer {
  const guid = createHash('sha256').update(`berth layer disk: ${name}`).digest().subarray(0, 16);
  guid.writeUInt8((guid.readUInt8(7) & 0x0f) | 0x80, 7); // version 8: made by a rule of our own (RFC 9562)
  guid.writeUInt8((guid.readUInt8(8) & 0x3f) | 0x80, 8);
  return guid;
}
