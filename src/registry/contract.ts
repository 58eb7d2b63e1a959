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
  readonly 'os.version'?: string;
  readonly 'os.features'?: readonly string[];
}

/** An entry of an index; attestations and the like have no platform, or an unknown one. */
export interface PlatformDescriptor extends RemoteDescriptor {
  readonly platform: Platform | undefined;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** What logs a user in: a password, or what a registry has given for one ("identity token"). */
export type Credentials =
  | { readonly username: string; readonly password: string }
  | { readonly identityToken: string };

/** A manifest or an index, exactly as a registry has it. */
export type RemoteManifest = {
  readonly descriptor: RemoteDescriptor;
  /** Checked against the digest. */
  readonly bytes: Buffer;
} & (
  | { readonly kind: 'index'; readonly entries: readonly PlatformDescriptor[] }
  | {
      readonly kind: 'image';
      readonly config: RemoteDescriptor;
      /** Bottom first. */
      readonly layers: readonly RemoteDescriptor[];
    }
);

/** Who asks, and until when. */
export interface Access {
  readonly credentials?: Credentials;
  readonly signal?: AbortSignal;
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
  /** The index that named the manifest, where one did, and its exact bytes. */
  readonly index: { readonly descriptor: RemoteDescriptor; readonly bytes: Buffer } | undefined;
  readonly config: RemoteDescriptor;
  /** Bottom first. */
  readonly layers: readonly RemoteDescriptor[];
}

/** A blob of this machine, to be sent to a registry. */
export interface LocalBlob extends RemoteDescriptor {
  /** Its bytes from an offset on; may be called more than once. */
  open(from: number): Promise<Readable>;
}

/** How a registry came to have a blob: it had it, it took it over from another of its repositories, or it was sent. */
export type PushedBlob =
  | { readonly kind: 'existed' }
  | { readonly kind: 'mounted'; readonly from: string }
  | { readonly kind: 'uploaded' };

/** What is looked for, and how much of it at most. */
export interface RegistrySearch {
  readonly term: string;
  readonly limit: number;
}

/** A repository that a search has found. */
export interface SearchHit {
  readonly name: string;
  readonly description: string;
  readonly stars: number;
  readonly isOfficial: boolean;
  readonly isAutomated: boolean;
}

export interface RegistryClient {
  /**
   * Resolves a reference for a platform. Throws `not-found` (unknown name or tag, or a platform that it does not
   * offer: named with those it does), `unauthorized`, `unavailable` (unreachable, time-out, rate limit), `invalid` (schema 1, wrong digest).
   */
  resolve(reference: Reference, options: Access & { platform: Platform }): Promise<RemoteImage>;
  /** What a tag or digest names, without choosing a platform. Throws as {@link resolve}. */
  manifest(reference: Reference, options: Access): Promise<RemoteManifest>;
  /** Whether the registry itself has a manifest of that digest in the reference's repository. Throws as {@link pushBlob}. */
  hasManifest(reference: Reference, digest: Digest, options: Access): Promise<boolean>;
  /** A repository's tags, in the registry's order, however many pages they come on. Throws as {@link resolve}. */
  tags(repository: Pick<Reference, 'domain' | 'path'>, options: Access): Promise<readonly string[]>;
  /** A blob's bytes; the caller checks the digest. Resumes by Range after a cut connection. */
  fetchBlob(reference: Reference, blob: RemoteDescriptor, options: Access): Promise<Readable>;
  /**
   * Sees to it that a repository has a blob, at the registry itself, never at a mirror. An upload that a cut connection
   * ends is resumed. Throws `unauthorized`, `denied`, `unavailable`, with the registry's own words.
   */
  pushBlob(
    reference: Reference,
    blob: LocalBlob,
    options: Access & {
      /** Path of a repository of the same registry that should have the blob. */
      mountFrom?: string;
      /** Called with the number of bytes that were sent so far. */
      onProgress?: (bytes: number) => void;
    },
  ): Promise<PushedBlob>;
  /** Stores a manifest, whose blobs are all there, under the reference's tag (or its own digest). Throws as {@link pushBlob}. */
  pushManifest(
    reference: Reference,
    manifest: { readonly mediaType: string; readonly bytes: Buffer },
    options: Access,
  ): Promise<Digest>;
  /** Throws `unauthorized` when the registry at a host (with or without a port) refuses the credentials, `unavailable` when it does not answer. */
  checkLogin(domain: string, credentials: Credentials, signal?: AbortSignal): Promise<void>;
  /** Repositories of a registry that match. Throws `not-found` for a registry that cannot search, `unavailable` for one that does not answer. */
  search(domain: string, search: RegistrySearch, options: Access): Promise<readonly SearchHit[]>;
}
