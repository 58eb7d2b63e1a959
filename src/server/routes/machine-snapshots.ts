import type { FastifyInstance } from 'fastify';
import type { Engine } from '../../engine/index.ts';
import type { Snapshot, TakenSnapshot } from '../../vm/index.ts';
import { Fields, Query } from '../fields.ts';
import { clientSignal } from '../streams.ts';

/** Snapshots of machines, and machines made of them: an extension below /berth/machines. */
export function machineSnapshotRoutes(app: FastifyInstance, { machines }: Engine): void {
  app.get<Machine>('/berth/machines/:name/snapshots', async ({ params }) =>
    (await machines.snapshots(params.name)).map(snapshotFormat),
  );

  app.post<Machine>('/berth/machines/:name/snapshots', async (request, reply) => {
    const body = new Fields(request.body);
    const options = { disksOnly: body.flag('DisksOnly'), signal: clientSignal(request) };
    const taken = await machines.takeSnapshot(request.params.name, body.text('Name'), options);
    reply.code(201);
    return doneFormat(taken);
  });

  app.post<OneSnapshot>('/berth/machines/:name/snapshots/:snapshot/restore', async (request) => {
    const query = new Query(request.query);
    const signal = clientSignal(request);
    const options = { force: query.flag('force'), disksOnly: query.flag('disks'), signal };
    const { name, snapshot } = request.params;
    return doneFormat(await machines.restoreSnapshot(name, snapshot, options));
  });

  app.delete<OneSnapshot>('/berth/machines/:name/snapshots/:snapshot', async (request, reply) => {
    const { name, snapshot } = request.params;
    await machines.removeSnapshot(name, snapshot, clientSignal(request));
    reply.code(204);
  });

  app.post<Machine>('/berth/machines/:name/clone', async (request, reply) => {
    const body = new Fields(request.body);
    const snapshot = body.has('Snapshot') ? body.text('Snapshot') : undefined;
    const wanted = { name: body.text('Name'), snapshot };
    const { id, name } = await machines.clone(request.params.name, wanted, clientSignal(request));
    reply.code(201);
    return { Id: id, Name: name, Warnings: [] };
  });
}

interface Machine {
  Params: { name: string };
}

interface OneSnapshot {
  Params: { name: string; snapshot: string };
}

function doneFormat({ snapshot, warnings }: TakenSnapshot) {
  return { ...snapshotFormat(snapshot), Warnings: warnings };
}

function snapshotFormat({ name, createdAt, disks, running, heldFor }: Snapshot) {
  return {
    Name: name,
    Created: createdAt,
    Memory: running !== undefined,
    StateSize: running?.size ?? 0,
    StoppedFor: running?.stoppedFor ?? 0,
    ...(heldFor === undefined ? {} : { HeldFor: heldFor }),
    Disks: disks.map((disk) => ({ Name: disk.name, Size: disk.size })),
  };
}
