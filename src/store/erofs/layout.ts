import type { DirectoryNode, InodeNode, SymlinkNode } from '../layer-tree/tree.ts';
import type { ByteString } from '../tar/header.ts';
import { type DirectoryEntry, directorySize, encodeDirectory } from './directory.ts';
import { BLOCK_SIZE, DIRENT_TYPE, INODE_SIZE, SLOT_SIZE } from './format.ts';
import { encodeXattrs, OPAQUE_XATTR } from './xattrs.ts';

/** Where an inode and its content are in the image. */
export interface PlacedInode {
  readonly node: InodeNode;
  /** From 1, in the order of the image. */
  readonly number: number;
  /** Names that lead to it; for a folder also its own "." and its subfolders' "..". */
  links: number;
  readonly xattrs: Buffer;
  /** Bytes of content. */
  readonly size: number;
  /** Of those, how many follow the inode in its own block. */
  readonly inlineSize: number;
  readonly nid: number;
  /** First block of the content that is not inline. */
  readonly block: number;
}

/** Where everything goes that is written after the files' contents. */
export interface ImageLayout {
  readonly inodes: readonly PlacedInode[];
  readonly metaBlock: number;
  /** The content of a folder, with its final inode numbers. */
  encodeDirectory(directory: DirectoryNode): Buffer;
}

/** What hides a lower layer's file: a character device 0/0, one for the whole layer, as the kernel makes it. */
const WHITEOUT: InodeNode = {
  kind: 'character',
  major: 0,
  minor: 0,
  mode: 0,
  uid: 0,
  gid: 0,
  mtime: { seconds: 0, nanoseconds: 0 },
  xattrs: new Map(),
};

/**
 * Gives every inode its place: folder by folder, a folder's files side by side. `firstBlock` is the first one
 * after the files' contents.
 */
export function layOutImage(root: DirectoryNode, firstBlock: number): ImageLayout {
  const placed = new Map<InodeNode, PlacedInode>();
  const parents = new Map<DirectoryNode, DirectoryNode>([[root, root]]);
  const names = new Map<DirectoryNode, readonly ByteString[]>();
  let nextBlock = firstBlock;
  let nextSlot = 1;

  function place(node: InodeNode): PlacedInode {
    const xattrs = encodeXattrs(effectiveXattrs(node));
    const size = contentSize(node, names);
    const tail = node.kind === 'file' ? 0 : size % BLOCK_SIZE;
    const inlineSize = INODE_SIZE + xattrs.length + tail <= BLOCK_SIZE ? tail : 0;
    const block = node.kind === 'file' ? node.block : nextBlock;
    if (node.kind !== 'file') nextBlock += Math.ceil((size - inlineSize) / BLOCK_SIZE);
    const slots = Math.ceil((INODE_SIZE + xattrs.length + inlineSize) / SLOT_SIZE);
    const nid = slotWithin(nextSlot, slots);
    nextSlot = nid + slots;
    const inode = { node, number: placed.size + 1, links: 0, xattrs, size, inlineSize, nid, block };
    placed.set(node, inode);
    return inode;
  }

  function link(node: InodeNode): void {
    const inode = placed.get(node) ?? place(node);
    inode.links += 1;
  }

  const directories = [root];
  names.set(root, sortedNames(root));
  link(root);
  for (let directory = directories.pop(); directory !== undefined; directory = directories.pop()) {
    const subdirectories: DirectoryNode[] = [];
    for (const name of names.get(directory) ?? []) {
      const node = childOf(directory, name, parents);
      if (node.kind === 'directory' && !isSelfOrParent(name)) {
        parents.set(node, directory);
        names.set(node, sortedNames(node));
        subdirectories.push(node);
      }
      if (!(node === root && name === '..')) link(node);
    }
    for (const subdirectory of subdirectories.reverse()) directories.push(subdirectory);
  }

  return {
    inodes: [...placed.values()],
    metaBlock: nextBlock,
    encodeDirectory(directory) {
      const entries = (names.get(directory) ?? []).map((name): DirectoryEntry => {
        const node = childOf(directory, name, parents);
        return { name, nid: placed.get(node)?.nid ?? 0, type: DIRENT_TYPE[node.kind] };
      });
      return encodeDirectory(entries, placed.get(directory)?.size ?? 0);
    },
  };
}

/** The target of a symlink as its content. */
export function encodeSymlink(node: SymlinkNode): Buffer {
  return Buffer.from(node.target, 'latin1');
}

/** The first slot from `next` on where so many slots do not cross a block's end (or, if longer, start with one). */
function slotWithin(next: number, slots: number): number {
  const perBlock = BLOCK_SIZE / SLOT_SIZE;
  const left = perBlock - (next % perBlock);
  return slots <= left ? next : next + left;
}

function sortedNames(directory: DirectoryNode): readonly ByteString[] {
  const names = new Set(['.', '..', ...directory.children.keys(), ...(directory.whiteouts ?? [])]);
  return [...names].sort();
}

const isSelfOrParent = (name: ByteString) => name === '.' || name === '..';

function childOf(
  directory: DirectoryNode,
  name: ByteString,
  parents: ReadonlyMap<DirectoryNode, DirectoryNode>,
): InodeNode {
  if (name === '.') return directory;
  if (name === '..') return parents.get(directory) ?? directory;
  const node = directory.children.get(name);
  return node === undefined || node.kind === 'pending-link' ? WHITEOUT : node;
}

function contentSize(node: InodeNode, names: ReadonlyMap<DirectoryNode, readonly ByteString[]>): number {
  switch (node.kind) {
    case 'file':
      return node.size;
    case 'directory':
      return directorySize(names.get(node) ?? []);
    case 'symlink':
      return node.target.length;
    default:
      return 0;
  }
}

function effectiveXattrs(node: InodeNode): ReadonlyMap<ByteString, Buffer> {
  if (node.kind !== 'directory' || !node.isOpaque) return node.xattrs;
  return new Map([...node.xattrs, [OPAQUE_XATTR, Buffer.from('y')]]);
}
