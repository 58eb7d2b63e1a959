import type { FastifyInstance } from 'fastify';
import { shortId } from '../../base/index.ts';
import type { Damage, Engine } from '../../engine/index.ts';
import { Query } from '../fields.ts';
import { parseRegistryConfig } from '../registry-auth.ts';
import { answerWithLines, clientSignal } from '../streams.ts';

/** POST /berth/check?repair=, an extension: whether all that images are made of is whole. Progress first, the report last. */
export function checkRoutes(app: FastifyInstance, { images }: Engine): void {
  app.post('/berth/check', async (request, reply) => {
    const options = {
      repair: new Query(request.query).flag('repair'),
      credentialsFor: parseRegistryConfig(request.headers['x-registry-config']),
      signal: clientSignal(request),
    };
    await answerWithLines(reply, async (send) => {
      const { blobs, layers, damages } = await images.check({
        ...options,
        onProgress: ({ kind, digest }, done, total) =>
          send({ status: `Checking ${kind} ${shortId(digest)}`, progressDetail: { current: done, total } }),
      });
      send({ aux: { Blobs: blobs, Layers: layers, Damages: damages.map(damageFormat) } });
    });
  });
}

function damageFormat({ kind, digest, reason, images, repair }: Damage) {
  return {
    Kind: kind,
    Digest: digest,
    Reason: reason,
    Images: images,
    Repair: repair.kind,
    ...(repair.kind === 'failed' ? { RepairError: repair.reason } : {}),
  };
}
