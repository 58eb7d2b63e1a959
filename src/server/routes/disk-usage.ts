import type { FastifyInstance } from 'fastify';
import { invalid } from '../../base/index.ts';
import type { DiskUse, Engine } from '../../engine/index.ts';
import { Query } from '../fields.ts';
import { containerSummary } from '../formats/container-summary.ts';
import { cachedLayerSummary, dataRootAnswer } from '../formats/disk-usage.ts';
import { imageSummary } from '../formats/image.ts';
import { Names } from '../formats/names.ts';
import { volumeInspect } from '../formats/volume.ts';
import { clientSignal } from '../streams.ts';
import { summaryFacts } from './containers.ts';

const TYPES = ['container', 'image', 'volume', 'build-cache'];

/** What things take on the disk: GET /system/df, and an extension that explains each byte of the data root. */
export function diskUsageRoutes(app: FastifyInstance, engine: Engine): void {
  const { diskUsage } = engine;

  app.get('/system/df', async (request) => {
    const types = new Query(request.query).all('type');
    const unknown = types.find((type) => !TYPES.includes(type));
    if (unknown !== undefined) {
      throw invalid(`unknown object type: ${unknown}`, { hint: `It is one of ${TYPES.join(', ')}` });
    }
    const wants = (type: string) => types.length === 0 || types.includes(type);
    return {
      ...(wants('image') ? await imagesPart() : {}),
      ...(wants('container') ? await containersPart() : {}),
      ...(wants('volume') ? await volumesPart() : {}),
      ...(wants('build-cache') ? await buildCachePart() : {}),
    };
  });

  app.get('/berth/data-root', async (request) =>
    dataRootAnswer(await diskUsage.explain(clientSignal(request))),
  );

  async function imagesPart() {
    const use = await diskUsage.images();
    return {
      LayersSize: use.total,
      Images: use.items.map(({ image, shared, containers }) =>
        imageSummary(image, { containersOf: () => containers, shared }),
      ),
      ImageUsage: totals(use),
    };
  }

  async function containersPart() {
    const use = await diskUsage.containers();
    const names = new Names(engine);
    const items = use.items.map(async ({ record, sizes }) =>
      containerSummary(record, { ...(await summaryFacts(engine, record, names)), sizes }),
    );
    return { Containers: await Promise.all(items), ContainerUsage: totals(use) };
  }

  async function volumesPart() {
    const use = await diskUsage.volumes();
    return {
      Volumes: use.items.map(({ volume, size, users }) => ({
        ...volumeInspect(volume),
        UsageData: { RefCount: users, Size: size },
      })),
      VolumeUsage: totals(use),
    };
  }

  async function buildCachePart() {
    const use = await diskUsage.buildCache();
    return { BuildCache: use.items.map(cachedLayerSummary), BuildCacheUsage: totals(use) };
  }
}

/** Members of later versions of the API: what can be freed is right only where the engine has counted it. */
function totals({ items, active, total, reclaimable }: DiskUse<unknown>) {
  return { TotalCount: items.length, ActiveCount: active, TotalSize: total, Reclaimable: reclaimable };
}
