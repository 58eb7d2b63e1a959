import { invalid } from '../../base/index.ts';
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

/**
 * Whether an image keeps an xattr that a tar brings. overlayfs obeys its own (`trusted.overlay.*`,
 * `user.overlay.*`): from a tar they could reach out of the layer, so they are dropped, as are
 * name spaces that EROFS does not know.
 */
export function isKeptXattr(name: ByteString): boolean {
  return !/^[^.]*\.overlay(\.|$)/.test(name) && prefixOf(name) !== undefined;
}

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
  if (prefix === undefined || name.length > 255 || value.length > 0xffff) {
    throw invalid(`the extended attribute "${name.slice(0, 300)}" of ${value.length} bytes cannot be stored`);
  }
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
