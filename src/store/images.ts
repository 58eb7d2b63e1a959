import { conflict, type DiffId, type Digest, isBerthError, notFound, parseDiffId } from '../base/index.ts';
import type { FileContentStore } from './content.ts';
import type { Holding, Image, ImageConfig, ImageStore, NewImage } from './contract.ts';
import type { Database } from './database.ts';
import { parseImageConfig } from './image-config.ts';
import { ImageRecords } from './image-records.ts';
import type { UnpackedLayerStore } from './layers.ts';
import type { Leases } from './leases.ts';

/** What {@link DatabaseImageStore} is made of. */
export interface ImageStoreParts {
  readonly database: Database;
  readonly content: FileContentStore;
  readonly layers: UnpackedLayerStore;
  readonly leases: Leases;
}

/** The part of an image that never changes. */
interface StoredConfig {
  readonly config: ImageConfig;
  readonly configBytes: Buffer;
}

/** Images as records in the metadata database, their configs as blobs. */
export class DatabaseImageStore implements ImageStore {
  readonly #parts: ImageStoreParts;
  readonly #records: ImageRecords;
  readonly #configs = new Map<Digest, StoredConfig>();
  /** Layers and blobs that were still leased when their image went: looked at again with the next deletion. */
  readonly #leftLayers = new Set<DiffId>();
  readonly #leftBlobs = new Set<Digest>();

  constructor(parts: ImageStoreParts) {
    this.#parts = parts;
    this.#records = new ImageRecords(parts.database);
  }

  async list(): Promise<readonly Image[]> {
    const images = await Promise.all(this.#records.listed().map((id) => this.get(id)));
    return images
      .filter((image) => image !== undefined)
      .map((image) => ({ image, created: Date.parse(image.config.created ?? '') || 0 }))
      .sort((a, b) => b.created - a.created || (a.image.id < b.image.id ? -1 : 1))
      .map(({ image }) => image);
  }

  async get(id: Digest): Promise<Image | undefined> {
    if (!this.#records.has(id)) return undefined;
    try {
      const stored = await this.#config(id);
      return this.#records.has(id) ? this.#image(id, stored) : undefined;
    } catch (error) {
      // It may have been deleted while its config was being read.
      if (isBerthError(error, 'not-found') && !this.#records.has(id)) return undefined;
      throw error;
    }
  }

  async byName(canonicalName: string): Promise<Image | undefined> {
    const id = this.#records.named(canonicalName);
    return id === undefined ? undefined : this.get(id);
  }

  async byIdPrefix(hex: string): Promise<Image | undefined> {
    if (!/^[0-9a-f]{1,64}$/.test(hex)) return undefined;
    const [first, second] = this.#records.withIdPrefix(hex);
    if (second !== undefined) throw conflict(`the image ID prefix ${hex} is ambiguous`);
    return first === undefined ? undefined : this.get(first);
  }

  async add(image: NewImage): Promise<Image> {
    const { content, database, layers } = this.#parts;
    const config = parseImageConfig(image.configBytes);
    for (const diffId of config.rootfs.diff_ids) {
      if (layers.find(diffId) === undefined)
        throw conflict(`layer ${diffId} of the image is not in the store`);
    }
    const id = await content.put(image.configBytes);
    try {
      const replaced = database.transaction(() => this.#records.put(id, config, image));
      if (replaced !== undefined) this.#leftBlobs.add(replaced);
    } finally {
      this.#releaseLeases(id);
    }
    const stored = { config, configBytes: Buffer.from(image.configBytes) };
    this.#configs.set(id, stored);
    return this.#image(id, stored);
  }

  async tag(id: Digest, canonicalName: string): Promise<void> {
    this.#parts.database.transaction(() => {
      if (!this.#records.has(id)) throw notFound(`No such image: ${id}`);
      this.#records.tag(id, canonicalName);
    });
  }

  async untag(canonicalName: string): Promise<boolean> {
    return this.#parts.database.transaction(() => this.#records.untag(canonicalName));
  }

  async delete(id: Digest): Promise<{ readonly deletedLayers: readonly DiffId[] }> {
    if (!this.#records.has(id)) throw notFound(`No such image: ${id}`);
    for (const diffId of this.#records.layersOf(id)) this.#leftLayers.add(diffId);
    for (const digest of this.#records.blobsOf(id)) this.#leftBlobs.add(digest);
    this.#records.delete(id);
    this.#configs.delete(id);
    return { deletedLayers: await this.#deleteUnneeded() };
  }

  hold(): Holding {
    const { leases } = this.#parts;
    const held = new Set<Digest>();
    return {
      add: (digest) => {
        if (!held.has(digest)) leases.hold(digest);
        held.add(digest);
      },
      [Symbol.asyncDispose]: async () => {
        for (const digest of held) leases.letGo(digest);
        await this.#deleteLeft(held);
      },
    };
  }

  /** Deletes what an operation that is over has left: it may have been a blob, a layer, or nothing at all. */
  async #deleteLeft(digests: Iterable<Digest>): Promise<void> {
    for (const digest of digests) {
      const layer = this.#parts.layers.find(parseDiffId(digest));
      if (layer !== undefined) this.#leftLayers.add(layer.diffId);
      this.#leftBlobs.add(digest);
    }
    await this.#deleteUnneeded();
  }

  /** What nothing needs any more, top layer first. */
  async #deleteUnneeded(): Promise<DiffId[]> {
    const { content, layers, leases } = this.#parts;
    const deleted: DiffId[] = [];
    for (const diffId of [...this.#leftLayers].reverse()) {
      const isNeeded = () => this.#records.needsLayer(diffId);
      const isGone = await layers.deleteUnless(diffId, () => leases.isLeased(diffId) || isNeeded());
      if (isGone) deleted.push(diffId);
      if (isGone || isNeeded()) this.#leftLayers.delete(diffId);
    }
    for (const digest of [...this.#leftBlobs]) {
      const isNeeded = () => this.#records.needsBlob(digest);
      const isGone = await content.deleteUnless(digest, () => leases.isLeased(digest) || isNeeded());
      if (isGone || isNeeded()) this.#leftBlobs.delete(digest);
    }
    return deleted;
  }

  #releaseLeases(id: Digest): void {
    this.#parts.leases.release(id);
    for (const digest of this.#records.layersOf(id)) this.#parts.leases.release(digest);
    for (const digest of this.#records.blobsOf(id)) this.#parts.leases.release(digest);
  }

  async #config(id: Digest): Promise<StoredConfig> {
    const known = this.#configs.get(id);
    if (known !== undefined) return known;
    const configBytes = await this.#parts.content.read(id);
    const stored = { config: parseImageConfig(configBytes), configBytes };
    if (this.#records.has(id)) this.#configs.set(id, stored);
    return stored;
  }

  #image(id: Digest, { config, configBytes }: StoredConfig): Image {
    const { layers, layerBlobs } = this.#records.layers(id, (diffId) => this.#parts.layers.find(diffId));
    const { tags, repoDigests } = this.#records.names(id);
    const size = layers.reduce((sum, layer) => sum + layer.size, 0);
    const manifest = this.#records.manifest(id);
    return { id, config, configBytes, layers, size, tags, repoDigests, manifest, layerBlobs };
  }
}
