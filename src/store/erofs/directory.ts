import type { ByteString } from '../tar/header.ts';
import { BLOCK_SIZE, DIRENT_SIZE } from './format.ts';

export interface DirectoryEntry {
  readonly name: ByteString;
  readonly nid: number;
  readonly type: number;
}

/**
 * The size of a folder with these sorted names ("." and ".." among them). Each block holds as many entries as
 * fit: their records (12 bytes each) first, then their names.
 */
export function directorySize(sortedNames: readonly ByteString[]): number {
  let blocks = 0;
  let used = 0;
  for (const name of sortedNames) {
    const need = DIRENT_SIZE + name.length;
    if (used + need > BLOCK_SIZE) {
      blocks += 1;
      used = 0;
    }
    used += need;
  }
  return blocks * BLOCK_SIZE + used;
}

/** The content of a folder: as long as {@link directorySize} says. */
export function encodeDirectory(sortedEntries: readonly DirectoryEntry[], size: number): Buffer {
  const content = Buffer.alloc(size);
  for (let first = 0, block = 0; first < sortedEntries.length; block += BLOCK_SIZE) {
    const end = endOfBlock(sortedEntries, first);
    encodeBlock(content, block, sortedEntries.slice(first, end));
    first = end;
  }
  return content;
}

function endOfBlock(entries: readonly DirectoryEntry[], first: number): number {
  let used = 0;
  for (let i = first; i < entries.length; i += 1) {
    used += DIRENT_SIZE + (entries[i]?.name.length ?? 0);
    if (used > BLOCK_SIZE) return i;
  }
  return entries.length;
}

function encodeBlock(content: Buffer, block: number, entries: readonly DirectoryEntry[]): void {
  let record = block;
  let name = entries.length * DIRENT_SIZE;
  for (const entry of entries) {
    content.writeBigUInt64LE(BigInt(entry.nid), record);
    content.writeUInt16LE(name, record + 8);
    content.writeUInt8(entry.type, record + 10);
    content.write(entry.name, block + name, 'latin1');
    record += DIRENT_SIZE;
    name += entry.name.length;
  }
}
