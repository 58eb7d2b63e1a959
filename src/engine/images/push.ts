import { createReadStream } from 'node:fs';
import {
  canonicalName,
  conflict,
  type Digest,
  familiarName,
  familiarRepository,
  invalid,
  KeyedLock,
  notFound,
  parseReference,
  type Reference,
  shortId,
} from '../../base/index.ts';
import type { Credentials, LocalBlob, Platform, RegistryClient } from '../../registry/index.ts';
import type { Descriptor, Image, Layer, Store } from '../../store/index.ts';
import type { Events } from '../events.ts';
import { emitImageEvent } from './image-events.ts';
import { manifestOf } from './image-manifest.ts';
import type { LayerBlobs } from './layer-blobs.ts';
import { everyMegabyte } from './progress-steps.ts';
import type { PullProgress, Settle } from './pull.ts';
import { planPush } from './push-plan.ts';

/** One line of Docker's progress stream; `aux` is the result. */
export interface PushProgress extends Partial<PullProgress> {
  readonly aux?:
    | { readonly Tag: string; readonly Digest: Digest; readonly Size: number }
    | {
        readonly manifestPushedInsteadOfIndex: true;
        readonly originalIndex: Descriptor;
        readonly selectedManifest: Descriptor;
      };
}

export interface PushOptions {
  readonly credentials?: Credentials;
  /** The one image of an index to push. */
  readonly platform?: Platform;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: PushProgress) => void;
}

/** One image on its way to a repository. */
interface Push {
  readonly image: Image;
  readonly reference: Reference;
  readonly options: PushOptions;
  /** A repository of the same registry that has the blob, where one is known. */
  readonly sourceOf: (blob: Digest) => string | undefined;
}

/**
 * Sends images to their registries: blobs as they once came, so that a pulled image keeps its digest; layers that were
 * made here compressed, once, and kept from then on.
 */
export class Pusher {
  readonly #store: Store;
  readonly #registry: RegistryClient;
  readonly #layerBlobs: LayerBlobs;
  readonly #events: Events;
  readonly #settle: Settle;
  readonly #atATime: number;
  /** Two pushes that need one layer send it once to one repository. */
  readonly #lock = new KeyedLock();

  constructor(parts: {
    store: Store;
    registry: RegistryClient;
    layerBlobs: LayerBlobs;
    events: Events;
    settle: Settle;
    transfers: { uploads: number };
  }) {
    this.#atATime = parts.transfers.uploads;
    this.#settle = parts.settle;
    this.#store = parts.store;
    this.#registry = parts.registry;
    this.#layerBlobs = parts.layerBlobs;
    this.#events = parts.events;
  }

  async push(reference: Reference, options: PushOptions): Promise<void> {
    announce(reference, options);
    const image = await this.#store.images.byName(canonicalName(reference));
    if (image === undefined) throw notFound(`tag does not exist: ${familiarName(reference)}`);
    if (reference.digest !== undefined) throw invalid('cannot push a digest reference');
    await this.#send(image, reference, options);
  }

  async pushAllTags(repository: Reference, options: PushOptions): Promise<void> {
    announce(repository, options);
    const { domain, path } = repository;
    const images = await this.#store.images.list();
    const tagged = images.flatMap((image) =>
      image.tags
        .map((tag) => ({ image, reference: parseReference(tag) }))
        .filter(({ reference }) => reference.domain === domain && reference.path === path),
    );
    if (tagged.length === 0) {
      throw notFound(`An image does not exist locally with the tag: ${familiarRepository(repository)}`);
    }
    for (const { image, reference } of tagged) await this.#send(image, reference, options);
  }

  async #send(image: Image, reference: Reference, options: PushOptions): Promise<void> {
    const plan = await planPush(
      { store: this.#store, registry: this.#registry },
      image,
      reference,
      accessOf(options),
    );
    if (plan.kind === 'index') {
      const { index, bytes, images } = plan;
      const untagged = { ...reference, tag: undefined };
      for (const one of images) await this.#sendImage(one, untagged, options);
      const { mediaType } = index;
      await this.#registry.pushManifest(reference, { mediaType, bytes }, accessOf(options));
      for (const one of images)
        await this.#layerBlobs.remember(one, { repoDigests: [digestName(reference, index)] });
      this.#tellPushed(image, reference, index, options);
      return;
    }
    const manifest = await this.#sendImage(plan.image, reference, options);
    this.#tellPushed(plan.image, reference, manifest, options);
    if (plan.kind === 'part-of-index') {
      const aux = {
        manifestPushedInsteadOfIndex: true,
        originalIndex: plan.index,
        selectedManifest: manifest,
      } as const;
      options.onProgress({ progressDetail: {}, aux });
    }
  }

