import { createHash } from 'node:crypto';
import { invalid } from './errors.ts';

/** A content address, `sha256:` and 64 lower-case hex digits (OCI image-spec, descriptor.md#digests). */
export type Digest = string & { readonly __brand: 'Digest' };

/** The digest of a layer's uncompressed tar (OCI image-spec, config.md#layer-diffid). */
export type DiffId = Digest & { readonly __diffId: 'DiffId' };

const DIGEST = /^sha256:[0-9a-f]{64}$/;

/** Parses a digest; throws `invalid` with the reason. */
export function parseDigest(text: string): Digest {
  if (!isDigest(text)) {
    throw invalid(`invalid digest "${text}"`, { hint: 'A digest is "sha256:" and 64 hex digits' });
  }
  return text;
}

export function isDigest(text: string): text is Digest {
  return DIGEST.test(text);
}

/** Parses a diff ID; the same form as a digest. */
export function parseDiffId(text: string): DiffId {
  return parseDigest(text) as DiffId;
}

/** The sha256 digest of bytes or of a UTF-8 text. */
export function digestOf(data: Uint8Array | string): Digest {
  return `sha256:${createHash('sha256').update(data).digest('hex')}` as Digest;
}

/** The 64 hex digits after `sha256:`. */
export function digestHex(digest: Digest): string {
  return digest.slice('sha256:'.length);
}

/** A digest from the hex digits of a finished sha256. */
export function digestFromHex(hex: string): Digest {
  return parseDigest(`sha256:${hex}`);
}
