import type { DiffId } from '../../base/index.ts';
import {
  canonicalName,
  crashPoint,
  familiarName,
  familiarRepository,
  invalid,
  KeyedLock,
  notFound,
  type Reference,
  shortId,
} from '../../base/index.ts';
import {
  type Credentials,
  type Platform,
  platformName,
  type RegistryClient,
  type RemoteDescriptor,
  type RemoteImage,
  runsOn,
} from '../../registry/index.ts';
import {
  type Holding,
  type Image,
  type ImageConfig,
  parseImageConfig,
  type Store,
} from '../../store/index.ts';
import type { Events } from '../events.ts';
import { allOrFirstFailure } from './all-or-first-failure.ts';
import { emitImageEvent } from './image-events.ts';
import { everyMegabyte } from './progress-steps.ts';

/** One line of Docker's progress stream. */
export interface PullProgress {
  readonly status: string;
  readonly id?: string;
  readonly progressDetail?: { readonly current?: number; readonly total?: number };
  /** Bytes that the layer will take on the way, told before any of them: berth's addition, for a total. */
  readonly size?: number;
}

export interface PullOptions {
  readonly platform: Platform;
  readonly credentials?: Credentials;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: PullProgress) => void;
}

/** What happens to an image when an operation is done with it: its blobs are discarded, where the daemon is to do that. */
export type Settle = (image: Image, signal: AbortSignal) => Promise<void>;

/** Brings an image from its registry into the store. Layers arrive side by side; one that is here already is not fetched again. */
export class Puller {
  readonly #store: Store;
  readonly #registry: RegistryClient;
  readonly #events: Events;
  /** Two pulls that need one layer share its download. */
  readonly #layerLock = new KeyedLock();
  readonly #settle: Settle;
  readonly #atATime: number;

  constructor(parts: {
    store: Store;
    registry: RegistryClient;
    events: Events;
    settle: Settle;
    transfers: { downloads: number };
  }) {
    this.#atATime = parts.transfers.downloads;
    this.#settle = parts.settle;
    this.#store = parts.store;
    this.#registry = parts.registry;
    this.#events = parts.events;
  }

  /** Throws what the registry or the store says; nothing that came is kept then. */
  async pull(reference: Reference, options: PullOptions): Promise<Image> {
    const remote = await this.#registry.resolve(reference, options);
    options.onProgress({
      status: `Pulling from ${reference.path}`,
      id: reference.tag ?? reference.digest ?? 'latest',
    });
    const image = await this.#receiveHeld(reference, remote, options);
    await this.#settle(image, options.signal);
    return image;
  }

  /** As {@link pull}, for every tag that the repository has; those before a first failure are kept. */
  async pullAllTags({ domain, path }: Reference, options: PullOptions): Promise<void> {
    const repository = { domain, path, tag: undefined, digest: undefined };
    const tags = await this.#registry.tags(repository, options);
    if (tags.length === 0) throw notFound(`${familiarRepository(repository)} has no tags`);
    for (const tag of tags) await this.pull({ ...repository, tag }, options);
  }

