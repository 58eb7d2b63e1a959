import { dirname } from 'node:path';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { invalid, Timeline } from '../../base/index.ts';
import {
  type ContainerRecord,
  type Engine,
  isActive,
  isAlive,
  type WaitCondition,
  type WaitResult,
} from '../../engine/index.ts';
import { parseNewContainer } from '../container-request.ts';
import { parseContainerChange } from '../container-resources.ts';
import { Fields, Query } from '../fields.ts';
import { type Filters, parseFilters, passes, passesLabels } from '../filters.ts';
import { type ContainerFacts, containerInspect } from '../formats/container.ts';
import { containerSummary, type SummaryFacts, SummaryTexts } from '../formats/container-summary.ts';
import { Names } from '../formats/names.ts';
import { serverTiming } from '../formats/server-timing.ts';
import { platformOf } from '../platform.ts';
import { clientSignal, plainHeaders } from '../streams.ts';

const LIST_FILTERS = [
  'ancestor',
  'before',
  'exited',
  'id',
  'label',
  'name',
  'network',
  'publish',
  'expose',
  'since',
  'status',
  'volume',
  'health',
  'is-task',
];

/** Containers: list, create, inspect and the operations without a stream. */
export function containerRoutes(app: FastifyInstance, engine: Engine): void {
  const { containers } = engine;
  const texts = new SummaryTexts();

  app.get('/containers/json', async (request, reply) => {
    const query = new Query(request.query);
    const limit = query.number('limit') ?? 0;
    const filters = parseFilters(query, LIST_FILTERS);
    checkHealthFilter(filters);
    const all = query.flag('all') || limit > 0 || filters.has('status') || filters.has('exited');
    const selected = containers
      .list()
      .filter((record) => (all || isAlive(record.state)) && matches(engine, record, filters));
    const shown = limit > 0 ? selected.slice(0, limit) : selected;
    const names = new Names(engine);
    if (query.flag('size'))
      return Promise.all(shown.map((record) => summaryWithSizes(engine, record, names)));
    const networksKey = names.networksKey();
    const rows: string[] = [];
    for (const record of shown) {
      rows.push(texts.row(record, await summaryFacts(engine, record, names), networksKey));
    }
    reply.type('application/json');
    return `[${rows.join(',')}]`;
  });

  app.post('/containers/create', async (request, reply) => {
    const query = new Query(request.query);
    const name = query.text('name');
    if (request.body === undefined) throw invalid('invalid JSON: EOF');
    const { record, warnings } = await containers.create({
      ...parseNewContainer(name, new Fields(request.body)),
      platform: platformOf(query),
    });
    reply.code(201);
    return { Id: record.id, Warnings: warnings };
  });

  app.get<Reference>('/containers/:name/json', async (request) => {
    const record = containers.find(request.params.name);
    const size = new Query(request.query).flag('size');
    return containerInspect(record, await inspectFacts(engine, record, size), containers.ends(record));
  });

  app.post<Reference>('/containers/:name/start', async (request, reply) => {
    const timeline = new Timeline();
    const { alreadyRunning } = await containers.start(request.params.name, timeline);
    // An extension, for `BERTH_TRACE=1 berth run`.
    if (request.headers['x-berth-trace'] === '1') reply.header('Server-Timing', serverTiming(timeline));
    reply.code(alreadyRunning ? 304 : 204);
  });

  app.post<Reference>('/containers/:name/stop', async (request, reply) => {
    const ran = await containers.stop(request.params.name, stopOptions(request.query));
    reply.code(ran ? 204 : 304);
  });

  app.post<Reference>('/containers/:name/restart', async (request, reply) => {
    await containers.restart(request.params.name, stopOptions(request.query));
    reply.code(204);
  });

  app.post<Reference>('/containers/:name/kill', async (request, reply) => {
    const signal = new Query(request.query).text('signal') || 'SIGKILL';
    // An extension: a client that stands for a terminal reaches every process, as a terminal's Ctrl-C does.
    const scope = request.headers['x-berth-signal-scope'] === 'container' ? 'container' : 'pid1';
    await containers.kill(request.params.name, { signal, scope });
    reply.code(204);
  });

  app.post<Reference>('/containers/:name/pause', async (request, reply) => {
    await containers.pause(request.params.name);
    reply.code(204);
  });

  app.post<Reference>('/containers/:name/unpause', async (request, reply) => {
    await containers.unpause(request.params.name);
    reply.code(204);
  });

  app.post<Reference>('/containers/:name/rename', async (request, reply) => {
    await containers.rename(request.params.name, new Query(request.query).text('name'));
    reply.code(204);
  });

  app.post<Reference>('/containers/:name/update', async (request) => {
    const change = parseContainerChange(new Fields(request.body));
    const warnings = await containers.update(request.params.name, change);
    return { Warnings: warnings.length === 0 ? null : warnings };
  });

  app.post<Reference>('/containers/:name/resize', async (request, reply) => {
    const query = new Query(request.query);
    await containers.resize(request.params.name, query.number('h') ?? 0, query.number('w') ?? 0);
    reply.code(200);
  });

  app.post<Reference>('/containers/:name/wait', async (request, reply) => {
    const condition = waitCondition(new Query(request.query).text('condition'));
    await answerWait(reply, containers.wait(request.params.name, condition, clientSignal(request)));
  });

  app.get<Reference>('/containers/:name/top', async (request) => {
    const options = new Query(request.query).text('ps_args') || '-ef';
    const { titles, processes } = await containers.processes(
      request.params.name,
      options.split(/\s+/),
      clientSignal(request),
    );
    return { Processes: processes, Titles: titles };
  });

  app.delete<Reference>('/containers/:name', async (request, reply) => {
    const query = new Query(request.query);
    await containers.remove(request.params.name, {
      force: query.flag('force'),
      removeVolumes: query.flag('v'),
    });
    reply.code(204);
  });
}

