import type { Readable } from 'node:stream';
import type { Digest, Reference } from '../base/index.ts';

/** OCI image-spec, descriptor.md; the same shape as the store's. */
export interface RemoteDescriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
}

export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
}

export interface Credentials {
  readonly username: string;
  readonly password: string;
}

/** Docker's meaning: mirrors serve docker.io only; insecure registries may be asked by http or with any certificate. */
export interface RegistryOptions {
  readonly mirrors: readonly string[];
  /** Hosts (with port) or CIDRs; loopback is always insecure-allowed. */
  readonly insecure: readonly string[];
}

/** One platform's image at a registry. */
export interface RemoteImage {
  /** What the name resolved to: an index's or a manifest's digest, as RepoDigests shows it. */
  readonly digest: Digest;
  readonly manifest: RemoteDescriptor;
  /** The manifest's exact bytes, checked against its digest. */
  readonly manifestBytes: Buffer;
  readonly config: RemoteDescriptor;
  /** Bottom first. */
  readonly layers: readonly RemoteDescriptor[];
}

export interface RegistryClient {
  /**
   * Resolves a reference for a platform. Throws `not-found` (unknown name or tag, or a platform that it does not
   * offer: named with those it does), `unauthorized`, `unavailable` (unreachable, time-out, rate limit), `invalid` (schema 1, wrong digest).
   */
  resolve(
    reference: Reference,
    options: { platform: Platform; credentials?: Credentials; signal?: AbortSignal },
  ): Promise<RemoteImage>;
  /** A blob's bytes; the caller checks the digest. Resumes by Range after a cut connection. */
  fetchBlob(
    reference: Reference,
    blob: RemoteDescriptor,
    options: { credentials?: Credentials; signal?: AbortSignal },
  ): Promise<Readable>;
}