  async #receiveHeld(reference: Reference, remote: RemoteImage, options: PullOptions): Promise<Image> {
    await using holding = this.#store.images.hold();
    const { index } = remote;
    for (const { digest } of [remote.manifest, remote.config, ...remote.layers]) holding.add(digest);
    if (index !== undefined) holding.add(index.descriptor.digest);
    return await this.#receive(reference, remote, holding, options);
  }

  async #receive(
    reference: Reference,
    remote: RemoteImage,
    holding: Holding,
    options: PullOptions,
  ): Promise<Image> {
    const { onProgress, signal } = options;
    const { content } = this.#store;
    const before = await this.#store.images.byName(canonicalName(reference));
    const configBytes = await this.#fetchConfig(reference, remote.config, options);
    const config = parseImageConfig(configBytes);
    requirePlatform(reference, config, options.platform);
    const layers = pairLayers(reference, remote.layers, config);
    for (const { diffId } of layers) holding.add(diffId);
    for (const { blob } of layers) {
      onProgress({
        status: 'Pulling fs layer',
        id: shortId(blob.digest),
        progressDetail: {},
        size: blob.size,
      });
    }
    await allOrFirstFailure({ signal, atATime: this.#atATime }, layers, ({ blob, diffId }, _, common) =>
      this.#fetchLayer(reference, blob, diffId, { ...options, signal: common }),
    );
    signal.throwIfAborted();
    crashPoint('pull.layers');
    const { index } = remote;
    if (!(await content.has(remote.manifest.digest))) await content.put(remote.manifestBytes);
    if (index !== undefined && !(await content.has(index.descriptor.digest))) await content.put(index.bytes);
    const image = await this.#store.images.add({
      configBytes,
      manifest: remote.manifest,
      ...(index === undefined ? {} : { index: index.descriptor }),
      layerBlobs: remote.layers,
      tags: reference.tag === undefined ? [] : [canonicalName({ ...reference, digest: undefined })],
      repoDigests: [`${reference.domain}/${reference.path}@${remote.digest}`],
    });
    crashPoint('pull.recorded');
    onProgress({ status: `Digest: ${remote.digest}` });
    const news = before?.id === image.id ? 'Image is up to date for' : 'Downloaded newer image for';
    onProgress({ status: `Status: ${news} ${familiarName(reference)}` });
    const name = familiarRepository(reference);
    emitImageEvent(this.#events, 'pull', familiarName(reference), name, image);
    return image;
  }

  async #fetchConfig(reference: Reference, config: RemoteDescriptor, options: PullOptions): Promise<Buffer> {
    const { content } = this.#store;
    if (!(await content.has(config.digest))) {
      await content.write(config, await this.#registry.fetchBlob(reference, config, options), options.signal);
    }
    return content.read(config.digest);
  }

  async #fetchLayer(
    reference: Reference,
    layer: RemoteDescriptor,
    diffId: DiffId,
    options: PullOptions,
  ): Promise<void> {
    const id = shortId(layer.digest);
    const tell = (status: string, current?: number) =>
      options.onProgress({
        status,
        id,
        progressDetail: current === undefined ? {} : { current, total: layer.size },
      });
    await this.#layerLock.run(layer.digest, async () => {
      const { content, layers } = this.#store;
      if ((await layers.get(diffId)) !== undefined) return tell('Already exists');
      const { signal } = options;
      if (await content.has(layer.digest)) {
        const onProgress = everyMegabyte((bytes) => tell('Extracting', bytes));
        await layers.unpackBlob(layer.digest, diffId, { signal, onProgress });
      } else {
        // Stored and unpacked as it comes: the progress of the one is that of the other.
        const source = await this.#registry.fetchBlob(reference, layer, options);
        const onProgress = everyMegabyte((bytes) => tell('Downloading', bytes));
        await layers.receiveBlob(layer, diffId, source, { signal, onProgress });
        tell('Download complete');
      }
      tell('Pull complete');
    });
  }
}

/** The blobs of the manifest with what the config says they unpack to. */
function pairLayers(
  reference: Reference,
  blobs: readonly RemoteDescriptor[],
  { rootfs: { diff_ids: diffIds } }: ImageConfig,
): readonly { readonly blob: RemoteDescriptor; readonly diffId: DiffId }[] {
  if (blobs.length !== diffIds.length) {
    throw invalid(
      `${familiarName(reference)} has ${blobs.length} layers by its manifest, but ${diffIds.length} by its config`,
    );
  }
  return blobs.flatMap((blob, index) => {
    const diffId = diffIds[index];
    return diffId === undefined ? [] : [{ blob, diffId }];
  });
}

/** A manifest outside of an index says its platform only in its config. */
function requirePlatform(reference: Reference, config: ImageConfig, wanted: Platform): void {
  if (runsOn(config, wanted)) return;
  throw notFound(
    `${familiarName(reference)} is an image for ${platformName(config)}, not for ${platformName(wanted)}`,
    { hint: `Ask for it with --platform ${platformName(config)} if you want it all the same` },
  );
}
