import { type BerthError, invalid } from '../../base/index.ts';
import type { ByteString } from '../tar/header.ts';

/** What a format of layers can hold of extended attributes. */
export interface XattrRules {
  /** Whether an attribute that a tar brings is kept; others are dropped. */
  isKept(name: ByteString): boolean;
  /** Throws `invalid` when an inode cannot have all of these. */
  check(xattrs: ReadonlyMap<ByteString, Buffer>): void;
}

/**
 * overlayfs obeys its own attributes (`trusted.overlay.*`, `user.overlay.*`): from a tar they could reach out of the layer,
 * so no format keeps them.
 */
export function isOverlayXattr(name: ByteString): boolean {
  return /^[^.]*\.overlay(\.|$)/.test(name);
}

/** XATTR_NAME_MAX and, less one, XATTR_SIZE_MAX of Linux. */
export function fitsKernel(name: ByteString, value: Buffer): boolean {
  return name.length <= 255 && value.length <= 0xffff;
}

export function cannotBeStored(name: ByteString, value: Buffer): BerthError {
  return invalid(`the extended attribute "${name.slice(0, 300)}" of ${value.length} bytes cannot be stored`);
}
