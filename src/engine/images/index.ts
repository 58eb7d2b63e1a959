import type { Readable } from 'node:stream';
import { canonicalName, type DiffId, type Digest, parseReference, type Reference } from '../../base/index.ts';
import type { Access, Downloads, Platform, RegistryClient } from '../../registry/index.ts';
import type { Launcher } from '../../runtime/index.ts';
import type { Image, Store } from '../../store/index.ts';
import type { Events } from '../events.ts';
import { type ImportOptions, importImage } from './archive/import.ts';
import { ImageLoader, type LoadOptions } from './archive/load.ts';
import { ImageSaver, type SaveOptions } from './archive/save.ts';
import { type CheckOptions, type CheckReport, checkImages } from './check/index.ts';
import { discardBlobs } from './discard-blobs.ts';
import { announceImage } from './image-events.ts';
import { LayerBlobs } from './layer-blobs.ts';
import { type ListedManifest, listManifests } from './listed-manifests.ts';
import { lookAtRegistry, type RegistryEntry } from './look-at-registry.ts';
import { Puller, type PullOptions, type Settle } from './pull.ts';
import { Pusher, type PushOptions } from './push.ts';
import { deleteImage, type Removal, removeImage, type UsersOf } from './remove.ts';
import { findImage, findImageFor, lookUp } from './resolve.ts';

export type { ImportOptions } from './archive/import.ts';
export type { LoadOptions, LoadProgress } from './archive/load.ts';
export type { SaveOptions } from './archive/save.ts';
export type { PullOptions, PullProgress } from './pull.ts';
export type { PushOptions, PushProgress } from './push.ts';
export type { Removal } from './remove.ts';

export interface ImagesParts {
  readonly store: Store;
  readonly registry: RegistryClient;
  readonly downloads: Downloads;
  readonly launcher: Pick<Launcher, 'openFiles' | 'packChanges' | 'unmountLayer'>;
  readonly events: Events;
  /** Keep layers only unpacked. */
  readonly discardBlobs: boolean;
  /** Layers of one image that are on their way at the same time. */
  readonly transfers: { readonly downloads: number; readonly uploads: number };
}

/** The images of one instance. */
export class Images {
  readonly #store: Store;
  readonly #events: Events;
  readonly #registry: RegistryClient;
  readonly #puller: Puller;
  readonly #pusher: Pusher;
  readonly #parts: ImagesParts;
  readonly #loader: ImageLoader;
  readonly #saver: ImageSaver;
  readonly #settle: Settle;

  constructor(parts: ImagesParts) {
    this.#parts = parts;
    this.#store = parts.store;
    this.#events = parts.events;
    this.#registry = parts.registry;
    this.#settle = parts.discardBlobs
      ? (image, signal) => discardBlobs(parts, image, signal)
      : async () => {};
    const shared = { ...parts, settle: this.#settle, layerBlobs: new LayerBlobs(parts) };
    this.#puller = new Puller(shared);
    this.#pusher = new Pusher(shared);
    this.#loader = new ImageLoader(shared);
    this.#saver = new ImageSaver(shared);
  }

  /** Newest first; those of the builder's cache only with `hidden`. */
  list(options: { readonly hidden?: boolean } = {}): Promise<readonly Image[]> {
    return this.#store.images.list(options);
  }

  /** The platforms that an image is there for, here or at its registry; `all` are the images that are here. */
  manifests(image: Image, all: readonly Image[]): Promise<readonly ListedManifest[]> {
    return listManifests(this.#store.content, image, all);
  }

  /** By id, prefix of an id, or name; throws `not-found`. */
  find(text: string): Promise<Image> {
    return findImage(this.#store.images, text);
  }

  /** As {@link find}; of several platforms see {@link findImageFor}. */
  findFor(text: string, platform: Platform | undefined): Promise<Image> {
    return findImageFor(this.#store, text, platform);
  }

  lookUp(text: string): Promise<Image | undefined> {
    return lookUp(this.#store.images, text);
  }

  pull(reference: Reference, options: PullOptions): Promise<Image> {
    return this.#puller.pull(reference, options);
  }

  /** As {@link pull}, for every tag that a repository has at its registry. */
  pullAllTags(repository: Reference, options: PullOptions): Promise<void> {
    return this.#puller.pullAllTags(repository, options);
  }

  /** What a registry has under a name; nothing is brought here. */
  lookAtRegistry(reference: Reference, access: Access): Promise<RegistryEntry> {
    return lookAtRegistry(this.#registry, reference, access);
  }

  /** Sends the image of that name to its registry; throws `not-found` where there is none, and what the registry says. */
  push(reference: Reference, options: PushOptions): Promise<void> {
    return this.#pusher.push(reference, options);
  }

  /** As {@link push}, for every tag that a repository has here. */
  pushAllTags(repository: Reference, options: PushOptions): Promise<void> {
    return this.#pusher.pushAllTags(repository, options);
  }

  /** See {@link checkImages}. */
  check(options: CheckOptions): Promise<CheckReport> {
    return checkImages(this.#parts, options);
  }

  /** Brings the images of an archive here, all or none; throws what is wrong with it. */
  load(archive: Readable, options: LoadOptions): Promise<void> {
    return this.#loader.load(archive, options);
  }

  /** An archive of images by name or id; throws `not-found` where there is none. */
  save(references: readonly string[], options: SaveOptions): Promise<Readable> {
    return this.#saver.save(references, options);
  }

  /** Makes an image of a file system's tar, sent or downloaded; throws what is wrong with it. */
  import(source: Readable | URL, options: ImportOptions): Promise<Image> {
    return importImage({ ...this.#parts, settle: this.#settle }, source, options);
  }

  async tag(text: string, name: string): Promise<void> {
    const image = await this.find(text);
    const reference = parseReference(name);
    await this.#store.images.tag(image.id, canonicalName(reference));
    announceImage(this.#events, image, { isNew: false, tags: [canonicalName(reference)] });
  }

  remove(text: string, force: boolean, usersOf: UsersOf): Promise<Removal[]> {
    return removeImage({ images: this.#store.images, events: this.#events, usersOf }, text, force);
  }

  /** Deletes an image with all its names. Throws `conflict` where a container was made from it. */
  async delete(
    id: Digest,
    usersOf: UsersOf,
  ): Promise<{ removals: readonly Removal[]; deletedLayers: readonly DiffId[] }> {
    const parts = { images: this.#store.images, events: this.#events, usersOf };
    return deleteImage(parts, await this.find(id));
  }
}
