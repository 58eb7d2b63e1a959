import type { DiffId } from '../base/index.ts';
import type { Image, Store } from '../store/index.ts';
import { StepCache } from './step-cache.ts';

/** A layer that the build cache can use again. */
export interface CachedLayer {
  readonly diffId: DiffId;
  /** Bytes of the files in it. */
  readonly size: number;
  /** The layer below it, if there is one. */
  readonly parent: DiffId | undefined;
  /** The step that made it, as an image's history tells; "" where none does. */
  readonly description: string;
  /** ISO 8601; "" where nobody knows. */
  readonly created: string;
  /** An image has it, too: it stays when the cache goes. */
  readonly shared: boolean;
}

/** All layers that steps have made and that are still here, and those that only the cache keeps; oldest first. */
export async function cachedLayers(store: Store): Promise<readonly CachedLayer[]> {
  const images = await store.images.list({ hidden: true });
  const inImages = new Set(
    images.flatMap(({ hidden, layers }) => (hidden ? [] : layers.map(({ diffId }) => diffId))),
  );
  const steps = new StepCache(store).madeLayers();
  const found = new Map<DiffId, CachedLayer>();
  for (const image of images) {
    const history = layerHistory(image);
    for (const [index, { diffId, size }] of image.layers.entries()) {
      const made = steps.get(diffId);
      if (found.has(diffId) || (made === undefined && !image.hidden)) continue;
      if (made === undefined && inImages.has(diffId)) continue;
      found.set(diffId, {
        diffId,
        size,
        parent: image.layers[index - 1]?.diffId,
        description: history[index]?.created_by ?? '',
        created: made ?? history[index]?.created ?? '',
        shared: inImages.has(diffId),
      });
    }
  }
  return [...found.values()].sort((a, b) => (a.created < b.created ? -1 : 1));
}

/** The entries of an image's history that made its layers, bottom first. */
function layerHistory({ config }: Image) {
  return (config.history ?? []).filter((entry) => entry.empty_layer !== true);
}
