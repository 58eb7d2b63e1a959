import type { FastifyInstance } from 'fastify';
import { parseReference } from '../../base/index.ts';
import type { Engine } from '../../engine/index.ts';
import { parseCredentials } from '../registry-auth.ts';
import { clientSignal } from '../streams.ts';

/** GET /distribution/NAME/json: what a registry has under a name, without pulling it. A name may have slashes. */
export function distributionRoutes(app: FastifyInstance, engine: Engine): void {
  app.get<{ Params: { '*': string } }>('/distribution/*', async (request, reply) => {
    const name = /^(.+)\/json$/.exec(request.params['*'])?.[1];
    if (name === undefined) return reply.callNotFound();
    const credentials = parseCredentials(request.headers['x-registry-auth']);
    const { descriptor, platforms } = await engine.images.lookAtRegistry(parseReference(name), {
      ...(credentials === undefined ? {} : { credentials }),
      signal: clientSignal(request),
    });
    return { Descriptor: descriptor, Platforms: platforms };
  });
}
