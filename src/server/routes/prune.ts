import type { FastifyInstance } from 'fastify';
import { digestHex } from '../../base/index.ts';
import type { Engine } from '../../engine/index.ts';
import { Query } from '../fields.ts';
import { type Filters, flagFilter, parseFilters, passesLabels, untilFilter } from '../filters.ts';
import { deletion } from '../formats/image.ts';

/** What removes all that is unused of a kind. */
export function pruneRoutes(app: FastifyInstance, { pruning }: Engine): void {
  app.post('/containers/prune', async (request) => {
    const filters = parseFilters(new Query(request.query), ['label', 'label!', 'until']);
    const { deleted, reclaimed } = await pruning.containers(selection(filters));
    return { ContainersDeleted: listOrNull(deleted), SpaceReclaimed: reclaimed };
  });

  app.post('/images/prune', async (request) => {
    const filters = parseFilters(new Query(request.query), ['dangling', 'label', 'label!', 'until']);
    const all = flagFilter(filters, 'dangling') === false;
    const { deleted, reclaimed } = await pruning.images({ ...selection(filters), all });
    return { ImagesDeleted: listOrNull(deleted.map(deletion)), SpaceReclaimed: reclaimed };
  });

  app.post('/volumes/prune', async (request) => {
    const filters = parseFilters(new Query(request.query), ['all', 'label', 'label!']);
    const all = flagFilter(filters, 'all') === true;
    const { deleted, reclaimed } = await pruning.volumes({ ...selection(filters), all });
    return { VolumesDeleted: deleted, SpaceReclaimed: reclaimed };
  });

  app.post('/networks/prune', async (request) => {
    const filters = parseFilters(new Query(request.query), ['label', 'label!', 'until']);
    const { deleted } = await pruning.networks(selection(filters));
    return { NetworksDeleted: listOrNull(deleted) };
  });

  app.post('/build/prune', async (request) => {
    const query = new Query(request.query);
    const filters = parseFilters(query, ['label', 'label!', 'until']);
    const until = untilFilter(filters);
    // Steps have no labels.
    if (!passesLabels(filters, {})) return { CachesDeleted: null, SpaceReclaimed: 0 };
    const keep = query.number('reserved-space') ?? query.number('keep-storage');
    const { deletedLayers, reclaimed } = await pruning.buildCache({
      all: query.flag('all'),
      ...(until === undefined ? {} : { until }),
      ...(keep === undefined || keep === 0 ? {} : { keep }),
    });
    return { CachesDeleted: listOrNull(deletedLayers.map(digestHex)), SpaceReclaimed: reclaimed };
  });
}

function selection(filters: Filters) {
  return {
    until: untilFilter(filters),
    hasLabels: (labels: Readonly<Record<string, string>>) => passesLabels(filters, labels),
  };
}

/** Docker leaves an empty list out in these answers. */
function listOrNull<T>(list: readonly T[]): readonly T[] | null {
  return list.length === 0 ? null : list;
}
