/**
 * The on-disk format of EROFS, as far as layers use it (Linux Documentation/filesystems/erofs.rst and
 * fs/erofs/erofs_fs.h). All numbers are little-endian. An image file of ours is, in 4 KiB blocks:
 *
 *     block 0          superblock at byte 1024, else zeros
 *     blocks 1 to d    file contents, each from a block's start, in the order of the tar
 *     blocks to m      full blocks of directories, long symlink targets
 *     blocks from m    inodes in slots of 32 bytes, each with its xattrs and, where it fits into the same
 *                      block, its inline tail (the rest of a directory, a symlink's target)
 *
 * An inode's number ("nid") is its slot counted from block m; slot 0 stays empty, because file number 0 means
 * "deleted" to readdir. The root is the first inode: its nid must fit into 16 bits.
 */
export const BLOCK_SIZE = 4096;
export const BLOCK_BITS = 12;
export const SLOT_SIZE = 32;
export const INODE_SIZE = 64;
/** What an inode's xattrs begin with. */
export const XATTR_HEADER_SIZE = 12;

/** Block addresses have 32 bits. */
export const MAX_BLOCKS = 2 ** 32 - 2;

const SUPERBLOCK_OFFSET = 1024;
const MAGIC = 0xe0f5e1e2;
const FEATURE_COMPAT_CHECKSUM = 0x1;
/** Inodes carry the modification time. */
const FEATURE_COMPAT_MTIME = 0x2;

/** Block 0 with a superblock whose checksum is right. Build time is 0: the same tar gives the same bytes. */
export function encodeSuperblock(image: {
  readonly rootNid: number;
  readonly inodes: number;
  readonly blocks: number;
  readonly metaBlock: number;
  readonly uuid: Buffer;
}): Buffer {
  const block = Buffer.alloc(BLOCK_SIZE);
  const superblock = block.subarray(SUPERBLOCK_OFFSET);
  superblock.writeUInt32LE(MAGIC, 0);
  superblock.writeUInt32LE(FEATURE_COMPAT_CHECKSUM | FEATURE_COMPAT_MTIME, 8);
  superblock.writeUInt8(BLOCK_BITS, 12);
  superblock.writeUInt16LE(image.rootNid, 14);
  superblock.writeBigUInt64LE(BigInt(image.inodes), 16);
  superblock.writeUInt32LE(image.blocks, 36);
  superblock.writeUInt32LE(image.metaBlock, 40);
  image.uuid.copy(superblock, 48, 0, 16);
  superblock.writeUInt32LE(crc32c(superblock), 4);
  return block;
}

/** How an inode's content is stored. */
export const DATA_LAYOUT = { plain: 0, inlineTail: 2 } as const;

/** Values of an inode's format bits of st_mode. */
export const MODE_TYPE = {
  file: 0o100000,
  directory: 0o040000,
  symlink: 0o120000,
  character: 0o020000,
  block: 0o060000,
  fifo: 0o010000,
} as const;

/** A directory entry's type byte. */
export const DIRENT_TYPE = { file: 1, directory: 2, character: 3, block: 4, fifo: 5, symlink: 7 } as const;

export const DIRENT_SIZE = 12;

/** Writes an extended inode (64 bytes) at the start of `buffer`. */
export function encodeInode(
  buffer: Buffer,
  inode: {
    readonly layout: number;
    readonly xattrSize: number;
    readonly mode: number;
    readonly size: number;
    /** First block of the content, or the device number. */
    readonly address: number;
    readonly number: number;
    readonly uid: number;
    readonly gid: number;
    readonly mtimeSeconds: number;
    readonly mtimeNanoseconds: number;
    readonly links: number;
  },
): void {
  buffer.fill(0, 0, INODE_SIZE);
  buffer.writeUInt16LE(1 | (inode.layout << 1), 0);
  buffer.writeUInt16LE(xattrCount(inode.xattrSize), 2);
  buffer.writeUInt16LE(inode.mode, 4);
  buffer.writeBigUInt64LE(BigInt(inode.size), 8);
  buffer.writeUInt32LE(inode.address, 16);
  buffer.writeUInt32LE(inode.number, 20);
  buffer.writeUInt32LE(inode.uid, 24);
  buffer.writeUInt32LE(inode.gid, 28);
  buffer.writeBigInt64LE(BigInt(inode.mtimeSeconds), 32);
  buffer.writeUInt32LE(inode.mtimeNanoseconds, 40);
  buffer.writeUInt32LE(inode.links, 44);
}

/** An inode counts its xattrs in units of 4 bytes, their header as one. */
function xattrCount(size: number): number {
  return size === 0 ? 0 : (size - XATTR_HEADER_SIZE) / 4 + 1;
}

/** The kernel's new_encode_dev(). */
export function encodeDevice(major: number, minor: number): number {
  return ((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)) >>> 0;
}

/** CRC-32C from ~0 without the final inversion, as the kernel's crc32c() gives it. */
export function crc32c(data: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of data) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return crc >>> 0;
}
