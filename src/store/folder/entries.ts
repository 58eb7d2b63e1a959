import { writeSync } from 'node:fs';
import { BLOCK_SIZE } from '../erofs/format.ts';
import type { DirectoryNode, InodeNode } from '../layer-tree/tree.ts';
import { OPAQUE_MARKER, WHITEOUT_PREFIX } from '../layer-tree/whiteouts.ts';
import { cannotBeStored, fitsKernel, isOverlayXattr, type XattrRules } from '../layer-tree/xattr-rules.ts';
import type { ByteString } from '../tar/header.ts';
import { encodeTarEntry, encodeTime, type PlainFields } from './tar-entry.ts';

/** A name in a folder of the layer. */
interface Named {
  readonly name: ByteString;
  readonly node: InodeNode;
}

/** What a folder holds of a tar's xattrs: what is no business of the host's security modules; its file system sets limits. */
export const FOLDER_XATTRS: XattrRules = {
  isKept: (name) =>
    !isOverlayXattr(name) && /^(user\.|trusted\.|security\.capability$|system\.posix_acl_)/.test(name),
  check(xattrs) {
    for (const [name, value] of xattrs) if (!fitsKernel(name, value)) throw cannotBeStored(name, value);
  },
};

/** Entries are gathered to pieces of this size. */
const PIECE_SIZE = 256 * 1024;

/** Writes a layer's tree to a file as {@link encodeEntries} has it; returns the bytes of the files in it. */
export function writeEntries(fd: number, root: DirectoryNode): number {
  const entries = encodeEntries(root);
  let pieces: Buffer[] = [];
  let gathered = 0;
  for (let next = entries.next(); ; next = entries.next()) {
    if (!next.done) {
      pieces.push(next.value);
      gathered += next.value.length;
    }
    if (gathered < PIECE_SIZE && !next.done) continue;
    writeAll(fd, Buffer.concat(pieces));
    if (next.done) return next.value;
    pieces = [];
    gathered = 0;
  }
}

function writeAll(fd: number, data: Buffer): void {
  for (let at = 0; at < data.length; ) at += writeSync(fd, data, at);
}

/**
 * A layer's tree as a tar for `berth-fs unpack-layer`: each folder before what is in it, names sorted, each file once and from
 * then on as a hard link, whiteouts as OCI writes them. Contents are not in it: the record `BERTH.content` says at which byte
 * of the contents file one begins, and how long it is. Yields whole entries; returns the bytes of the files.
 */
function* encodeEntries(root: DirectoryNode): Generator<Buffer, number> {
  const firstNames = new Map<InodeNode, ByteString>();
  let size = 0;
  yield encodeNode('./', root);
  const folders = [{ path: '', node: root }];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    yield* encodeHidden(folder.path, folder.node);
    for (const { name, node } of namesIn(folder.node)) {
      const path = `${folder.path}${name}`;
      const first = firstNames.get(node);
      if (first === undefined) {
        firstNames.set(node, path);
        size += contentSize(node);
        yield encodeNode(path, node);
      } else {
        yield encodeTarEntry({ type: '1' }, new Map([...nameRecord(path), ['linkpath', first]]));
      }
      if (node.kind === 'directory') folders.push({ path: `${path}/`, node });
    }
  }
  return size;
}

function namesIn({ children }: DirectoryNode): Named[] {
  const named: Named[] = [];
  for (const [name, node] of children) if (node.kind !== 'pending-link') named.push({ name, node });
  return named.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function* encodeHidden(folder: ByteString, { isOpaque, whiteouts }: DirectoryNode): Generator<Buffer> {
  if (isOpaque) yield encodeTarEntry({ type: '0' }, nameRecord(`${folder}${OPAQUE_MARKER}`));
  for (const name of [...(whiteouts ?? [])].sort()) {
    yield encodeTarEntry({ type: '0' }, nameRecord(`${folder}${WHITEOUT_PREFIX}${name}`));
  }
}

function encodeNode(path: ByteString, node: InodeNode): Buffer {
  const records = nameRecord(path);
  records.set('uid', `${node.uid}`).set('gid', `${node.gid}`).set('mtime', encodeTime(node.mtime));
  for (const [name, value] of node.xattrs) records.set(`SCHILY.xattr.${name}`, value);
  if (node.kind === 'symlink') records.set('linkpath', node.target);
  if (node.kind === 'file') records.set('BERTH.content', `${node.block * BLOCK_SIZE},${node.size}`);
  return encodeTarEntry(plainFields(node), records);
}

function nameRecord(path: ByteString): Map<ByteString, ByteString | Buffer> {
  return new Map([['path', path]]);
}

function plainFields(node: InodeNode): PlainFields {
  const { mode } = node;
  switch (node.kind) {
    case 'file':
      return { type: '0', mode };
    case 'symlink':
      return { type: '2', mode };
    case 'character':
      return { type: '3', mode, major: node.major, minor: node.minor };
    case 'block':
      return { type: '4', mode, major: node.major, minor: node.minor };
    case 'directory':
      return { type: '5', mode };
    case 'fifo':
      return { type: '6', mode };
  }
}

function contentSize(node: InodeNode): number {
  if (node.kind === 'file') return node.size;
  return node.kind === 'symlink' ? node.target.length : 0;
}
