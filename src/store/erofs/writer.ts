import { invalid } from '../../base/index.ts';
import { printableName, type TarEntry, type TarSink } from '../tar/entry.ts';
import type { ByteString } from '../tar/header.ts';
import { BlockOutput } from './block-output.ts';
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
import {
  type Attributes,
  checkName,
  checkSymlinkTarget,
  type InodeNode,
  LayerTree,
  newDirectory,
  type Place,
} from './tree.ts';
import { encodeXattrs, isKeptXattr } from './xattrs.ts';

/** OCI image-spec, layer.md#whiteouts. */
const WHITEOUT_PREFIX = '.wh.';
const OPAQUE_MARKER = '.wh..wh..opq';
/** Records of aufs that Docker skips too. */
const AUFS_PREFIX = '.wh..wh.';

/** Names, link targets and xattrs are held in memory until the end: together at most this much. */
const MAX_METADATA = 512 * 1024 * 1024;
/** What an inode costs in memory beside its texts, roughly. */
const NODE_COST = 400;
const FOLDER_COST = 1200;

/** A link that waits for its target. */
interface PendingLink {
  readonly place: Place;
  readonly target: ByteString;
  readonly entryName: ByteString;
}

/**
 * Writes one layer's tar as an EROFS image: contents go to the file as they come, all else is kept in memory
 * and written by {@link ErofsWriter.finish}. The same tar always gives the same bytes. Whiteouts take
 * overlayfs's form. Throws `invalid` for entries that would leave the layer.
 */
export class ErofsWriter implements TarSink {
  readonly #output: BlockOutput;
  readonly #tree = new LayerTree();
  readonly #pendingLinks: PendingLink[] = [];
  /** Bytes so far, counted against {@link MAX_METADATA}. */
  #metadata = 0;
  #isContentKept = false;

  /** `fd` is an empty file, open for writing. */
  constructor(fd: number) {
    this.#output = new BlockOutput(fd);
  }

  entry(entry: TarEntry): void {
    this.#isContentKept = false;
    if (isAufsRecord(entry.name)) return;
    const place = this.#place(entry.name);
    if (place.name === OPAQUE_MARKER) place.parent.isOpaque = true;
    else if (place.name.startsWith(WHITEOUT_PREFIX)) this.#whiteout(place);
    else if (place.name === '') this.#rootEntry(entry);
    else this.#namedEntry(entry, place);
  }

