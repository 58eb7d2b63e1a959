import type { Builder, CachedLayer } from '../../build/index.ts';
import type { Image, Store } from '../../store/index.ts';
import type { ContainerRecord, Containers } from '../containers/index.ts';
import { imagesOf, isActive } from '../containers/index.ts';
import { LayerShares } from '../images/layer-shares.ts';
import type { Volume, Volumes } from '../volumes.ts';
import { type DataRootUsage, explainDataRoot } from './data-root.ts';
import { measureTree } from './tree-size.ts';

export type { DataRootCategory, DataRootUsage } from './data-root.ts';

/** What one kind of thing takes. Sizes in bytes. */
export interface DiskUse<Item> {
  readonly items: readonly Item[];
  /** How many are in use. */
  readonly active: number;
  /** What is shared counts once. */
  readonly total: number;
  /** What a prune of all of this kind that is unused would free. */
  readonly reclaimable: number;
}

export interface ImageUsage {
  readonly image: Image;
  /** Of its size, what other images have, too. */
  readonly shared: number;
  /** Ids of the containers that were made from it. */
  readonly containers: readonly string[];
}

export interface ContainerUsage {
  readonly record: ContainerRecord;
  readonly sizes: ContainerSizes;
}

export interface ContainerSizes {
  /** Of its writable layer. */
  readonly written: number;
  /** Of its root file system: that and its image. */
  readonly root: number;
}

export interface VolumeUsage {
  readonly volume: Volume;
  readonly size: number;
  /** How many containers mount it. */
  readonly users: number;
}

export interface DiskUsageParts {
  readonly store: Store;
  readonly containers: Containers;
  readonly volumes: Volumes;
  readonly builder: Builder;
  readonly dataRoot: string;
}

/** What the things of an instance take on its disk. */
export class DiskUsage {
  readonly #parts: DiskUsageParts;

  constructor(parts: DiskUsageParts) {
    this.#parts = parts;
  }

  async images(): Promise<DiskUse<ImageUsage>> {
    const { store, containers } = this.#parts;
    const all = await store.images.list({ hidden: true });
    const images = all.filter(({ hidden }) => !hidden);
    const users = Map.groupBy(containers.list(), ({ imageId }) => imageId);
    const shares = new LayerShares(images);
    const used = new Set(containers.list().flatMap(imagesOf));
    const kept = new LayerShares(all.filter(({ id, hidden }) => hidden || used.has(id)));
    return {
      items: images.map((image) => ({
        image,
        shared: shares.sharedSize(image),
        containers: (users.get(image.id) ?? []).map(({ id }) => id),
      })),
      active: images.filter(({ id }) => used.has(id)).length,
      total: shares.size(),
      reclaimable: shares.size((diffId) => !kept.has(diffId)),
    };
  }

  async containers(): Promise<DiskUse<ContainerUsage>> {
    const records = this.#parts.containers.list();
    const items: ContainerUsage[] = await Promise.all(
      records.map(async (record) => ({ record, sizes: await this.ofContainer(record) })),
    );
    const written = (counted: readonly ContainerUsage[]) =>
      counted.reduce((sum, { sizes }) => sum + sizes.written, 0);
    const idle = items.filter(({ record: { state } }) => !isActive(state) && state.status !== 'restarting');
    return {
      items,
      active: items.length - idle.length,
      total: written(items),
      reclaimable: written(idle),
    };
  }

  async ofContainer({ id, imageId }: ContainerRecord): Promise<ContainerSizes> {
    const written = await this.#parts.containers.writtenSize(id);
    const image = imageId === undefined ? undefined : await this.#parts.store.images.get(imageId);
    return { written, root: written + (image?.size ?? 0) };
  }

  async volumes(): Promise<DiskUse<VolumeUsage>> {
    const { volumes, containers } = this.#parts;
    const items: VolumeUsage[] = [];
    for (const volume of volumes.list()) {
      const { content } = await measureTree(volume.mountpoint);
      items.push({ volume, size: content, users: containers.volumeUsers(volume.name).length });
    }
    const sizeOf = (counted: readonly VolumeUsage[]) => counted.reduce((sum, { size }) => sum + size, 0);
    return {
      items,
      active: items.filter(({ users }) => users > 0).length,
      total: sizeOf(items),
      reclaimable: sizeOf(items.filter(({ users }) => users === 0)),
    };
  }

  /** Layers that images have, too, are the images'. */
  async buildCache(): Promise<DiskUse<CachedLayer>> {
    const items = await this.#parts.builder.cachedLayers();
    const total = items.filter(({ shared }) => !shared).reduce((sum, { size }) => sum + size, 0);
    return { items, active: 0, total, reclaimable: total };
  }

  /** All that is below the data root, by what it is for: adds up to what `du` sees there. */
  async explain(signal: AbortSignal): Promise<DataRootUsage> {
    const { store, dataRoot } = this.#parts;
    await store.spaceFreed();
    return explainDataRoot(dataRoot, await store.images.list({ hidden: true }), signal);
  }
}