  /** Sends one image, under the tag if there is one, else under its manifest's digest. Returns its manifest. */
  async #sendImage(image: Image, reference: Reference, options: PushOptions): Promise<Descriptor> {
    const manifest = await this.#sendHeld(image, reference, options);
    const current = await this.#store.images.get(image.id);
    if (current !== undefined) await this.#settle(current, options.signal);
    return manifest;
  }

  async #sendHeld(image: Image, reference: Reference, options: PushOptions): Promise<Descriptor> {
    await using holding = this.#store.images.hold();
    for (const blob of image.layerBlobs) if (blob !== undefined) holding.add(blob.digest);
    const sourceOf = blobSources(await this.#store.images.list(), reference);
    const push = { image, reference, options, sourceOf };
    const blobs = await this.#sendLayers(push);
    const config = { mediaType: '', digest: image.id, size: image.configBytes.length };
    const access = accessOf(options);
    await this.#registry.pushBlob(reference, await this.#present(config), access);
    const { mediaType, bytes, descriptor } = await manifestOf(this.#store.content, image, blobs);
    await this.#registry.pushManifest(reference, { mediaType, bytes }, access);
    await this.#store.content.put(bytes);
    await this.#layerBlobs.remember(image, {
      manifest: descriptor,
      repoDigests: [digestName(reference, descriptor)],
    });
    return descriptor;
  }

  #tellPushed(
    image: Image,
    reference: Reference,
    { digest, size }: Descriptor,
    { onProgress }: PushOptions,
  ): void {
    const tag = reference.tag ?? 'latest';
    onProgress({ status: `${tag}: digest: ${digest} size: ${size}` });
    onProgress({ progressDetail: {}, aux: { Tag: tag, Digest: digest, Size: size } });
    const name = familiarName(reference);
    emitImageEvent(this.#events, 'push', name, familiarRepository(reference), image);
  }

  /** Sends the layers, some at a time; the first failure ends them all. Returns their blobs, bottom first. */
  async #sendLayers(push: Push): Promise<readonly Descriptor[]> {
    const { image, options } = push;
    const failed = new AbortController();
    const signal = AbortSignal.any([options.signal, failed.signal]);
    const queue = [...image.layers.entries()];
    for (const [index, { diffId }] of image.layers.entries()) {
      const size = image.layerBlobs[index]?.size;
      const known = size === undefined ? {} : { size };
      options.onProgress({ status: 'Preparing', id: shortId(diffId), progressDetail: {}, ...known });
    }
    const blobs = new Map<number, Descriptor>();
    const work = async () => {
      try {
        for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
          signal.throwIfAborted();
          const [index, layer] = next;
          blobs.set(index, await this.#sendLayer({ ...push, options: { ...options, signal } }, layer, index));
        }
      } catch (error) {
        failed.abort(error);
        throw error;
      }
    };
    await Promise.allSettled(Array.from({ length: this.#atATime }, work));
    signal.throwIfAborted();
    return image.layers.flatMap((_, index) => blobs.get(index) ?? []);
  }

  async #sendLayer(push: Push, layer: Layer, index: number): Promise<Descriptor> {
    const { image, options } = push;
    const compressing = () => tell(options, layer.diffId, 'Compressing');
    const blob = await this.#layerBlobs.forRegistry(image, index, options.signal, compressing);
    const local = await this.#local(blob);
    let isWanted = false;
    const discarded = async () => {
      isWanted = true;
      throw conflict(`the registry wants a blob that was discarded here: ${shortId(blob.digest)}`);
    };
    try {
      await this.#sendBlob(push, layer, local ?? { ...blob, open: discarded });
      return blob;
    } catch (error) {
      if (!isWanted) throw error;
    }
    const packed = await this.#layerBlobs.forArchive(image, index, options.signal, compressing);
    await this.#sendBlob(push, layer, await this.#present(packed));
    return packed;
  }

  async #sendBlob(push: Push, { diffId }: Layer, blob: LocalBlob): Promise<void> {
    const { reference, options, sourceOf } = push;
    await this.#lock.run(`${reference.domain}/${reference.path}@${blob.digest}`, async () => {
      const mountFrom = sourceOf(blob.digest);
      const onProgress = everyMegabyte((current) =>
        tell(options, diffId, 'Pushing', { current, total: blob.size }),
      );
      const pushed = await this.#registry.pushBlob(reference, blob, {
        ...options,
        ...(mountFrom === undefined ? {} : { mountFrom }),
        onProgress,
      });
      if (pushed.kind === 'existed') tell(options, diffId, 'Layer already exists');
      else if (pushed.kind === 'mounted') tell(options, diffId, `Mounted from ${pushed.from}`);
      else tell(options, diffId, 'Pushed');
    });
  }

  /** Undefined for a blob that was discarded. */
  async #local(blob: Descriptor): Promise<LocalBlob | undefined> {
    return (await this.#store.content.has(blob.digest)) ? this.#present(blob) : undefined;
  }

  async #present({ mediaType, digest, size }: Descriptor): Promise<LocalBlob> {
    const path = await this.#store.content.path(digest);
    return { mediaType, digest, size, open: async (from) => createReadStream(path, { start: from }) };
  }
}

function accessOf({ credentials, signal, platform }: PushOptions) {
  return {
    signal,
    ...(credentials === undefined ? {} : { credentials }),
    ...(platform === undefined ? {} : { platform }),
  };
}

function digestName({ domain, path }: Reference, { digest }: Descriptor): string {
  return `${domain}/${path}@${digest}`;
}

function announce(reference: Reference, { onProgress }: PushOptions): void {
  onProgress({ status: `The push refers to repository [${reference.domain}/${reference.path}]` });
}

function tell(
  { onProgress }: PushOptions,
  diffId: Digest,
  status: string,
  progressDetail: PullProgress['progressDetail'] = {},
): void {
  onProgress({ status, progressDetail, id: shortId(diffId) });
}

/** Which other repository of the registry has a blob: by the images here that came from it or went there. */
function blobSources(
  images: readonly Image[],
  { domain, path }: Reference,
): (blob: Digest) => string | undefined {
  const sources = new Map<Digest, string>();
  for (const { repoDigests, layerBlobs } of images) {
    const source = repoDigests
      .map(parseReference)
      .find((candidate) => candidate.domain === domain && candidate.path !== path);
    if (source === undefined) continue;
    for (const blob of layerBlobs) if (blob !== undefined) sources.set(blob.digest, source.path);
  }
  return (blob) => sources.get(blob);
}
