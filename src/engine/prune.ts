import { conflict, crashPoint, type Digest, isBerthError } from '../base/index.ts';
import type { Builder, CachePrune, PrunedCache } from '../build/index.ts';
import type { Store } from '../store/index.ts';
import type { VirtualMachines } from '../vm/index.ts';
import type { ContainerRecord, Containers } from './containers/index.ts';
import { measureTree } from './disk-usage/tree-size.ts';
import type { EngineEvent, Events } from './events.ts';
import type { Images, Removal } from './images/index.ts';
import type { Networks } from './networks.ts';
import type { Volumes } from './volumes.ts';

/** Which of the unused things go: all that both let through. */
export interface PruneSelection {
  /** Only what was made before. */
  readonly until?: Date | undefined;
  readonly hasLabels: (labels: Readonly<Record<string, string>>) => boolean;
}

export interface Pruned<T> {
  readonly deleted: readonly T[];
  /** Bytes, counted as `system df` does. */
  readonly reclaimed: number;
}

export interface PruningParts {
  readonly store: Pick<Store, 'spaceFreed'>;
  readonly events: Pick<Events, 'emit'>;
  readonly containers: Pick<
    Containers,
    'list' | 'remove' | 'writtenSize' | 'imageUsers' | 'volumeUsers' | 'networkUsers'
  >;
  readonly images: Pick<Images, 'list' | 'delete'>;
  readonly networks: Pick<Networks, 'list' | 'remove'>;
  readonly volumes: Pick<Volumes, 'list' | 'remove'>;
  readonly builder: Pick<Builder, 'prune'>;
  readonly machines: Pick<VirtualMachines, 'prune'>;
}

type PrunedKind = Exclude<EngineEvent['type'], 'daemon'>;

/**
 * Removes what nothing uses, one kind at a time; throws `conflict` while the same prune is going on. What comes into use
 * meanwhile stays.
 */
export class Pruning {
  readonly #parts: PruningParts;
  readonly #running = new Set<PrunedKind>();

  constructor(parts: PruningParts) {
    this.#parts = parts;
  }

  /** Containers that do not run. */
  containers(selection: PruneSelection): Promise<Pruned<string>> {
    const { containers } = this.#parts;
    return this.#once('container', async () => {
      const stopped = containers
        .list()
        .filter(
          (record) =>
            isIdle(record) &&
            isOlder(record.createdAt, selection) &&
            selection.hasLabels(record.config.labels),
        );
      return removeEach(stopped, async ({ id }) => {
        const size = await containers.writtenSize(id);
        await containers.remove(id, {});
        return { deleted: [id], reclaimed: size };
      });
    });
  }

  /** Images without a container: those without a name, or all. */
  images(selection: PruneSelection & { readonly all: boolean }): Promise<Pruned<Removal>> {
    const { images, containers, store } = this.#parts;
    return this.#once('image', async () => {
      const unused = (await images.list()).filter(
        ({ tags, config }) =>
          (selection.all || tags.length === 0) &&
          isOlder(config.created ?? '', selection) &&
          selection.hasLabels(config.config?.Labels ?? {}),
      );
      const pruned = await removeEach(unused, async ({ id, layers }) => {
        const usersOf = (image: Digest) => containers.imageUsers(image);
        if (usersOf(id).length > 0) return { deleted: [], reclaimed: 0 };
        const { removals, deletedLayers } = await images.delete(id, usersOf);
        crashPoint('prune.image');
        const sizes = new Map(layers.map(({ diffId, size }) => [diffId, size]));
        const reclaimed = deletedLayers.reduce((sum, diffId) => sum + (sizes.get(diffId) ?? 0), 0);
        return { deleted: removals, reclaimed };
      });
      await store.spaceFreed();
      return pruned;
    });
  }

  /** Volumes that no container mounts: the anonymous ones, or all. */
  volumes(selection: PruneSelection & { readonly all: boolean }): Promise<Pruned<string>> {
    const { volumes, containers } = this.#parts;
    return this.#once('volume', async () => {
      const unused = volumes
        .list()
        .filter(({ anonymous, labels }) => (selection.all || anonymous) && selection.hasLabels(labels));
      return removeEach(unused, async ({ name, mountpoint }) => {
        if (containers.volumeUsers(name).length > 0) return { deleted: [], reclaimed: 0 };
        const { content } = await measureTree(mountpoint);
        await volumes.remove(name, (volume) => containers.volumeUsers(volume));
        return { deleted: [name], reclaimed: content };
      });
    });
  }

  /** Networks of the user's that no running container is on. */
  networks(selection: PruneSelection): Promise<Pruned<string>> {
    const { networks, containers } = this.#parts;
    return this.#once('network', async () => {
      const unused = networks
        .list()
        .filter(
          ({ predefined, createdAt, labels }) =>
            !predefined && isOlder(createdAt, selection) && selection.hasLabels(labels),
        );
      return removeEach(unused, async ({ network: { id, name } }) => {
        const users = containers.networkUsers(id);
        if (users.length > 0) return { deleted: [], reclaimed: 0 };
        await networks.remove(id, users);
        return { deleted: [name], reclaimed: 0 };
      });
    });
  }

  /** Of builds, and of virtual machines: the templates that no new one would begin from. */
  buildCache(options: CachePrune): Promise<PrunedCache> {
    const { builder, machines } = this.#parts;
    return this.#once('builder', async () => {
      const pruned = await builder.prune(options);
      return { ...pruned, reclaimed: pruned.reclaimed + (await machines.prune()) };
    });
  }

  async #once<T extends { readonly reclaimed: number }>(
    kind: PrunedKind,
    work: () => Promise<T>,
  ): Promise<T> {
    if (this.#running.has(kind)) throw conflict('a prune operation is already running');
    this.#running.add(kind);
    try {
      const pruned = await work();
      this.#parts.events.emit(kind, 'prune', '', { reclaimed: String(pruned.reclaimed) });
      return pruned;
    } finally {
      this.#running.delete(kind);
    }
  }
}

function isIdle({ state }: ContainerRecord): boolean {
  return state.status === 'created' || state.status === 'exited';
}

function isOlder(created: string, { until }: PruneSelection): boolean {
  return until === undefined || (Date.parse(created) || 0) < until.getTime();
}

const REFUSALS = ['conflict', 'denied', 'not-found'] as const;

/** Removes one after the other; what somebody else uses or removes meanwhile is no failure. */
async function removeEach<Thing, T>(
  things: readonly Thing[],
  remove: (thing: Thing) => Promise<Pruned<T>>,
): Promise<Pruned<T>> {
  const deleted: T[] = [];
  let reclaimed = 0;
  for (const thing of things) {
    try {
      const pruned = await remove(thing);
      deleted.push(...pruned.deleted);
      reclaimed += pruned.reclaimed;
    } catch (error) {
      if (!REFUSALS.some((kind) => isBerthError(error, kind))) throw error;
    }
  }
  return { deleted, reclaimed };
}
