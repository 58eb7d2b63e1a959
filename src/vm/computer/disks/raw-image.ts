import type { FileHandle } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { invalid } from '../../../base/index.ts';
import { LARGEST_DISK, SECTOR } from './contract.ts';

const SMALLEST_TABLE_HEADER = 92;

/**
 * Bytes of the disk that a raw image is: whole sectors, as QEMU counts. Throws `invalid` for an empty file, and for one that was cut
 * off, as far as its partition table tells: GPT keeps a second table in the disk's last sector (UEFI 2.10, 5.3.2).
 */
export async function rawVirtualSize(file: FileHandle, subject: string): Promise<number> {
  const { size } = await file.stat();
  if (size === 0) throw invalid(`${subject} is empty`);
  if (size > LARGEST_DISK) throw invalid(`${subject} has ${size} bytes: more than a disk can have`);
  const virtualSize = Math.ceil(size / SECTOR) * SECTOR;
  const sector = Buffer.alloc(SECTOR);
  const { bytesRead } = await file.read(sector, 0, SECTOR, SECTOR);
  const last = bytesRead === SECTOR ? lastSector(sector) : undefined;
  if (last !== undefined && (last + 1n) * BigInt(SECTOR) > BigInt(virtualSize)) {
    throw invalid(
      `${subject} is cut off: its partition table is that of a disk of ${(last + 1n) * BigInt(SECTOR)} bytes, and it has ${size}`,
    );
  }
  return virtualSize;
}

/** Where the second partition table is by the first one; undefined where there is no whole one. */
function lastSector(sector: Buffer): bigint | undefined {
  if (sector.toString('latin1', 0, 8) !== 'EFI PART') return undefined;
  const size = sector.readUInt32LE(12);
  if (size < SMALLEST_TABLE_HEADER || size > SECTOR) return undefined;
  const header = Buffer.from(sector.subarray(0, size));
  header.writeUInt32LE(0, 16);
  return crc32(header) === sector.readUInt32LE(16) ? sector.readBigUInt64LE(32) : undefined;
}
