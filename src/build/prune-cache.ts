import type { DiffId } from '../base/index.ts';
import type { Store } from '../store/index.ts';
import { cachedLayers } from './cached-layers.ts';
import type { KeptStages } from './kept-stages.ts';
import { StepCache } from './step-cache.ts';

export interface CachePrune {
  /** Also the steps whose layers images have: nothing is freed, but they run again. */
  readonly all: boolean;
  /** Only what was made before. */
  readonly until?: Date;
  /** The newest layers stay, up to so many bytes. */
  readonly keep?: number;
}

export interface PrunedCache {
  readonly deletedLayers: readonly DiffId[];
  /** Bytes of the files in them. */
  readonly reclaimed: number;
}

/** Takes out of the cache what only it keeps. */
export async function pruneCache(
  { store, kept }: { readonly store: Store; readonly kept: KeptStages },
  { all, until, keep }: CachePrune,
): Promise<PrunedCache> {
  const isOld = (created: string) => until === undefined || Date.parse(created) < until.getTime();
  const deletedLayers: DiffId[] = [];
  let reclaimed = 0;
  let left = await ownSize(store);
  await kept.drop(
    (created) => isOld(created) && (keep === undefined || left > keep),
    (layers) => {
      for (const { diffId, size } of layers) {
        deletedLayers.push(diffId);
        reclaimed += size;
        left -= size;
      }
    },
  );
  await new StepCache(store).forget((created) => all && keep === undefined && isOld(created));
  await store.spaceFreed();
  return { deletedLayers, reclaimed };
}

/** Bytes that only the cache keeps. */
async function ownSize(store: Store): Promise<number> {
  return (await cachedLayers(store)).filter(({ shared }) => !shared).reduce((sum, { size }) => sum + size, 0);
}
