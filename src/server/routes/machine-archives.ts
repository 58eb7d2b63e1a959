import type { FastifyInstance } from 'fastify';
import type { Engine, NetworkAttachment } from '../../engine/index.ts';
import { parseEndpoint } from '../container-request.ts';
import { Fields, Query } from '../fields.ts';
import { clientSignal, withBody } from '../streams.ts';

/** Machines as single files: an extension below /berth/machines. */
export function machineArchiveRoutes(app: FastifyInstance, { machines }: Engine): void {
  app.get<Machine>('/berth/machines/:name/export', { exposeHeadRoute: false }, async (request, reply) => {
    const archive = await machines.export(request.params.name, clientSignal(request));
    reply.type('application/x-tar');
    return archive;
  });

  app.post('/berth/machines/import', async (request, reply) => {
    const query = new Query(request.query);
    const networks = networksAsked(query.text('network'));
    await withBody(request, async (archive) => {
      const { record, warnings } = await machines.import(
        archive,
        { name: query.text('name'), networks },
        clientSignal(request),
      );
      reply.code(201).send({ Id: record.id, Name: record.name, Warnings: warnings });
    });
    return reply;
  });
}

/** Undefined: those that its archive names. */
function networksAsked(name: string): NetworkAttachment[] | undefined {
  if (name === '') return undefined;
  return name === 'none' ? [] : [parseEndpoint(name, new Fields({}))];
}

interface Machine {
  Params: { name: string };
}
