import { crashPoint, type Digest, digestOf, parseDigest } from '../base/index.ts';
import type { Image, ImageConfig, Layer, Store } from '../store/index.ts';
import type { BuildRequest } from './contract.ts';
import type { StageState } from './stage-state.ts';

/** In the collection "build-kept", by the id of a hidden image. */
interface KeptRecord {
  readonly created: string;
}

const KEPT = 'build-kept';

/**
 * Layers belong to images, so what a build has made and no image holds yet (a stage beside the target's, the steps
 * before one that failed) is kept for the cache by hidden images.
 */
export class KeptStages {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  async keep(state: StageState, platform: BuildRequest['platform']): Promise<void> {
    if (state.layers.length === 0) return;
    const configBytes = Buffer.from(JSON.stringify(configOf(state, platform)));
    const record: KeptRecord = { created: new Date().toISOString() };
    const remember = () => this.#store.documents.put(KEPT, digestOf(configBytes), record);
    remember(); // first: nobody would ever let go of an image without this record
    const { id, layers } = await this.#store.images.add({ configBytes, hidden: true });
    crashPoint('build.kept');
    remember(); // again: a prune may have found the record without its image
    await this.#dropCovered(layers, id);
  }

  /** Lets go of the hidden images whose layers an image now holds all. */
  async dropCoveredBy(image: Image): Promise<void> {
    await this.#dropCovered(image.layers, image.id);
  }

  /** Lets go of those for which `isOver` says so, the oldest first. Returns the layers that no image held: they are deleted. */
  async drop(
    isOver: (created: string) => boolean,
    onDeleted: (layers: readonly Layer[]) => void,
  ): Promise<void> {
    const kept = this.#store.documents.all<KeptRecord>(KEPT);
    for (const { key, document } of kept.toSorted((a, b) =>
      a.document.created < b.document.created ? -1 : 1,
    )) {
      const image = await this.#store.images.get(parseDigest(key));
      if (image === undefined) this.#store.documents.delete(KEPT, key);
      else if (isOver(document.created)) onDeleted(await this.#drop(image));
    }
  }

  async #dropCovered(layers: Image['layers'], except: Digest): Promise<void> {
    const held = new Set(layers.map(({ diffId }) => diffId));
    for (const { key } of this.#store.documents.all<KeptRecord>(KEPT)) {
      if (key === except) continue;
      const image = await this.#store.images.get(parseDigest(key));
      if (image?.layers.every(({ diffId }) => held.has(diffId))) await this.#drop(image);
    }
  }

  /** A user may have taken the image over by tagging the very same one: then it stays. */
  async #drop(image: Image): Promise<Layer[]> {
    this.#store.documents.delete(KEPT, image.id);
    if (image.tags.length > 0 || image.repoDigests.length > 0) return [];
    const { deletedLayers } = await this.#store.images.delete(image.id);
    return image.layers.filter(({ diffId }) => deletedLayers.includes(diffId));
  }
}

/** A stage's state as an image config. */
export function configOf(
  { config, author, layers, history }: StageState,
  { os, architecture }: BuildRequest['platform'],
): ImageConfig {
  return {
    architecture,
    os,
    ...(author === undefined ? {} : { author }),
    config,
    rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
    history,
  };
}
