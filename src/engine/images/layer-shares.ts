import type { DiffId } from '../../base/index.ts';
import type { Image } from '../../store/index.ts';

/** The layers of some images, each once, with how many of them have it. */
export class LayerShares {
  readonly #layers = new Map<DiffId, { readonly size: number; images: number }>();

  constructor(images: readonly Image[]) {
    for (const { layers } of images) {
      for (const { diffId, size } of new Map(layers.map((layer) => [layer.diffId, layer])).values()) {
        const known = this.#layers.get(diffId);
        if (known === undefined) this.#layers.set(diffId, { size, images: 1 });
        else known.images += 1;
      }
    }
  }

  has(diffId: DiffId): boolean {
    return this.#layers.has(diffId);
  }

  /** Bytes of all layers that `isCounted`. */
  size(isCounted: (diffId: DiffId) => boolean = () => true): number {
    let sum = 0;
    for (const [diffId, { size }] of this.#layers) if (isCounted(diffId)) sum += size;
    return sum;
  }

  /** Bytes of an image's layers that another one has, too. */
  sharedSize({ layers }: Image): number {
    const unique = new Map(layers.map((layer) => [layer.diffId, layer]));
    return [...unique.values()]
      .filter(({ diffId }) => (this.#layers.get(diffId)?.images ?? 0) > 1)
      .reduce((sum, { size }) => sum + size, 0);
  }
}
