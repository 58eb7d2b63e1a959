import {
  conflict,
  crashPoint,
  type DiffId,
  type Digest,
  isBerthError,
  notFound,
  parseDiffId,
} from '../base/index.ts';
import type { FileContentStore } from './content.ts';
import type { Holding, Image, ImageConfig, ImageRecord, ImageStore, Layer, NewImage } from './contract.ts';
import type { Database } from './database.ts';
import { parseImageConfig } from './image-config.ts';
import type { ImageRecords } from './image-records.ts';
import type { UnpackedLayerStore } from './layers.ts';
import type { Leases } from './leases.ts';
import type { Trash } from './trash.ts';

/** What {@link DatabaseImageStore} is made of. */
export interface ImageStoreParts {
  readonly database: Database;
  readonly content: FileContentStore;
  readonly layers: UnpackedLayerStore;
  readonly records: ImageRecords;
  readonly leases: Leases;
  readonly trash: Trash;
  /** See {@link StoreOptions.unmountLayer}. */
  readonly unmountLayer: (path: string) => Promise<void>;
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
    this.#records = parts.records;
  }

  async list({ hidden = false } = {}): Promise<readonly Image[]> {
    await Promise.all(this.#records.all().map(({ id }) => this.#config(id)));
    return this.#records
      .all()
      .filter((row) => hidden || !row.hidden)
      .flatMap((row) => this.#complete(row) ?? [])
      .map((image) => ({ image, created: Date.parse(image.config.created ?? '') || 0 }))
      .sort((a, b) => b.created - a.created || (a.image.id < b.image.id ? -1 : 1))
      .map(({ image }) => image);
  }

  records(): readonly ImageRecord[] {
    return this.#records.all();
  }

  has(id: Digest): boolean {
    return this.#records.has(id);
  }

  async get(id: Digest): Promise<Image | undefined> {
    if (!this.#records.has(id)) return undefined;
    await this.#config(id);
    const row = this.#records.get(id);
    return row === undefined ? undefined : this.#complete(row);
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
      for (const digest of replaced) this.#leftBlobs.add(digest);
    } finally {
      this.#releaseLeases(id);
    }
    const stored = { config, configBytes: Buffer.from(image.configBytes) };
    this.#configs.set(id, stored);
    return { ...this.#existing(id), ...stored };
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

  async delete(
    id: Digest,
    { isUsed = () => false }: { readonly isUsed?: () => boolean } = {},
  ): Promise<{ readonly deletedLayers: readonly DiffId[] }> {
    await this.#unmountLayersOnlyIn(id);
    const { layers } = this.#existing(id); // it may have gone meanwhile
    for (const { diffId } of layers) this.#leftLayers.add(diffId);
    for (const digest of this.#records.blobsOf(id)) this.#leftBlobs.add(digest);
    const forget = () => {
      if (isUsed()) throw conflict(`image ${id} is in use`);
      this.#records.delete(id);
    };
    const deletedLayers = await this.#deleteUnneeded(forget).catch(async (error: unknown) => {
      if (!isBerthError(error, 'unavailable')) throw error;
      await this.#freeLayersOnlyIn(id);
      return this.#deleteUnneeded(forget);
    });
    this.#configs.delete(id);
    void this.#parts.trash.empty();
    return { deletedLayers };
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

  /** A file that is still mounted when it goes would be freed by the unmounting, which keeps everybody waiting. */
  async #unmountLayersOnlyIn(id: Digest): Promise<void> {
    for (const { diffId, path } of this.#existing(id).layers) {
      if (this.#records.imagesWith(diffId) === 1) await this.#parts.unmountLayer(path);
    }
  }

  /**
   * A full disk takes no change of the database before it has the space of the files back. Should the change fail all the
   * same, the next start forgets the image, as its layers are not there.
   */
  async #freeLayersOnlyIn(id: Digest): Promise<void> {
    const { leases, trash } = this.#parts;
    for (const { diffId, path } of this.#existing(id).layers) {
      if (this.#records.imagesWith(diffId) === 1 && !leases.isLeased(diffId)) await trash.discard(path);
    }
    await trash.empty();
  }

  /** Deletes what an operation that is over has left: it may have been a blob, a layer, or nothing at all. */
  async #deleteLeft(digests: Iterable<Digest>): Promise<void> {
    for (const digest of digests) {
      const layer = this.#parts.layers.find(parseDiffId(digest));
      if (layer !== undefined) this.#leftLayers.add(layer.diffId);
      this.#leftBlobs.add(digest);
    }
    await this.#deleteUnneeded(() => {});
    await this.#parts.trash.empty();
  }

  /**
   * Makes a change of the records, and takes away what nothing needs any more: the records at once, in one transaction,
   * then the files. Returns the deleted layers, the top one first.
   */
  async #deleteUnneeded(change: () => void): Promise<DiffId[]> {
    const { database, layers } = this.#parts;
    const forgotten = database.transaction(() => {
      change();
      return this.#forgetUnneeded();
    });
    for (const layer of forgotten) {
      crashPoint('delete.forgotten');
      this.#leftLayers.delete(layer.diffId);
      await layers.discard(layer);
    }
    await this.#discardUnneededBlobs();
    return forgotten.map(({ diffId }) => diffId);
  }

  #forgetUnneeded(): Layer[] {
    const { layers, leases } = this.#parts;
    const forgotten: Layer[] = [];
    for (const diffId of [...this.#leftLayers].reverse()) {
      const layer = layers.find(diffId);
      if (layer === undefined || this.#records.imagesWith(diffId) > 0) this.#leftLayers.delete(diffId);
      else if (!leases.isLeased(diffId)) {
        layers.forget(diffId);
        forgotten.push(layer);
      }
    }
    return forgotten;
  }

  async #discardUnneededBlobs(): Promise<void> {
    const { content, leases } = this.#parts;
    for (const digest of [...this.#leftBlobs]) {
      const isNeeded = () => this.#records.needsBlob(digest);
      const isGone = await content.discardUnless(digest, () => leases.isLeased(digest) || isNeeded());
      if (isGone || isNeeded()) this.#leftBlobs.delete(digest);
    }
  }

  #releaseLeases(id: Digest): void {
    this.#parts.leases.release(id);
    for (const digest of this.#records.layersOf(id)) this.#parts.leases.release(digest);
    for (const digest of this.#records.blobsOf(id)) this.#parts.leases.release(digest);
  }

  #complete(row: ImageRecord): Image | undefined {
    const stored = this.#configs.get(row.id);
    return stored === undefined ? undefined : { ...row, ...stored };
  }

  /** Has the config of an image at hand, unless the image is deleted meanwhile. */
  async #config(id: Digest): Promise<void> {
    if (this.#configs.has(id)) return;
    try {
      const configBytes = await this.#parts.content.read(id);
      if (this.#records.has(id))
        this.#configs.set(id, { config: parseImageConfig(configBytes), configBytes });
    } catch (error) {
      if (!isBerthError(error, 'not-found') || this.#records.has(id)) throw error;
    }
  }

  #existing(id: Digest): ImageRecord {
    const row = this.#records.get(id);
    if (row === undefined) throw notFound(`No such image: ${id}`);
    return row;
  }
}
