import { KeyedLock } from '../../base/index.ts';
import type { Launcher } from '../../runtime/index.ts';
import type { Descriptor, Image, NewImage, Store } from '../../store/index.ts';
import { packLayer } from './pack-layer.ts';

/** The layers of images as registries and archives take them: compressed, each always as the same blob. */
export class LayerBlobs {
  readonly #store: Store;
  readonly #launcher: Pick<Launcher, 'openFiles'>;
  /** Two that need one layer compress it once. */
  readonly #lock = new KeyedLock();

  constructor(parts: { store: Store; launcher: Pick<Launcher, 'openFiles'> }) {
    this.#store = parts.store;
    this.#launcher = parts.launcher;
  }

  /** The blob of an image's layer, bottom first from 0: as it came or was once made, be it discarded since; else made now and kept. */
  async known(image: Image, index: number, signal: AbortSignal, onCompress = () => {}): Promise<Descriptor> {
    return this.#blob(image, index, signal, { onCompress, mayBeDiscarded: true });
  }

  /** As {@link known}, but one that is there. Throws `conflict` when it is gone and cannot be made again exactly. */
  async present(
    image: Image,
    index: number,
    signal: AbortSignal,
    onCompress = () => {},
  ): Promise<Descriptor> {
    return this.#blob(image, index, signal, { onCompress, mayBeDiscarded: false });
  }

  async #blob(
    image: Image,
    index: number,
    signal: AbortSignal,
    { onCompress, mayBeDiscarded }: { onCompress: () => void; mayBeDiscarded: boolean },
  ): Promise<Descriptor> {
    const layer = image.layers[index];
    if (layer === undefined) throw new RangeError(`image ${image.id} has no layer ${index}`);
    return this.#lock.run(layer.diffId, async () => {
      const { content, images } = this.#store;
      const current = (await images.get(image.id)) ?? image; // somebody else may have made it meanwhile
      const known = current.layerBlobs[index];
      const wasDiscarded = layer.fingerprint !== undefined;
      if (known !== undefined && ((mayBeDiscarded && wasDiscarded) || (await content.has(known.digest)))) {
        return known;
      }
      onCompress();
      const blob = await packLayer({ launcher: this.#launcher, content }, layer, signal);
      await this.remember(image, {
        layerBlobs: image.layers.map(({ diffId }) => (diffId === layer.diffId ? blob : undefined)),
      });
      return blob;
    });
  }

  /** Adds to the image's record, unless the image was removed meanwhile. */
  async remember({ id, configBytes }: Image, news: Omit<NewImage, 'configBytes'>): Promise<void> {
    if ((await this.#store.images.get(id)) === undefined) return;
    await this.#store.images.add({ configBytes, ...news });
  }
}
