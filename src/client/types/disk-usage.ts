import type { ContainerSummary } from './container.ts';
import type { ImageSummary } from './image.ts';
import type { Volume } from './volume.ts';

/** GET /system/df; a part is missing where it was not asked for. Sizes in bytes. */
export interface SystemDiskUsage {
  /** Of all images' layers, each once. */
  readonly LayersSize?: number;
  readonly Images?: readonly ImageSummary[] | null;
  readonly Containers?: readonly ContainerSummary[] | null;
  readonly Volumes?: readonly VolumeWithUsage[] | null;
  readonly BuildCache?: readonly BuildCacheRecord[] | null;
  /** Totals as the engine counts them: later versions of the API, and berth. */
  readonly ImageUsage?: UsageTotals;
  readonly ContainerUsage?: UsageTotals;
  readonly VolumeUsage?: UsageTotals;
  readonly BuildCacheUsage?: UsageTotals;
}

export interface UsageTotals {
  readonly TotalCount: number;
  readonly ActiveCount: number;
  readonly TotalSize: number;
  /** What a prune of all that is unused would free. */
  readonly Reclaimable: number;
}

export type VolumeWithUsage = Volume & {
  readonly UsageData?: { readonly RefCount: number; readonly Size: number };
};

export interface BuildCacheRecord {
  readonly ID: string;
  readonly Parents?: readonly string[] | null;
  readonly Type: string;
  readonly Description: string;
  readonly InUse: boolean;
  /** An image has it, too. */
  readonly Shared: boolean;
  readonly Size: number;
  readonly CreatedAt: string;
  readonly LastUsedAt: string | null;
  readonly UsageCount: number;
}

export interface BuildCachePruned {
  readonly CachesDeleted: readonly string[] | null;
  readonly SpaceReclaimed: number;
}

/** GET /berth/data-root, an extension: what all that is below the data root is there for. */
export interface DataRootUsage {
  readonly Path: string;
  readonly Categories: readonly {
    readonly Name: string;
    readonly Description: string;
    readonly Files: number;
    /** Bytes on the disk, folders included. */
    readonly Size: number;
  }[];
  readonly Total: number;
}
