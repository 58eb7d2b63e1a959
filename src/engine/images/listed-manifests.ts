import type { Digest } from '../../base/index.ts';
import { type PlatformDescriptor, parseManifest } from '../../registry/index.ts';
import type { ContentStore, Descriptor, Image } from '../../store/index.ts';

/** One of the manifests that an image has: its own, or another one of the index that it came with. */
export interface ListedManifest {
  readonly descriptor: Descriptor;
  readonly kind: 'image' | 'attestation' | 'unknown';
  readonly platform: { readonly os: string; readonly architecture: string; readonly variant?: string };
  /** The image, where it is here. */
  readonly image: Image | undefined;
  /** Bytes of its blobs that are here. */
  readonly content: number;
}

/** Config blobs have no media type of their own in the store: Docker's and OCI's are the same bytes. */
const CONFIG = 'application/vnd.oci.image.config.v1+json';

/**
 * The manifests of the index that an image came with, or its one; `all` are the images that are here. An image that was
 * made here has no manifest before it is pushed: its config stands for it.
 */
export async function listManifests(
  content: ContentStore,
  image: Image,
  all: readonly Image[],
): Promise<readonly ListedManifest[]> {
  const entries = await indexEntries(content, image);
  if (entries.length === 0) return [await ownManifest(content, image)];
  return Promise.all(
    entries.map(async (entry) => {
      const here = [image, ...all].find(({ manifest }) => manifest?.digest === entry.digest);
      return here === undefined
        ? absentManifest(entry)
        : { ...(await ownManifest(content, here)), descriptor: plain(entry) };
    }),
  );
}

/** Of the index that an image came by; nothing for one that came alone. */
export async function indexEntries(
  content: ContentStore,
  { index }: Image,
): Promise<readonly PlatformDescriptor[]> {
  if (index === undefined || !(await content.has(index.digest))) return [];
  const parsed = parseManifest(await content.read(index.digest), index.mediaType, index.digest);
  return parsed.kind === 'index' ? parsed.entries : [];
}

function absentManifest(entry: PlatformDescriptor): ListedManifest {
  const { os = 'unknown', architecture = 'unknown', variant } = entry.platform ?? {};
  const isAttestation = entry.annotations?.['vnd.docker.reference.type'] === 'attestation-manifest';
  return {
    descriptor: plain(entry),
    kind: isAttestation ? 'attestation' : os === 'unknown' ? 'unknown' : 'image',
    platform: { os, architecture, ...(variant === undefined ? {} : { variant }) },
    image: undefined,
    content: 0,
  };
}

async function ownManifest(content: ContentStore, image: Image): Promise<ListedManifest> {
  const { os, architecture, variant } = image.config;
  const config = { mediaType: CONFIG, digest: image.id, size: image.configBytes.length };
  const blobs = new Map<Digest, number>([[config.digest, config.size]]);
  if (image.manifest !== undefined) blobs.set(image.manifest.digest, image.manifest.size);
  for (const [index, blob] of image.layerBlobs.entries()) {
    if (blob === undefined) continue;
    // Only a layer whose blob was discarded has a fingerprint.
    const mayBeGone = image.layers[index]?.fingerprint !== undefined;
    if (!mayBeGone || (await content.has(blob.digest))) blobs.set(blob.digest, blob.size);
  }
  return {
    descriptor: plain(image.manifest ?? config),
    kind: 'image',
    platform: { os, architecture, ...(variant === undefined ? {} : { variant }) },
    image,
    content: [...blobs.values()].reduce((sum, size) => sum + size, 0),
  };
}

function plain({ mediaType, digest, size }: Descriptor): Descriptor {
  return { mediaType, digest, size };
}
