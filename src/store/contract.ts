import type { Readable } from 'node:stream';
import type { DiffId, Digest } from '../base/index.ts';
import type { LayerFormatName } from './layer-format.ts';

/** OCI image-spec, descriptor.md. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  readonly platform?: { readonly os: string; readonly architecture: string; readonly variant?: string };
  readonly annotations?: Readonly<Record<string, string>>;
}

/** Blobs by digest, as they came: manifests, configs, compressed layers. Safe for concurrent use. */
export interface ContentStore {
  has(digest: Digest): Promise<boolean>;
  /** Size in bytes; throws `not-found`. */
  size(digest: Digest): Promise<number>;
  /** The whole blob, for small ones (manifests, configs); throws `not-found`. */
  read(digest: Digest): Promise<Buffer>;
  open(digest: Digest): Promise<Readable>;
  /** The path of the blob's file; throws `not-found`. */
  path(digest: Digest): Promise<string>;
  /** Stores bytes durably; returns their digest. */
  put(data: Uint8Array): Promise<Digest>;
  /**
   * Stores a stream durably under the digest that it must have. Throws `invalid` when digest or size differ;
   * nothing is kept then.
   */
  write(expected: { digest: Digest; size?: number }, source: Readable, signal?: AbortSignal): Promise<void>;
  /**
   * As {@link write}, for one who reads the bytes meanwhile: `copy` has them as soon as they are on the disk, and may be
   * slower. It fails when the storing does; who does not read it to its end destroys it.
   */
  writeFollowed(
    expected: { digest: Digest; size: number },
    source: Readable,
    signal?: AbortSignal,
  ): { readonly stored: Promise<void>; readonly copy: Readable };
  /** Stores a stream durably under the digest that it turns out to have. */
  add(source: Readable, signal?: AbortSignal): Promise<{ readonly digest: Digest; readonly size: number }>;
  delete(digest: Digest): Promise<void>;
  /** As {@link delete}, unless an operation holds it. */
  discard(digest: Digest): Promise<void>;
  /** All that are there. */
  list(): Promise<readonly Digest[]>;
}

/** A layer, unpacked once and for all. */
export interface Layer {
  readonly diffId: DiffId;
  /** EROFS image file, or a folder where the kernel has no EROFS. */
  readonly path: string;
  /** Bytes of the files in it, as Docker counts an image's size. */
  readonly size: number;
  /** What the layer's content must have as its fingerprint; undefined while a blob or the diff ID can tell. */
  readonly fingerprint: Digest | undefined;
}

/** A layer that was unpacked once more, beside the one that is there; deleted when disposed, unless it has replaced that. */
export interface LayerCopy extends AsyncDisposable {
  readonly path: string;
  /** Puts it into the place of the layer, durably. Nobody may have the layer mounted. */
  replace(): Promise<void>;
}

/** Read-only layers by diff ID. Safe for concurrent use; one diff ID is unpacked at most once at a time. */
export interface LayerStore {
  /** How it keeps the layers that come from now on; older ones may be of the other format. */
  readonly formatName: LayerFormatName;
  get(diffId: DiffId): Promise<Layer | undefined>;
  /**
   * Unpacks a blob that the content store holds (gzip, zstd or plain tar, by its magic bytes) and checks its
   * diff ID. Throws `invalid`, naming the entry, for a hostile or broken tar.
   */
  unpackBlob(blob: Digest, expected: DiffId, options?: LayerWriteOptions): Promise<Layer>;
  /**
   * As {@link unpackBlob}, for a blob that is just arriving: stores it in the content store (see
   * {@link ContentStore.write}) and unpacks it meanwhile. Nothing is kept when either fails.
   */
  receiveBlob(
    blob: { readonly digest: Digest; readonly size: number },
    expected: DiffId,
    source: Readable,
    options?: LayerWriteOptions,
  ): Promise<Layer>;
  /** Unpacks an uncompressed layer tar and names it by what it contains. */
  unpackTar(tar: Readable, options?: LayerWriteOptions): Promise<Layer>;
  delete(diffId: DiffId): Promise<void>;
  /** All that are there. */
  list(): readonly Layer[];
  /** Unpacks a layer once more, from its blob or its tar, whether it is there or not. Throws as {@link unpackBlob}. */
  unpackCopy(source: Digest | Readable, expected: DiffId, options?: LayerWriteOptions): Promise<LayerCopy>;
  /** Remembers what a layer must be like, durably, because its blob is to go. */
  setFingerprint(diffId: DiffId, fingerprint: Digest): void;
}

export interface LayerWriteOptions {
  readonly signal?: AbortSignal;
  /** Called with the number of input bytes that were consumed so far. */
  readonly onProgress?: (bytes: number) => void;
}

/** OCI image-spec, config.md, with Docker's additions; unknown members are kept. */
export interface ImageConfig {
  readonly architecture: string;
  readonly os: string;
  readonly variant?: string;
  readonly created?: string;
  readonly author?: string;
  readonly config?: ImageRuntimeConfig;
  readonly rootfs: { readonly type: 'layers'; readonly diff_ids: readonly DiffId[] };
  readonly history?: readonly HistoryEntry[];
}