  data(chunk: Buffer): void {
    if (this.#isContentKept) this.#output.append(chunk);
  }

  hole(length: number): void {
    if (this.#isContentKept) this.#output.appendZeros(length);
  }

  /** Writes all that is missing, the superblock last. Returns the bytes of the files in the layer. */
  finish(uuid: Buffer): { readonly size: number } {
    this.#resolvePendingLinks();
    const layout = layOutImage(this.#tree.root, this.#output.alignToBlock());
    const tails = this.#writeContents(layout);
    this.#writeInodes(layout, tails);
    const blocks = this.#output.alignToBlock();
    const rootNid = layout.inodes[0]?.nid ?? 0;
    const { metaBlock, inodes } = layout;
    this.#output.finish(encodeSuperblock({ rootNid, inodes: inodes.length, blocks, metaBlock, uuid }));
    return { size: inodes.reduce((sum, { node, size }) => sum + (node.kind === 'directory' ? 0 : size), 0) };
  }

  #place(name: ByteString): Place {
    const before = this.#tree.impliedFolders;
    const place = this.#tree.place(name);
    this.#account((this.#tree.impliedFolders - before) * FOLDER_COST);
    return place;
  }

  #whiteout({ parent, name }: Place): void {
    const hidden = name.slice(WHITEOUT_PREFIX.length);
    checkName(hidden);
    this.#account(hidden.length);
    parent.whiteouts ??= new Set();
    parent.whiteouts.add(hidden);
  }

  #rootEntry(entry: TarEntry): void {
    if (entry.type !== 'directory') throw invalid(`the layer's root would be a ${entry.type}`);
    Object.assign(this.#tree.root, this.#attributes(entry));
  }

  #namedEntry(entry: TarEntry, place: Place): void {
    this.#account((entry.type === 'directory' ? FOLDER_COST : NODE_COST) + place.name.length);
    const { parent, name } = place;
    if (entry.type === 'hardlink') {
      this.#hardLink(entry.target, { place, target: entry.target, entryName: entry.name });
      return;
    }
    const existing = parent.children.get(name);
    if (entry.type === 'directory' && existing?.kind === 'directory') {
      Object.assign(existing, this.#attributes(entry));
      return;
    }
    parent.children.set(name, this.#node(entry));
  }

  #hardLink(target: ByteString, pending: PendingLink): void {
    const { parent, name } = pending.place;
    const node = this.#tree.find(target);
    if (node?.kind === 'directory') throw invalid(`a hard link to the folder "${printableName(target)}"`);
    if (node === undefined || node.kind === 'pending-link') {
      this.#account(target.length);
      parent.children.set(name, { kind: 'pending-link', target });
      this.#pendingLinks.push(pending);
    } else {
      parent.children.set(name, node);
    }
  }

  /** In rounds, because a link may lead to another one; a round that resolves none ends it. */
  #resolvePendingLinks(): void {
    let waiting = this.#pendingLinks.filter(({ place, target }) => {
      const node = place.parent.children.get(place.name);
      return node?.kind === 'pending-link' && node.target === target;
    });
    while (waiting.length > 0) {
      const still = waiting.filter((pending) => !this.#resolve(pending));
      const [first] = still;
      if (first !== undefined && still.length === waiting.length) {
        const target = printableName(first.target);
        throw invalid(
          `entry "${printableName(first.entryName)}": the hard link's target "${target}" is not in the layer`,
        );
      }
      waiting = still;
    }
  }

  #resolve({ place, target, entryName }: PendingLink): boolean {
    const node = this.#tree.find(target);
    if (node?.kind === 'directory') {
      throw invalid(
        `entry "${printableName(entryName)}": a hard link to the folder "${printableName(target)}"`,
      );
    }
    if (node === undefined || node.kind === 'pending-link') return false;
    place.parent.children.set(place.name, node);
    return true;
  }

  #node(entry: Exclude<TarEntry, { type: 'hardlink' }>): InodeNode {
    const attributes = this.#attributes(entry);
    switch (entry.type) {
      case 'directory':
        return newDirectory(attributes);
      case 'file': {
        this.#isContentKept = true;
        const block = entry.size === 0 ? 0 : this.#output.alignToBlock();
        return { ...attributes, kind: 'file', size: entry.size, block };
      }
      case 'symlink':
        checkSymlinkTarget(entry.target);
        this.#account(entry.target.length);
        return { ...attributes, mode: 0o777, kind: 'symlink', target: entry.target };
      case 'character':
      case 'block':
        return { ...attributes, kind: entry.type, device: encodeDevice(entry.major, entry.minor) };
      case 'fifo':
        return { ...attributes, kind: 'fifo' };
    }
  }

  #attributes(entry: TarEntry): Attributes {
    const { mode, uid, gid, mtime } = entry;
    if (uid > 0xffff_fffe || gid > 0xffff_fffe) throw invalid(`owner ${uid}:${gid} has more than 32 bits`);
    const xattrs = new Map<ByteString, Buffer>();
    for (const [name, value] of entry.xattrs) {
      if (!isKeptXattr(name)) continue;
      this.#account(NODE_COST + name.length + value.length);
      xattrs.set(name, value);
    }
    if (xattrs.size === 0) return { mode, uid, gid, mtime, xattrs: NO_XATTRS };
    encodeXattrs(xattrs); // refuses here, where the entry's name is known
    return { mode, uid, gid, mtime, xattrs };
  }

  #account(bytes: number): void {
    this.#metadata += bytes;
    if (this.#metadata > MAX_METADATA) {
      throw invalid('the layer has more than 512 MiB of names and attributes');
    }
  }

  /** Folders and symlink targets, as far as they are not inline; returns what follows each inode. */
  #writeContents(layout: ImageLayout): ReadonlyMap<PlacedInode, Buffer> {
    const tails = new Map<PlacedInode, Buffer>();
    for (const inode of layout.inodes) {
      const { node } = inode;
      if (node.kind !== 'directory' && node.kind !== 'symlink') continue;
      const content = node.kind === 'directory' ? layout.encodeDirectory(node) : encodeSymlink(node);
      const inBlocks = content.length - inode.inlineSize;
      if (inBlocks > 0) {
        this.#output.append(content.subarray(0, inBlocks));
        this.#output.alignToBlock();
      }
      if (inode.inlineSize > 0) tails.set(inode, content.subarray(inBlocks));
    }
    return tails;
  }

  #writeInodes({ inodes, metaBlock }: ImageLayout, tails: ReadonlyMap<PlacedInode, Buffer>): void {
    const head = Buffer.alloc(INODE_SIZE);
    for (const inode of inodes) {
      const { node, xattrs, nid } = inode;
      this.#output.appendZeros(metaBlock * BLOCK_SIZE + nid * SLOT_SIZE - this.#output.position);
      encodeInode(head, {
        layout: inode.inlineSize > 0 ? DATA_LAYOUT.inlineTail : DATA_LAYOUT.plain,
        xattrSize: xattrs.length,
        mode: MODE_TYPE[node.kind] | node.mode,
        size: inode.size,
        address: node.kind === 'character' || node.kind === 'block' ? node.device : inode.block,
        number: inode.number,
        uid: node.uid,
        gid: node.gid,
        mtimeSeconds: node.mtime.seconds,
        mtimeNanoseconds: node.mtime.nanoseconds,
        links: inode.links,
      });
      this.#output.append(head);
      this.#output.append(xattrs);
      const tail = tails.get(inode);
      if (tail !== undefined) this.#output.append(tail);
    }
  }
}

/** Folders and files at the layer's top that only aufs understood. */
function isAufsRecord(name: ByteString): boolean {
  const path = name.replace(/^(?:\.\/+)+/, '');
  return path.startsWith(AUFS_PREFIX) && path !== OPAQUE_MARKER;
}

const NO_XATTRS: ReadonlyMap<ByteString, Buffer> = new Map();
