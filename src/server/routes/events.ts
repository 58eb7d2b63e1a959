import type { FastifyInstance } from 'fastify';
import { invalid, parseDate } from '../../base/index.ts';
import type { Engine, EngineEvent } from '../../engine/index.ts';
import { Query } from '../fields.ts';
import { type Filters, parseFilters, passes, passesLabels } from '../filters.ts';
import { clientSignal, plainHeaders } from '../streams.ts';

const FILTERS = [
  'container',
  'daemon',
  'event',
  'image',
  'label',
  'network',
  'scope',
  'type',
  'volume',
  'node',
  'service',
];

/** GET /events: what happened since `since`, then what happens until `until`. */
export function eventRoutes(app: FastifyInstance, engine: Engine): void {
  app.get('/events', async (request, reply) => {
    const query = new Query(request.query);
    const filters = parseFilters(query, FILTERS);
    const since = parseTime(query.text('since'));
    const until = parseTime(query.text('until'));
    const { raw } = reply;
    reply.hijack();
    raw.writeHead(200, { ...plainHeaders(reply), 'Content-Type': 'application/json' });
    raw.flushHeaders();
    const send = (event: EngineEvent) => {
      if (matches(event, filters)) raw.write(`${JSON.stringify(eventMessage(event))}\n`);
    };
    if (since !== undefined) engine.events.since(since).forEach(send);
    const stop = engine.events.listen(send);
    await ended(until, clientSignal(request));
    stop();
    raw.end();
  });
}

function ended(until: Date | undefined, gone: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  gone.addEventListener('abort', () => resolve(), { once: true });
  if (until !== undefined) setTimeout(resolve, Math.max(0, until.getTime() - Date.now())).unref();
  return promise;
}

/** Seconds since the epoch, an RFC 3339 time, or a duration before now. */
function parseTime(text: string): Date | undefined {
  if (text === '') return undefined;
  try {
    return parseDate(text);
  } catch (cause) {
    throw invalid(`invalid time: "${text}"`, { cause });
  }
}

function matches({ type, action, actor, attributes }: EngineEvent, filters: Filters): boolean {
  const isActor = (value: string) => actor === value || actor.startsWith(value) || attributes.name === value;
  return (
    passes(filters, 'type', (value) => type === value) &&
    passes(filters, 'event', (value) => action === value || action.startsWith(`${value}:`)) &&
    passes(filters, 'container', (value) => type === 'container' && isActor(value)) &&
    passes(filters, 'image', (value) =>
      isOfImage(value, actor, type === 'image' ? attributes.name : attributes.image),
    ) &&
    passes(filters, 'network', (value) => type === 'network' && isActor(value)) &&
    passes(filters, 'volume', (value) => type === 'volume' && isActor(value)) &&
    passes(filters, 'scope', (value) => value === 'local') &&
    passesLabels(filters, attributes)
  );
}

/** By id, name, or the name without its tag. */
function isOfImage(value: string, actor: string, name = ''): boolean {
  return [actor, name, name.replace(/:[^:/]+$/, '')].includes(value);
}

function eventMessage({ type, action, actor, attributes, time, timeNano }: EngineEvent) {
  const legacy = type === 'container' || type === 'image' ? { status: action, id: actor } : {};
  return {
    ...legacy,
    ...(type === 'container' && attributes.image !== undefined ? { from: attributes.image } : {}),
    Type: type,
    Action: action,
    Actor: { ID: actor, Attributes: attributes },
    scope: 'local',
    time: Math.floor(time.getTime() / 1000),
    timeNano: Number(timeNano),
  };
}
