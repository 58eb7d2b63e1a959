import { invalid } from '../../base/index.ts';
import { printableName, type TarEntry, type TarSink } from '../tar/entry.ts';
import type { ByteString } from '../tar/header.ts';
import {
  type Attributes,
  checkDevice,
  checkName,
  checkSymlinkTarget,
  type DirectoryNode,
  type InodeNode,
  LayerTree,
  newDirectory,
  type Place,
} from './tree.ts';
import { OPAQUE_MARKER, WHITEOUT_PREFIX } from './whiteouts.ts';
import type { XattrRules } from './xattr-rules.ts';

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

/** Where the contents of files go, one after the other. */
export interface ContentOutput {
  append(chunk: Buffer): void;
  appendZeros(length: number): void;
  /** Fills the block with zeros; returns the number of the next one. */
  alignToBlock(): number;
}

/**
 * Makes the tree of files that a layer's tar means: contents go to the output as they come, all else is kept in memory.
 * Throws `invalid` for entries that would leave the layer.
 */
export class LayerCollector implements TarSink {
  readonly #output: ContentOutput;
  readonly #rules: XattrRules;
  readonly #maxMetadata: number;
  readonly #tree = new LayerTree();
  readonly #pendingLinks: PendingLink[] = [];
  readonly #foldersWithWhiteouts = new Set<DirectoryNode>();
  /** Bytes so far. */
  #metadata = 0;
  #isContentKept = false;

  constructor(output: ContentOutput, rules: XattrRules, { maxMetadata = MAX_METADATA } = {}) {
    this.#maxMetadata = maxMetadata;
    this.#output = output;
    this.#rules = rules;
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

  /** The layer's root, when the tar has ended. */
  finish(): DirectoryNode {
    this.#resolvePendingLinks();
    for (const folder of this.#foldersWithWhiteouts) settleWhiteouts(folder);
    return this.#tree.root;
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
    this.#account(NODE_COST + hidden.length);
    parent.whiteouts ??= new Set();
    parent.whiteouts.add(hidden);
    this.#foldersWithWhiteouts.add(parent);
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
        checkDevice(entry);
        return { ...attributes, kind: entry.type, major: entry.major, minor: entry.minor };
      case 'fifo':
        return { ...attributes, kind: 'fifo' };
    }
  }

  #attributes(entry: TarEntry): Attributes {
    const { mode, uid, gid, mtime } = entry;
    if (uid > 0xffff_fffe || gid > 0xffff_fffe) throw invalid(`owner ${uid}:${gid} has more than 32 bits`);
    const xattrs = new Map<ByteString, Buffer>();
    for (const [name, value] of entry.xattrs) {
      if (!this.#rules.isKept(name)) continue;
      this.#account(NODE_COST + name.length + value.length);
      xattrs.set(name, value);
    }
    if (xattrs.size === 0) return { mode, uid, gid, mtime, xattrs: NO_XATTRS };
    this.#rules.check(xattrs); // here, where the entry's name is known
    return { mode, uid, gid, mtime, xattrs };
  }

  #account(bytes: number): void {
    this.#metadata += bytes;
    if (this.#metadata > this.#maxMetadata) {
      throw invalid(`the layer has more than ${this.#maxMetadata / 2 ** 20} MiB of names and attributes`);
    }
  }
}

/** Folders and files at the layer's top that only aufs understood. */
function isAufsRecord(name: ByteString): boolean {
  const path = name.replace(/^(?:\.\/+)+/, '');
  return path.startsWith(AUFS_PREFIX) && path !== OPAQUE_MARKER;
}

/** What the layer itself has under a hidden name stays visible; a folder there must not show what the hidden one had. */
function settleWhiteouts({ children, whiteouts }: DirectoryNode): void {
  for (const name of whiteouts ?? []) {
    const own = children.get(name);
    if (own === undefined) continue;
    if (own.kind === 'directory') own.isOpaque = true;
    whiteouts?.delete(name);
  }
}

const NO_XATTRS: ReadonlyMap<ByteString, Buffer> = new Map();
