import type { DeviceNode, DirectoryNode, InodeNode } from '../layer-tree/tree.ts';
import type { BlockOutput } from './block-output.ts';
import {
  BLOCK_SIZE,
  DATA_LAYOUT,
  encodeDevice,
  encodeInode,
  encodeSuperblock,
  INODE_SIZE,
  MODE_TYPE,
  SLOT_SIZE,
} from './format.ts';
import { encodeSymlink, type ImageLayout, layOutImage, type PlacedInode } from './layout.ts';

/**
 * Makes an EROFS image of a layer, behind whose files' contents `output` stands: writes all that is missing, the superblock
 * last. The same tree always gives the same bytes. Whiteouts take overlayfs's form. Returns the bytes of the files in it.
 */
export function writeImage(root: DirectoryNode, output: BlockOutput, uuid: Buffer): number {
  const layout = layOutImage(root, output.alignToBlock());
  const tails = writeContents(layout, output);
  writeInodes(layout, tails, output);
  const blocks = output.alignToBlock();
  const rootNid = layout.inodes[0]?.nid ?? 0;
  const { metaBlock, inodes } = layout;
  output.finish(encodeSuperblock({ rootNid, inodes: inodes.length, blocks, metaBlock, uuid }));
  return inodes.reduce((sum, { node, size }) => sum + (node.kind === 'directory' ? 0 : size), 0);
}

/** Folders and symlink targets, as far as they are not inline; returns what follows each inode. */
function writeContents(layout: ImageLayout, output: BlockOutput): ReadonlyMap<PlacedInode, Buffer> {
  const tails = new Map<PlacedInode, Buffer>();
  for (const inode of layout.inodes) {
    const { node } = inode;
    if (node.kind !== 'directory' && node.kind !== 'symlink') continue;
    const content = node.kind === 'directory' ? layout.encodeDirectory(node) : encodeSymlink(node);
    const inBlocks = content.length - inode.inlineSize;
    if (inBlocks > 0) {
      output.append(content.subarray(0, inBlocks));
      output.alignToBlock();
    }
    if (inode.inlineSize > 0) tails.set(inode, content.subarray(inBlocks));
  }
  return tails;
}

function writeInodes(
  { inodes, metaBlock }: ImageLayout,
  tails: ReadonlyMap<PlacedInode, Buffer>,
  output: BlockOutput,
): void {
  const head = Buffer.alloc(INODE_SIZE);
  for (const inode of inodes) {
    const { node, xattrs, nid } = inode;
    output.appendZeros(metaBlock * BLOCK_SIZE + nid * SLOT_SIZE - output.position);
    encodeInode(head, {
      layout: inode.inlineSize > 0 ? DATA_LAYOUT.inlineTail : DATA_LAYOUT.plain,
      xattrSize: xattrs.length,
      mode: MODE_TYPE[node.kind] | node.mode,
      size: inode.size,
      address: isDevice(node) ? encodeDevice(node.major, node.minor) : inode.block,
      number: inode.number,
      uid: node.uid,
      gid: node.gid,
      mtimeSeconds: node.mtime.seconds,
      mtimeNanoseconds: node.mtime.nanoseconds,
      links: inode.links,
    });
    output.append(head);
    output.append(xattrs);
    const tail = tails.get(inode);
    if (tail !== undefined) output.append(tail);
  }
}

function isDevice(node: InodeNode): node is DeviceNode {
  return node.kind === 'character' || node.kind === 'block';
}
