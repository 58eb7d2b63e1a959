import type { Image, Store } from '../../store/index.ts';
import { fingerprintOf, type LayerReader } from './check/fingerprint.ts';

/** What {@link discardBlobs} needs. */
export interface DiscardParts {
  readonly store: Store;
  readonly launcher: LayerReader;
}

/**
 * Deletes the compressed blobs of an image's layers, which stay unpacked: what the layers must be like is remembered, so that
 * damage can still be found. A blob that an operation holds stays.
 */
export async function discardBlobs(
  { store, launcher }: DiscardParts,
  image: Image,
  signal: AbortSignal,
): Promise<void> {
  for (const [index, layer] of image.layers.entries()) {
    const blob = image.layerBlobs[index];
    if (blob === undefined || !(await store.content.has(blob.digest))) continue;
    if (layer.fingerprint === undefined) {
      store.layers.setFingerprint(layer.diffId, await fingerprintOf(launcher, layer.path, signal));
    }
    await store.content.discard(blob.digest);
  }
  await store.spaceFreed();
}
