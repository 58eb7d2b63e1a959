import { basename } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { Timeline } from '../../base/index.ts';
import {
  type CreatedMachine,
  type CreationProgress,
  type Engine,
  isAlive,
  type NewMachineSource,
} from '../../engine/index.ts';
import { parseEndpoint } from '../container-request.ts';
import { Fields, Query } from '../fields.ts';
import { parseFilters, passes, passesLabels } from '../filters.ts';
import { machineImage, machineInspect, machineSummary } from '../formats/machine.ts';
import { Names } from '../formats/names.ts';
import { serverTiming } from '../formats/server-timing.ts';
import { hijack, RAW_STREAM } from '../hijack.ts';
import { parseMachineChange, parseNewMachine } from '../machine-request.ts';
import { answerWithLines, clientSignal } from '../streams.ts';
import { answerLogs } from './container-logs.ts';
import { answerAttach } from './container-streams.ts';
import { answerWait, waitCondition } from './containers.ts';
import { answerUsage } from './stats.ts';

/** Machines, an extension below /berth/machines: whole computers, whose operating systems are the users'. */
export function machineRoutes(app: FastifyInstance, engine: Engine): void {
  const { machines, containers } = engine;

  app.get('/berth/machines/json', (request) => {
    const query = new Query(request.query);
    const filters = parseFilters(query, ['id', 'name', 'label', 'network', 'status']);
    const all = query.flag('all') || filters.has('status');
    const facts = listFacts(engine);
    return machines
      .list()
      .filter(
        ({ id, name, state, config, networks }) =>
          (all || isAlive(state)) &&
          passes(filters, 'id', (value) => id.startsWith(value)) &&
          passes(filters, 'name', (value) => name.includes(value)) &&
          passes(filters, 'status', (value) => state.status === value) &&
          passes(filters, 'network', (value) => networks.some(({ network }) => network === value)) &&
          passesLabels(filters, config.labels),
      )
      .map((record) => machineSummary(record, { ...facts, health: machines.health(record) }));
  });

  // With progress=1 the answer is a stream of JSON lines: what goes on, and at last what is the answer otherwise.
  app.post('/berth/machines/create', async (request, reply) => {
    const query = new Query(request.query);
    const wanted = parseNewMachine(query.text('name'), new Fields(request.body));
    const signal = clientSignal(request);
    if (!query.flag('progress')) {
      reply.code(201);
      return created(await machines.create(wanted, { signal, onProgress: () => {} }));
    }
    await answerWithLines(reply, async (send) => {
      const id = sourceName(wanted.source);
      const onProgress = (progress: CreationProgress) => send({ id, ...progressLine(progress) });
      send({ created: created(await machines.create(wanted, { signal, onProgress })) });
    });
    return reply;
  });

  app.get('/berth/machines/images', async () => (await machines.images()).map(machineImage));

  app.post('/berth/machines/prune', async () => ({ SpaceReclaimed: await machines.pruneImages() }));

  app.get<Reference>('/berth/machines/:name/json', async (request) => {
    const record = machines.find(request.params.name);
    return machineInspect(record, {
      ...listFacts(engine),
      health: machines.health(record),
      disks: await machines.disks(record),
      ends: machines.ends(record),
      logPath: machines.logPath(record),
    });
  });

  app.post<Reference>('/berth/machines/:name/start', async (request, reply) => {
    const timeline = new Timeline();
    const started = await machines.start(request.params.name, timeline);
    if (request.headers['x-berth-trace'] === '1') reply.header('Server-Timing', serverTiming(timeline));
    reply.code(started ? 204 : 304);
  });

  app.post<Reference>('/berth/machines/:name/stop', async (request, reply) => {
    const ran = await machines.stop(request.params.name, stopOptions(request.query));
    reply.code(ran ? 204 : 304);
  });

  app.post<Reference>('/berth/machines/:name/restart', async (request, reply) => {
    const options = { ...stopOptions(request.query), signal: clientSignal(request) };
    await machines.restart(request.params.name, options);
    reply.code(204);
  });

  app.post<Reference>('/berth/machines/:name/pause', async (request, reply) => {
    await machines.pause(request.params.name);
    reply.code(204);
  });

  app.post<Reference>('/berth/machines/:name/unpause', async (request) => ({
    Warnings: await machines.unpause(request.params.name),
  }));

  app.post<Reference>('/berth/machines/:name/kill', async (request, reply) => {
    await machines.kill(request.params.name);
    reply.code(204);
  });

  app.post<Reference>('/berth/machines/:name/rename', async (request, reply) => {
    await machines.rename(request.params.name, new Query(request.query).text('name'));
    reply.code(204);
  });

  app.post<Reference>('/berth/machines/:name/set', async (request) => {
    const change = parseMachineChange(new Fields(request.body));
    const told = await machines.change(request.params.name, change, clientSignal(request));
    return { Changed: told.changed, NeedsRestart: told.needsRestart };
  });

  app.delete<Reference>('/berth/machines/:name', async (request, reply) => {
    await machines.remove(request.params.name, { force: new Query(request.query).flag('force') });
    reply.code(204);
  });

  app.post<Reference>('/berth/machines/:name/connect', async (request, reply) => {
    const body = new Fields(request.body);
    const endpoint = parseEndpoint(body.text('Network'), body.object('EndpointConfig'));
    await containers.connect(machines.find(request.params.name).id, endpoint);
    reply.code(204);
  });

  app.post<Reference>('/berth/machines/:name/disconnect', async (request, reply) => {
    const network = new Fields(request.body).text('Network');
    await containers.disconnect(machines.find(request.params.name).id, { network, force: false });
    reply.code(204);
  });

  app.post<Reference>('/berth/machines/:name/wait', async (request, reply) => {
    const condition = waitCondition(new Query(request.query).text('condition'));
    await answerWait(reply, machines.wait(request.params.name, condition, clientSignal(request)));
  });

  app.post<Reference>('/berth/machines/:name/attach', (request, reply) =>
    answerAttach(machines, request, () => ({ connection: hijack(request, reply, RAW_STREAM), raw: true })),
  );

  app.post<Reference>('/berth/machines/:name/resize', async (request, reply) => {
    const query = new Query(request.query);
    await machines.resize(request.params.name, query.number('h') ?? 0, query.number('w') ?? 0);
    reply.code(204);
  });

  app.get<Reference>('/berth/machines/:name/logs', async (request, reply) => {
    const { id } = machines.find(request.params.name);
    await answerLogs(request, reply, true, (range, signal) =>
      machines.logs(id, { stdout: true, stderr: true, ...range }, signal),
    );
  });

  app.get<Reference>('/berth/machines/:name/stats', (request, reply) => {
    const { id } = machines.find(request.params.name);
    return answerUsage(request, reply, machines.watchUsage(id, clientSignal(request)));
  });
}