/** Clients start what they wait for once they see the headers: they go out as soon as the wait is registered. */
export async function answerWait(reply: FastifyReply, result: Promise<WaitResult>): Promise<void> {
  reply.hijack();
  reply.raw.writeHead(200, { ...plainHeaders(reply), 'Content-Type': 'application/json' });
  reply.raw.flushHeaders();
  const { exitCode, error } = await result.catch(() => ({ exitCode: 0, error: undefined }));
  const failure = error === undefined ? {} : { Error: { Message: error } };
  reply.raw.end(`${JSON.stringify({ StatusCode: exitCode, ...failure })}\n`);
}

interface Reference {
  Params: { name: string };
}

/** What a row of a list needs to know beside a record. */
export async function summaryFacts(
  engine: Engine,
  record: ContainerRecord,
  names: Names,
): Promise<SummaryFacts> {
  return {
    networkName: (id) => names.networkName(id),
    networkId: (name) => names.networkId(name),
    health: engine.containers.health(record),
    imageName: await names.imageName(record),
  };
}

async function summaryWithSizes(engine: Engine, record: ContainerRecord, names: Names) {
  const sizes = await engine.diskUsage.ofContainer(record);
  return containerSummary(record, { ...(await summaryFacts(engine, record, names)), sizes });
}

/** What inspect needs to know beside a record. */
async function inspectFacts(engine: Engine, record: ContainerRecord, size: boolean): Promise<ContainerFacts> {
  const names = new Names(engine);
  return {
    networkName: (id) => names.networkName(id),
    networkId: (name) => names.networkId(name),
    logPath: engine.containers.logPath(record.id),
    directory: dirname(engine.containers.logPath(record.id)),
    sandboxKey: engine.containers.networkPath(record),
    health: engine.containers.health(record),
    execs: engine.containers.execs.ofContainer(record.id).map(({ id }) => id),
    defaultRuntime: engine.parts.runtimes.preferred?.name ?? '',
    ...(size ? { sizes: await engine.diskUsage.ofContainer(record) } : {}),
    cgroupNamespace: engine.parts.hostFacts.cgroups.version === 2 ? 'private' : 'host',
  };
}

function stopOptions(raw: unknown) {
  const query = new Query(raw);
  const timeout = query.number('t');
  const signal = query.text('signal');
  return { ...(timeout === undefined ? {} : { timeout }), ...(signal === '' ? {} : { signal }) };
}

/** Throws `invalid` for one that there is not. */
export function waitCondition(text: string): WaitCondition {
  switch (text) {
    case '':
    case 'not-running':
      return 'not-running';
    case 'next-exit':
    case 'removed':
      return text;
    default:
      throw invalid(`invalid condition: "${text}"`);
  }
}

const HEALTH_NAMES = ['none', 'starting', 'healthy', 'unhealthy'];

function healthName(engine: Engine, record: ContainerRecord): string {
  return engine.containers.health(record)?.status ?? 'none';
}

function checkHealthFilter(filters: Filters): void {
  const unknown = filters.get('health')?.find((value) => !HEALTH_NAMES.includes(value));
  if (unknown === undefined) return;
  throw invalid(
    `invalid filter 'health=${unknown}': invalid value for health (${unknown}): ` +
      `must be one of ${HEALTH_NAMES.join(', ')}`,
  );
}

function matches(engine: Engine, record: ContainerRecord, filters: Filters): boolean {
  const { id, name, state, config, imageId = '', networks, mounts } = record;
  const created = (reference: string) => engine.containers.find(reference).createdAt;
  return (
    passes(filters, 'id', (value) => id.startsWith(value)) &&
    passes(filters, 'name', (value) => new RegExp(value).test(name) || new RegExp(value).test(`/${name}`)) &&
    passes(filters, 'status', (value) => state.status === value) &&
    passes(filters, 'exited', (value) => state.status === 'exited' && state.exitCode === Number(value)) &&
    passes(filters, 'ancestor', (value) => isAncestor(value, config.image, imageId)) &&
    passes(filters, 'network', (value) => networks.some(({ network }) => network === value)) &&
    passes(filters, 'volume', (value) =>
      mounts.some((mount) => mount.target === value || (mount.type === 'volume' && mount.volume === value)),
    ) &&
    passes(filters, 'publish', (value) => publishes(record, value)) &&
    passes(filters, 'expose', (value) =>
      config.exposedPorts.includes(value.includes('/') ? value : `${value}/tcp`),
    ) &&
    passes(filters, 'before', (value) => record.createdAt < created(value)) &&
    passes(filters, 'since', (value) => record.createdAt > created(value)) &&
    passes(filters, 'health', (value) => healthName(engine, record) === value) &&
    passesLabels(filters, config.labels)
  );
}

function isAncestor(value: string, image: string, imageId: string): boolean {
  return (
    image === value ||
    image === `${value}:latest` ||
    imageId.replace('sha256:', '').startsWith(value.replace('sha256:', ''))
  );
}

function publishes({ state }: ContainerRecord, value: string): boolean {
  const [port, protocol = 'tcp'] = value.split('/');
  return (
    isActive(state) &&
    state.ports.some((published) => String(published.hostPort) === port && published.protocol === protocol)
  );
}
