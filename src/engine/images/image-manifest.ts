import { digestOf } from '../../base/index.ts';
import type { ContentStore, Descriptor, Image } from '../../store/index.ts';

/** A manifest as it is sent and stored. */
export interface ManifestBytes {
  readonly mediaType: string;
  readonly bytes: Buffer;
  readonly descriptor: Descriptor;
}

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const CONFIG = 'application/vnd.oci.image.config.v1+json';
/** Docker's media types of layers, with OCI's for the same bytes. */
const OCI_LAYER_TYPES: ReadonlyMap<string, string> = new Map([
  ['application/vnd.docker.image.rootfs.diff.tar', 'application/vnd.oci.image.layer.v1.tar'],
  ['application/vnd.docker.image.rootfs.diff.tar.gzip', 'application/vnd.oci.image.layer.v1.tar+gzip'],
  ['application/vnd.docker.image.rootfs.diff.tar.zstd', 'application/vnd.oci.image.layer.v1.tar+zstd'],
]);

/** The manifest of an image with these blobs as layers: the very one that it came with, if that lists them, else a new one. */
export async function manifestOf(
  content: ContentStore,
  image: Image,
  blobs: readonly Descriptor[],
): Promise<ManifestBytes> {
  const { manifest } = image;
  if (manifest !== undefined && (await content.has(manifest.digest))) {
    const bytes = await content.read(manifest.digest);
    if (listsLayers(bytes, blobs)) return { mediaType: manifest.mediaType, bytes, descriptor: manifest };
  }
  return composeManifest(image, blobs);
}

function listsLayers(bytes: Buffer, blobs: readonly Descriptor[]): boolean {
  const { layers = [] } = JSON.parse(bytes.toString()) as { layers?: readonly Descriptor[] };
  return (
    layers.length === blobs.length && layers.every(({ digest }, index) => digest === blobs[index]?.digest)
  );
}

/** OCI image-spec, manifest.md. */
function composeManifest(image: Image, blobs: readonly Descriptor[]): ManifestBytes {
  const manifest = {
    schemaVersion: 2,
    mediaType: MANIFEST,
    config: { mediaType: CONFIG, digest: image.id, size: image.configBytes.length },
    layers: blobs.map(({ mediaType, digest, size }) => ({
      mediaType: OCI_LAYER_TYPES.get(mediaType) ?? mediaType,
      digest,
      size,
    })),
  };
  const bytes = Buffer.from(JSON.stringify(manifest));
  const descriptor = { mediaType: MANIFEST, digest: digestOf(bytes), size: bytes.length };
  return { mediaType: MANIFEST, bytes, descriptor };
}
