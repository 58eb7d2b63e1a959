import type { FastifyInstance } from 'fastify';
import type { Engine } from '../../engine/index.ts';
import { Fields, Query } from '../fields.ts';
import { parseFilters, passes, passesLabels } from '../filters.ts';
import { volumeInspect } from '../formats/volume.ts';

/** Volumes: list, create, inspect, remove. */
export function volumeRoutes(app: FastifyInstance, engine: Engine): void {
  const { volumes, containers } = engine;

  app.get('/volumes', (request) => {
    const filters = parseFilters(new Query(request.query), ['dangling', 'driver', 'label', 'name']);
    const listed = volumes
      .list()
      .filter(
        (volume) =>
          passes(filters, 'name', (value) => volume.name.includes(value)) &&
          passes(filters, 'driver', (value) => value === 'local') &&
          passes(
            filters,
            'dangling',
            (value) =>
              (containers.volumeUsers(volume.name).length === 0) === (value === 'true' || value === '1'),
          ) &&
          passesLabels(filters, volume.labels),
      );
    return { Volumes: listed.map(volumeInspect), Warnings: null };
  });

  app.post('/volumes/create', async (request, reply) => {
    const body = new Fields(request.body);
    const volume = await volumes.create({
      name: body.text('Name'),
      driver: body.text('Driver'),
      driverOptions: body.textMap('DriverOpts'),
      labels: body.textMap('Labels'),
    });
    reply.code(201);
    return volumeInspect(volume);
  });

  app.get<Reference>('/volumes/:name', (request) => volumeInspect(volumes.get(request.params.name)));

  app.delete<Reference>('/volumes/:name', async (request, reply) => {
    const { name } = request.params;
    const force = new Query(request.query).flag('force');
    const known = volumes.list().some((volume) => volume.name === name);
    if (known || !force) await volumes.remove(name, (volume) => containers.volumeUsers(volume));
    reply.code(204);
  });
}

interface Reference {
  Params: { name: string };
}
