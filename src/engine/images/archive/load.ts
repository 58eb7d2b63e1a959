import type { Readable } from 'node:stream';
import {
  canonicalName,
  crashPoint,
  type DiffId,
  type Digest,
  familiarName,
  invalid,
  shortId,
} from '../../../base/index.ts';
import type { Platform } from '../../../registry/index.ts';
import type { Holding, Image, Store } from '../../../store/index.ts';
import type { Events } from '../../events.ts';
import { allOrFirstFailure } from '../all-or-first-failure.ts';
import { emitImageEvent } from '../image-events.ts';
import { everyMegabyte } from '../progress-steps.ts';
import type { PullProgress, Settle } from '../pull.ts';
import { type ArchivedImage, type CheckedImage, checkImages } from './archived-image.ts';
import { imagesOfDockerArchive } from './docker-archive.ts';
import { imagesOfLayout } from './oci-layout.ts';
import { type ReceivedArchive, receiveArchive } from './received-archive.ts';
import { UnpackAhead } from './unpack-ahead.ts';

/** One line of Docker's progress stream; `stream` is a result. */
export type LoadProgress = PullProgress | { readonly stream: string };

export interface LoadOptions {
  /** Take only this platform's images; undefined: this host's where there is a choice. */
  readonly platform: Platform | undefined;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: LoadProgress) => void;
}

/** Files below this size come without progress. */
const WORTH_PROGRESS = 1_000_000;

/** Brings the images of an archive into the store: all of them or, when something is wrong with one, none. */
export class ImageLoader {
  readonly #store: Store;
  readonly #events: Events;
  readonly #settle: Settle;

  constructor(parts: { store: Store; events: Events; settle: Settle }) {
    this.#settle = parts.settle;
    this.#store = parts.store;
    this.#events = parts.events;
  }

  /**
   * Reads an archive as `docker save` or an OCI tool writes it, plain or compressed by gzip or zstd. Layers that are here
   * are not unpacked again. Throws `invalid` with what is wrong with the archive, `not-found` for a platform that it does not have.
   */
  async load(source: Readable, options: LoadOptions): Promise<void> {
    for (const image of await this.#loadHeld(source, options)) await this.#settle(image, options.signal);
  }

  async #loadHeld(source: Readable, options: LoadOptions): Promise<Image[]> {
    const { content, images } = this.#store;
    await using holding = images.hold();
    await using ahead = await UnpackAhead.open(this.#store, holding);
    const archive = await receiveArchive(source, {
      ...{ content, holding, signal: options.signal, onProgress: receiving(options) },
      writeBlob: (blob, bytes) => {
        const onUnpack = telling(options, 'Loading layer', shortId(blob.digest), blob.size);
        return ahead.write(blob, bytes, { signal: options.signal, onUnpack });
      },
    });
    const found = await checkImages(content, await this.#images(archive, options), options.platform);
    await ahead.settled();
    await this.#unpack(found, holding, options);
    crashPoint('load.layers');
    const loaded: Image[] = [];
    for (const image of found) {
      loaded.push(await this.#record(image, options));
      crashPoint('load.recorded');
    }
    return loaded;
  }

  async #images(archive: ReceivedArchive, { platform }: LoadOptions): Promise<ArchivedImage[]> {
    const { content } = this.#store;
    const has = (name: string) => archive.documentBytes(name) !== undefined;
    // Archives that are both have their manifests only as a layout: with them an image keeps its digest.
    const isLayout = has('index.json') && (has('oci-layout') || !has('manifest.json'));
    if (!isLayout && !has('manifest.json')) {
      throw invalid('the archive holds no image: it has neither index.json nor manifest.json', {
        hint: 'To make an image of a file system, import it',
      });
    }
    const images = await (isLayout
      ? imagesOfLayout(archive, content, platform)
      : imagesOfDockerArchive(archive, content));
    if (images.length === 0) throw invalid('the archive holds no image: its list of images is empty');
    return images;
  }

  async #unpack(images: readonly CheckedImage[], holding: Holding, options: LoadOptions): Promise<void> {
    const layers = new Map<DiffId, { digest: Digest; size: number }>();
    for (const image of images) {
      for (const [index, diffId] of image.config.rootfs.diff_ids.entries()) {
        const blob = image.layers[index];
        holding.add(diffId);
        if (blob !== undefined && !layers.has(diffId)) layers.set(diffId, blob);
      }
    }
    const { signal } = options;
    // The store decides how many are unpacked at a time.
    await allOrFirstFailure({ signal, atATime: layers.size }, [...layers], async (layer, _, common) => {
      const [diffId, { digest, size }] = layer;
      if ((await this.#store.layers.get(diffId)) !== undefined) return;
      const onProgress = telling(options, 'Loading layer', shortId(digest), size);
      await this.#store.layers.unpackBlob(digest, diffId, { signal: common, onProgress });
    });
    signal.throwIfAborted();
  }

  async #record(
    { id, configBytes, names, manifest, index, layers }: CheckedImage,
    options: LoadOptions,
  ): Promise<Image> {
    const image = await this.#store.images.add({
      configBytes,
      tags: names.map(canonicalName),
      layerBlobs: layers.map(({ mediaType, digest, size }) => ({ mediaType, digest, size })),
      ...(manifest === undefined ? {} : { manifest }),
      ...(index === undefined ? {} : { index }),
    });
    const results =
      names.length === 0
        ? [`Loaded image ID: ${id}`]
        : names.map((name) => `Loaded image: ${familiarName(name)}`);
    for (const result of results) {
      options.onProgress({ stream: `${result}\n` });
      emitImageEvent(this.#events, 'load', id, id, image);
    }
    return image;
  }
}

/** Progress of a file that arrives, by its blob's digest or its folder's name. */
function receiving(options: LoadOptions) {
  let current = '';
  let tell = (_bytes: number) => {};
  return ({ path, size }: { path: string; size: number }, bytes: number) => {
    if (path !== current) {
      current = path;
      tell = telling(options, 'Receiving', path.replace('blobs/sha256/', '').slice(0, 12), size);
    }
    tell(bytes);
  };
}

/** Tells how much of something is done, unless it is small. */
function telling(
  { onProgress }: LoadOptions,
  status: string,
  id: string,
  total: number,
): (bytes: number) => void {
  if (total < WORTH_PROGRESS) return () => {};
  return everyMegabyte((current) => onProgress({ status, id, progressDetail: { current, total } }));
}
