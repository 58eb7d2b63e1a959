import type { FastifyInstance } from 'fastify';
import type { ContainerRecord, Engine } from '../../engine/index.ts';
import { endInspect } from '../formats/container.ts';
import { reasonOf, statusText } from '../formats/container-summary.ts';

/** GET /berth/containers/{id}/ends and /berth/machines/{id}/ends, an extension: why one died, or why it did not start. */
export function endRoutes(app: FastifyInstance, { containers, machines }: Engine): void {
  app.get<Named>('/berth/containers/:name/ends', ({ params }) =>
    endsOf(containers, containers.find(params.name)),
  );
  app.get<Named>('/berth/machines/:name/ends', ({ params }) => endsOf(machines, machines.find(params.name)));
}

interface Named {
  Params: { name: string };
}

function endsOf(lives: Engine['containers'] | Engine['machines'], record: ContainerRecord) {
  return {
    Id: record.id,
    Name: record.name,
    State: record.state.status,
    Status: statusText(record.state, lives.health(record)),
    Reason: reasonOf(record.state) ?? '',
    LogDriver: record.host.log.driver,
    Ends: lives.ends(record).map(endInspect),
  };
}
