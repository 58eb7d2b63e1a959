import { invalid } from '../../base/index.ts';
import { cannotBeStored, fitsKernel, isOverlayXattr, type XattrRules } from '../layer-tree/xattr-rules.ts';
import type { ByteString } from '../tar/header.ts';
import { XATTR_HEADER_SIZE } from './format.ts';

/** Name prefixes that EROFS stores as a number, longest match first. */
const PREFIXES: readonly { readonly prefix: string; readonly index: number; readonly whole?: true }[] = [
  { prefix: 'system.posix_acl_access', index: 2, whole: true },
  { prefix: 'system.posix_acl_default', index: 3, whole: true },
  { prefix: 'trusted.', index: 4 },
  { prefix: 'security.', index: 6 },
  { prefix: 'user.', index: 1 },
];

const MAX_SIZE = XATTR_HEADER_SIZE + 4 * 0xfffe;

/** Makes overlayfs hide what lower layers have in the folder. */
export const OPAQUE_XATTR = 'trusted.overlay.opaque';

/** What an EROFS image holds of a tar's xattrs: what it has a name space for. */
export const EROFS_XATTRS: XattrRules = {
  isKept: (name) => !isOverlayXattr(name) && prefixOf(name) !== undefined,
  check: encodeXattrs,
};

/**
 * The xattrs of an inode as they follow it in the image, sorted by name; empty for none. Throws `invalid` for
 * what EROFS cannot hold.
 */
export function encodeXattrs(xattrs: ReadonlyMap<ByteString, Buffer>): Buffer {
  if (xattrs.size === 0) return Buffer.alloc(0);
  const names = [...xattrs.keys()].sort();
  const parts: Buffer[] = [Buffer.alloc(XATTR_HEADER_SIZE)];
  let size = XATTR_HEADER_SIZE;
  for (const name of names) {
    const part = encodeXattr(name, xattrs.get(name) ?? Buffer.alloc(0));
    parts.push(part);
    size += part.length;
  }
  if (size > MAX_SIZE) throw invalid(`extended attributes of ${size} bytes (at most ${MAX_SIZE})`);
  return Buffer.concat(parts);
}

function encodeXattr(name: ByteString, value: Buffer): Buffer {
  const prefix = prefixOf(name);
  const suffix = name.slice(prefix?.prefix.length);
  if (prefix === undefined || !fitsKernel(name, value)) throw cannotBeStored(name, value);
  const length = 4 + suffix.length + value.length;
  const entry = Buffer.alloc(length + (-length & 3));
  entry.writeUInt8(suffix.length, 0);
  entry.writeUInt8(prefix.index, 1);
  entry.writeUInt16LE(value.length, 2);
  entry.write(suffix, 4, 'latin1');
  value.copy(entry, 4 + suffix.length);
  return entry;
}

function prefixOf(name: ByteString) {
  return PREFIXES.find(({ prefix, whole }) => (whole ? name === prefix : name.startsWith(prefix)));
}