export interface ImageRuntimeConfig {
  readonly User?: string;
  readonly ExposedPorts?: Readonly<Record<string, object>>;
  readonly Env?: readonly string[];
  readonly Entrypoint?: readonly string[] | null;
  readonly Cmd?: readonly string[] | null;
  readonly Volumes?: Readonly<Record<string, object>> | null;
  readonly WorkingDir?: string;
  readonly Labels?: Readonly<Record<string, string>> | null;
  readonly StopSignal?: string;
  readonly Shell?: readonly string[];
  readonly Healthcheck?: Readonly<Record<string, unknown>>;
  readonly OnBuild?: readonly string[];
}

export interface HistoryEntry {
  readonly created?: string;
  readonly created_by?: string;
  readonly author?: string;
  readonly comment?: string;
  readonly empty_layer?: boolean;
}

/** An image that the store holds whole: its config and all its layers are there. */
export interface Image {
  /** The digest of its config, as `docker images` shows it. */
  readonly id: Digest;
  readonly config: ImageConfig;
  readonly configBytes: Buffer;
  /** Bottom first. */
  readonly layers: readonly Layer[];
  /** Sum of the layers' sizes. */
  readonly size: number;
  /** Canonical names with tags that point to it, `docker.io/library/debian:latest`. */
  readonly tags: readonly string[];
  /** When it last got a name that it still has (ISO 8601), where known. */
  readonly taggedAt: string | undefined;
  /** `docker.io/library/debian@sha256:…`, from pulls. */
  readonly repoDigests: readonly string[];
  /** Its manifest, where it came with one: the content store has its bytes, for an exact push. */
  readonly manifest: Descriptor | undefined;
  /** The index that last named it at a registry, where one did: the content store has its bytes. */
  readonly index: Descriptor | undefined;
  /** The compressed blobs of the layers, where known. */
  readonly layerBlobs: readonly (Descriptor | undefined)[];
  /** An intermediate result of the builder: kept for its cache. */
  readonly hidden: boolean;
}

/** What is recorded of an image: all but its config, which may be damaged. */
export type ImageRecord = Omit<Image, 'config' | 'configBytes'>;

/** The images of one instance: records in the metadata database over {@link ContentStore} and {@link LayerStore}. */
export interface ImageStore {
  /** All images, newest first; those of the builder's cache only with `hidden`. */
  list(options?: { readonly hidden?: boolean }): Promise<readonly Image[]>;
  /** The records of all images, in no order, those of the builder's cache among them. */
  records(): readonly ImageRecord[];
  /** Whether there is an image of that config digest, at once. */
  has(id: Digest): boolean;
  /** By config digest; undefined where there is none. */
  get(id: Digest): Promise<Image | undefined>;
  /** The image that a canonical name (with tag or digest) points to. */
  byName(canonicalName: string): Promise<Image | undefined>;
  /** By a prefix of the id's hex digits; throws `conflict` when it is ambiguous. */
  byIdPrefix(hex: string): Promise<Image | undefined>;
  /** Records an image whose layers are all unpacked, under names (each moves from another image if taken), in one transaction. */
  add(image: NewImage): Promise<Image>;
  tag(id: Digest, canonicalName: string): Promise<void>;
  /** Removes a name; returns whether it was there. */
  untag(canonicalName: string): Promise<boolean>;
  /**
   * Forgets the image with its names; layers and blobs that nothing else needs are deleted, and their space is free soon
   * after. Throws `conflict` while something has such a layer open, and when `isUsed`, asked in the very step, says yes.
   */
  delete(
    id: Digest,
    options?: { readonly isUsed?: () => boolean },
  ): Promise<{ readonly deletedLayers: readonly DiffId[] }>;
  /** For an operation that stores blobs and layers before an image has them, or counts on those that are there. */
  hold(): Holding;
}

/**
 * Keeps blobs and layers from being deleted. When it is disposed, those that neither an image nor another holding has
 * are deleted: a failed operation leaves nothing.
 */
export interface Holding extends AsyncDisposable {
  /** From now on, whether it is there yet or not; the digest of a blob, or the diff ID of a layer. */
  add(digest: Digest): void;
}

export interface NewImage {
  readonly configBytes: Uint8Array;
  readonly tags?: readonly string[];
  readonly repoDigests?: readonly string[];
  readonly manifest?: Descriptor;
  readonly index?: Descriptor;
  readonly layerBlobs?: readonly (Descriptor | undefined)[];
  /** An intermediate result of the builder: kept for its cache, not listed. */
  readonly hidden?: boolean;
}

/**
 * JSON documents by collection and key, in the metadata database: containers, networks, volumes, the build
 * cache. A commit is durable when the promise resolves.
 */
export interface DocumentStore {
  all<T>(collection: string): readonly { key: string; document: T }[];
  get<T>(collection: string, key: string): T | undefined;
  put(collection: string, key: string, document: unknown): void;
  delete(collection: string, key: string): void;
  /** Several changes, all or none. */
  transaction<T>(work: () => T): T;
  /**
   * Does changes without waiting for the disk: they outlive a crash of berthd, and a loss of power once any later change
   * was made that waited. For what only matters until such a change.
   */
  buffered<T>(work: () => T): T;
}

/** Everything that one data root holds. */
export interface Store extends AsyncDisposable {
  readonly content: ContentStore;
  readonly layers: LayerStore;
  readonly images: ImageStore;
  readonly documents: DocumentStore;
  /** Resolves when the space of all that was deleted so far is free. */
  spaceFreed(): Promise<void>;
}
