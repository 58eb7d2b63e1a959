import { canonicalName, invalid, parseReference } from '../../base/index.ts';

/** The members of an OCI descriptor that a manifest list has, in Docker's order: the order is part of a list's digest. */
export interface ListDescriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly platform?: ListPlatform | undefined;
}

export interface ListPlatform {
  readonly architecture: string;
  readonly os: string;
  readonly 'os.version'?: string;
  readonly 'os.features'?: readonly string[];
  readonly variant?: string;
}

/** An image of a manifest list as Docker's CLI keeps it in a file, and as `inspect --verbose` shows it. */
export interface ListEntry {
  readonly Ref: string;
  readonly Descriptor: ListDescriptor;
  /** The manifest's exact bytes, base64. */
  readonly Raw: string;
  readonly SchemaV2Manifest?: ManifestDocument;
  readonly OCIManifest?: ManifestDocument;
}

export interface ManifestDocument {
  readonly config: ListDescriptor;
  readonly layers: readonly ListDescriptor[];
}

const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';
const DOCKER_LIST = 'application/vnd.docker.distribution.manifest.list.v2+json';

/** An entry for a manifest's bytes. */
export function listEntry(reference: string, descriptor: ListDescriptor, bytes: Buffer): ListEntry {
  const document = JSON.parse(bytes.toString()) as ManifestDocument;
  const isOci = descriptor.mediaType === OCI_MANIFEST;
  return {
    Ref: canonicalName(parseReference(reference)),
    Descriptor: { ...descriptor, platform: ordered(descriptor.platform) },
    Raw: bytes.toString('base64'),
    ...(isOci ? { OCIManifest: document } : { SchemaV2Manifest: document }),
  };
}

export function manifestOf(entry: ListEntry): ManifestDocument {
  const document = entry.SchemaV2Manifest ?? entry.OCIManifest;
  if (document !== undefined) return document;
  throw invalid(`the kept manifest of ${entry.Ref} is broken`, { hint: 'Create the manifest list again' });
}

/**
 * The list of these images as it is pushed: the same bytes as from Docker's CLI, so the same digest. It is an OCI index where
 * the first image has an OCI manifest.
 */
export function encodeList(entries: readonly ListEntry[]): { mediaType: string; bytes: Buffer } {
  const mediaType = entries[0]?.Descriptor.mediaType === OCI_MANIFEST ? OCI_INDEX : DOCKER_LIST;
  const manifests = entries.map(({ Descriptor: { mediaType, size, digest, platform } }) => ({
    mediaType,
    size,
    digest,
    platform: ordered(platform),
  }));
  return {
    mediaType,
    bytes: Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, manifests }, null, 3)),
  };
}

function ordered(platform: ListPlatform | undefined): ListPlatform | undefined {
  if (platform === undefined) return undefined;
  const { architecture, os, 'os.version': version, 'os.features': features, variant } = platform;
  return {
    architecture,
    os,
    ...(version === undefined ? {} : { 'os.version': version }),
    ...(features === undefined ? {} : { 'os.features': features }),
    ...(variant === undefined ? {} : { variant }),
  };
}
