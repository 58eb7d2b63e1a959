import { digestHex } from '../../base/index.ts';
import type { CachedLayer } from '../../build/index.ts';
import type { DataRootUsage } from '../../engine/index.ts';

/** Go's clients take no empty time. */
const NEVER = '0001-01-01T00:00:00Z';

/** An entry of the build cache (Engine API, CacheRecord). Uses are not counted. */
export function cachedLayerSummary({ diffId, size, parent, description, created, shared }: CachedLayer) {
  return {
    ID: digestHex(diffId),
    ...(parent === undefined ? {} : { Parents: [digestHex(parent)] }),
    Type: 'regular',
    Description: description,
    InUse: false,
    Shared: shared,
    Size: size,
    CreatedAt: created === '' ? NEVER : created,
    LastUsedAt: null,
    UsageCount: 0,
  };
}

/** GET /berth/data-root. */
export function dataRootAnswer({ path, categories, total }: DataRootUsage) {
  return {
    Path: path,
    Categories: categories.map(({ name, description, files, size }) => ({
      Name: name,
      Description: description,
      Files: files,
      Size: size,
    })),
    Total: total,
  };
}
