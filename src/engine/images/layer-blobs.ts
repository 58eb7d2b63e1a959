import { pipeline } from 'node:stream';
import { createGzip } from 'node:zlib';
import { KeyedLock } from '../../base/index.ts';
import type { Launcher } from '../../runtime/index.ts';
import type { Descriptor, Image, Layer, NewImage, Store } from '../../store/index.ts';
import { packLayer } from './pack-layer.ts';

const GZIP = 'application/vnd.oci.image.layer.v1.tar+gzip';
/** Media types of layers that are not compressed, Docker's and OCI's. */
const PLAIN = ['application/vnd.oci.image.layer.v1.tar', 'application/vnd.docker.image.rootfs.diff.tar'];

/** The layers of images as registries and archives take them: each always as the same blob. */
export class LayerBlobs {
  readonly #store: Store;
  readonly #launcher: Pick<Launcher, 'openFiles'>;
  /** Two that need one layer compress it once. */
  readonly #lock = new KeyedLock();

  constructor(parts: { store: Store; launcher: Pick<Launcher, 'openFiles'> }) {
    this.#store = parts.store;
    this.#launcher = parts.launcher;
  }

  /**
   * The blob of an image's layer, bottom first from 0: as it came or was once made, else made now and kept. Throws `conflict`
   * when it is gone and cannot be made again exactly.
   */
  async forArchive(
    image: Image,
    index: number,
    signal: AbortSignal,
    onCompress = () => {},
  ): Promise<Descriptor> {
    const layer = layerOf(image, index);
    return this.#lock.run(layer.diffId, async () => {
      const known = await this.#known(image, index, layer);
      if (known !== undefined && (await this.#store.content.has(known.digest))) return known;
      onCompress();
      const { content } = this.#store;
      return this.#keep(image, layer, await packLayer({ launcher: this.#launcher, content }, layer, signal));
    });
  }

  /**
   * As {@link forArchive}, but also one that was discarded since, as the registry may have it. A tar that came without a
   * manifest is compressed, and kept so.
   */
  async forRegistry(
    image: Image,
    index: number,
    signal: AbortSignal,
    onCompress = () => {},
  ): Promise<Descriptor> {
    const layer = layerOf(image, index);
    const found = await this.#lock.run(layer.diffId, async () => {
      const known = await this.#known(image, index, layer);
      if (known === undefined) return undefined;
      if (!(await this.#store.content.has(known.digest))) {
        return layer.fingerprint === undefined ? undefined : known;
      }
      if (image.manifest !== undefined || !PLAIN.includes(known.mediaType)) return known;
      onCompress();
      return this.#keep(image, layer, await this.#compress(known, signal));
    });
    return found ?? this.forArchive(image, index, signal, onCompress);
  }

  /** Adds to the image's record, unless the image was removed meanwhile. */
  async remember({ id, configBytes }: Image, news: Omit<NewImage, 'configBytes'>): Promise<void> {
    if ((await this.#store.images.get(id)) === undefined) return;
    await this.#store.images.add({ configBytes, ...news });
  }

  /** As the image has it, or another one with that layer: somebody may have made it meanwhile. */
  async #known(image: Image, index: number, { diffId }: Layer): Promise<Descriptor | undefined> {
    const { images } = this.#store;
    const own = ((await images.get(image.id)) ?? image).layerBlobs[index];
    if (own !== undefined) return own;
    for (const { layers, layerBlobs } of await images.list({ hidden: true })) {
      const blob = layerBlobs[layers.findIndex((layer) => layer.diffId === diffId)];
      if (blob === undefined) continue;
      return this.#keep(image, layerOf(image, index), blob);
    }
    return undefined;
  }

  async #keep(image: Image, { diffId }: Layer, blob: Descriptor): Promise<Descriptor> {
    const layerBlobs = image.layers.map((layer) => (layer.diffId === diffId ? blob : undefined));
    await this.remember(image, { layerBlobs });
    return blob;
  }

  /** The tar goes when nothing has it any more, at the end of what holds it. */
  async #compress(plain: Descriptor, signal: AbortSignal): Promise<Descriptor> {
    const { content } = this.#store;
    const gzip = createGzip();
    pipeline(await content.open(plain.digest), gzip, () => {}); // who reads the compressed stream sees the error
    const { digest, size } = await content.add(gzip, signal);
    return { mediaType: GZIP, digest, size };
  }
}

function layerOf(image: Image, index: number): Layer {
  const layer = image.layers[index];
  if (layer === undefined) throw new RangeError(`image ${image.id} has no layer ${index}`);
  return layer;
}
