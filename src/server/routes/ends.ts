import type { FastifyInstance } from 'fastify';
import type { Engine } from '../../engine/index.ts';
import { endInspect } from '../formats/container.ts';
import { statusText } from '../formats/container-summary.ts';

/** GET /berth/containers/{id}/ends, an extension: why a container died, or why it did not start. */
export function endRoutes(app: FastifyInstance, { containers }: Engine): void {
  app.get<{ Params: { name: string } }>('/berth/containers/:name/ends', (request) => {
    const record = containers.find(request.params.name);
    return {
      Id: record.id,
      Name: record.name,
      State: record.state.status,
      Status: statusText(record.state, containers.health(record)),
      LogDriver: record.host.log.driver,
      Ends: containers.ends(record).map(endInspect),
    };
  });
}