interface Reference {
  Params: { name: string };
}

function listFacts(engine: Engine) {
  const names = new Names(engine);
  return {
    networkName: (id: string) => names.networkName(id),
    networkId: (name: string) => names.networkId(name),
  };
}

function created({ record, warnings }: CreatedMachine) {
  return { Id: record.id, Name: record.name, Warnings: warnings };
}

/** What progress is about. */
function sourceName(source: NewMachineSource): string {
  switch (source.kind) {
    case 'file':
      return basename(source.path);
    case 'url':
      return basename(source.url.pathname);
    case 'debian':
      return source.release === '' ? 'debian' : `debian ${source.release}`;
    case 'archive':
      return source.description;
    case 'empty':
      return '';
  }
}

/** As the progress of pulls (Engine API, JSONProgress). */
function progressLine({ stage, done, total }: CreationProgress) {
  const progressDetail = { current: done, ...(total === undefined ? {} : { total }) };
  return { status: STAGES[stage], progressDetail };
}

const STAGES: Readonly<Record<CreationProgress['stage'], string>> = {
  downloading: 'Downloading',
  installing: 'Installing',
  copying: 'Copying',
  checking: 'Checking',
};

function stopOptions(raw: unknown): { timeout?: number } {
  const timeout = new Query(raw).number('t');
  return timeout === undefined ? {} : { timeout };
}
