import type { FastifyInstance } from 'fastify';
import { notImplemented } from '../../base/index.ts';

/** Endpoints of the Engine API that berth does not have yet: "METHOD path", and what they are for. */
const MISSING: Readonly<Record<string, string>> = {
  'GET /plugins': 'plugins',
  'GET /swarm': 'swarm mode',
  'POST /swarm/init': 'swarm mode',
  'POST /swarm/join': 'swarm mode',
  'GET /services': 'swarm mode',
  'GET /nodes': 'swarm mode',
  'GET /tasks': 'swarm mode',
  'GET /secrets': 'swarm mode',
  'GET /configs': 'swarm mode',
};

/** Refuses by name what clients may ask for and berth does not have yet. */
export function missingRoutes(app: FastifyInstance): void {
  for (const [endpoint, purpose] of Object.entries(MISSING)) {
    const [method = 'GET', url = ''] = endpoint.split(' ');
    app.route({
      method,
      url,
      exposeHeadRoute: false,
      handler: () => {
        throw notImplemented(`${purpose} is not there yet (${endpoint})`);
      },
    });
  }
}
