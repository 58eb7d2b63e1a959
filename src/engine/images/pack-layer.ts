import { createHash } from 'node:crypto';
import { pipeline, Readable } from 'node:stream';
import { createGzip } from 'node:zlib';
import { conflict, digestFromHex, shortId } from '../../base/index.ts';
import type { Launcher } from '../../runtime/index.ts';
import type { ContentStore, Descriptor, Layer } from '../../store/index.ts';

/**
 * The tar that a layer was made from, for a layer that was made here: packed again from the unpacked layer. The stream
 * fails with `conflict` at its end when the tar is another one, as it may be for layers that others have made.
 */
export async function* layerTar(
  launcher: Pick<Launcher, 'openFiles'>,
  { diffId, path }: Layer,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  // A root that is one layer alone shows the layer as it is, its whiteouts included.
  await using files = await launcher.openFiles({ layers: [path], writable: undefined }, signal);
  const hash = createHash('sha256');
  for await (const chunk of await files.packChanges('/', { signal })) {
    hash.update(chunk);
    yield chunk;
  }
  if (digestFromHex(hash.digest('hex')) === diffId) return;
  throw conflict(`the tar of layer ${shortId(diffId)} is no longer there, and cannot be made again exactly`, {
    hint: 'Pull or load the image that it comes from again',
  });
}

/** Compresses a layer into the content store, as a registry takes it. Equal layers give equal blobs. Throws as {@link layerTar}. */
export async function packLayer(
  parts: { readonly launcher: Pick<Launcher, 'openFiles'>; readonly content: ContentStore },
  layer: Layer,
  signal: AbortSignal,
): Promise<Descriptor> {
  const gzip = createGzip();
  const tar = Readable.from(layerTar(parts.launcher, layer, signal), { objectMode: false });
  pipeline(tar, gzip, () => {}); // who reads the compressed stream sees the error
  const { digest, size } = await parts.content.add(gzip, signal);
  return { mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', digest, size };
}
