import { familiarName, notFound, type Reference } from '../../base/index.ts';
import {
  type Access,
  type Platform,
  platformName,
  type RegistryClient,
  runsOn,
} from '../../registry/index.ts';
import type { ContentStore, Descriptor, Image, Store } from '../../store/index.ts';

/** What a name's push sends. */
export type PushPlan =
  | { readonly kind: 'image'; readonly image: Image }
  /** The index that the image came with: all of its images are here or at the registry. */
  | {
      readonly kind: 'index';
      readonly index: Descriptor;
      readonly bytes: Buffer;
      /** Those that are here. */
      readonly images: readonly Image[];
    }
  /** The image alone, because others of its index are neither here nor at the registry. */
  | { readonly kind: 'part-of-index'; readonly image: Image; readonly index: Descriptor };

/**
 * Decides as dockerd with containerd's image store does: an image that came with an index is pushed with it if that can be
 * whole at the registry, else alone. With a platform, the image for it is pushed. Throws `not-found` where there is none.
 */
export async function planPush(
  parts: { readonly store: Store; readonly registry: RegistryClient },
  image: Image,
  reference: Reference,
  options: Access & { readonly platform?: Platform },
): Promise<PushPlan> {
  const { content, images } = parts.store;
  const { index } = image;
  const bytes =
    index !== undefined && (await content.has(index.digest)) ? await content.read(index.digest) : undefined;
  const digests = bytes === undefined ? [] : digestsIn(bytes);
  const siblings = (await images.list()).filter(
    ({ manifest }) => manifest !== undefined && digests.includes(manifest.digest),
  );
  const { platform } = options;
  if (platform !== undefined) {
    const wanted = [image, ...siblings].find(({ config }) => runsOn(config, platform));
    if (wanted !== undefined) return { kind: 'image', image: wanted };
    throw notFound(
      `image with reference ${familiarName(reference)} was found but does not provide the specified platform (${platformName(platform)})`,
    );
  }
  if (index === undefined || bytes === undefined) return { kind: 'image', image };
  const here = await whole(content, siblings);
  const known = new Set(here.map(({ manifest }) => manifest?.digest));
  for (const digest of digests) {
    if (known.has(digest) || (await parts.registry.hasManifest(reference, digest, options))) continue;
    return { kind: 'part-of-index', image, index };
  }
  return { kind: 'index', index, bytes, images: here };
}

/** The manifests of an index that was checked when it came. */
function digestsIn(index: Buffer): readonly Descriptor['digest'][] {
  const { manifests } = JSON.parse(index.toString()) as { readonly manifests: readonly Descriptor[] };
  return manifests.map(({ digest }) => digest);
}

/** The images that can be sent as they came. */
async function whole(content: ContentStore, images: readonly Image[]): Promise<readonly Image[]> {
  const checked = await Promise.all(
    images.map(async (image) => {
      const blobs = [image.manifest, ...image.layerBlobs];
      const isThere = await Promise.all(
        blobs.map((blob) => (blob === undefined ? false : content.has(blob.digest))),
      );
      return isThere.every(Boolean) ? [image] : [];
    }),
  );
  return checked.flat();
}
