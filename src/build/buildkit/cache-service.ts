import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import type { ServiceImpl } from '@connectrpc/connect';
import { notImplemented } from '../../base/index.ts';
import type { Builder } from '../builder.ts';
import type { CachedLayer } from '../cached-layers.ts';
import type { CachePrune, PrunedCache } from '../prune-cache.ts';
import { grpcError } from './grpc-errors.ts';
import type { Control, PruneRequest } from './protocol/control_pb.ts';

export interface CacheParts {
  readonly builder: Pick<Builder, 'cachedLayers'>;
  prune(options: CachePrune): Promise<PrunedCache>;
}

/** What `docker buildx du` and `docker buildx prune` ask for. */
export function cacheService({
  builder,
  prune,
}: CacheParts): Pick<ServiceImpl<typeof Control>, 'diskUsage' | 'prune'> {
  return {
    diskUsage: async ({ filter }) => {
      refuseFilters(filter);
      return { record: (await builder.cachedLayers()).map(usageRecord) };
    },
    async *prune(request) {
      const options = pruneOptions(request);
      const before = await builder.cachedLayers();
      try {
        const { deletedLayers } = await prune(options);
        for (const layer of before) if (deletedLayers.includes(layer.diffId)) yield usageRecord(layer);
      } catch (error) {
        throw grpcError(error);
      }
    },
  };
}

function usageRecord({ diffId, size, parent, description, created, shared }: CachedLayer) {
  const time = Date.parse(created);
  return {
    id: diffId,
    size: BigInt(size),
    description,
    recordType: 'regular',
    shared,
    parents: parent === undefined ? [] : [parent],
    ...(Number.isNaN(time) ? {} : { createdAt: timestampFromDate(new Date(time)) }),
  };
}

function pruneOptions(request: PruneRequest): CachePrune {
  refuseFilters(request.filter);
  const { all, keepDuration, reservedSpace, maxUsedSpace, minFreeSpace } = request;
  if (maxUsedSpace > 0n || minFreeSpace > 0n)
    throw grpcError(
      notImplemented('pruning the build cache by --max-used-space or --min-free-space is not there yet', {
        hint: 'Use --reserved-space',
      }),
    );
  const milliseconds = Number(keepDuration / 1_000_000n);
  return {
    all,
    ...(milliseconds > 0 ? { until: new Date(Date.now() - milliseconds) } : {}),
    ...(reservedSpace > 0n ? { keep: Number(reservedSpace) } : {}),
  };
}

/** Clients without a filter send an empty one. */
function refuseFilters(filters: readonly string[]): void {
  const [first] = filters.filter(Boolean);
  if (first !== undefined)
    throw grpcError(notImplemented(`filters of the build cache (${first}) are not there yet`));
}
