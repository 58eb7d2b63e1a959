import type { FastifyInstance } from 'fastify';
import { invalid, parseMoment } from '../../base/index.ts';
import type { Engine, EngineEvent } from '../../engine/index.ts';
import { passesEvent } from '../event-filter.ts';
import { Query } from '../fields.ts';
import { parseFilters } from '../filters.ts';
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
  'plugin',
  'secret',
  'config',
];

/** Bytes that a client may be behind: one that does not read must not fill berthd's memory. */
const LAG_LIMIT = 4 * 1024 * 1024;

/** Node's timers end here (24.8 days); a longer one would fire at once. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** GET /events: what happened since `since`, then what happens until `until`. */
export function eventRoutes(app: FastifyInstance, engine: Engine): void {
  app.get('/events', async (request, reply) => {
    const query = new Query(request.query);
    const filters = parseFilters(query, FILTERS);
    const since = parseTime('since', query.text('since'));
    const until = parseTime('until', query.text('until'));
    const { raw } = reply;
    reply.hijack();
    raw.writeHead(200, { ...plainHeaders(reply), 'Content-Type': 'application/json' });
    raw.flushHeaders();
    const send = (event: EngineEvent) => {
      if (passesEvent(event, filters)) raw.write(`${JSON.stringify(eventMessage(event))}\n`);
      if (raw.writableLength > LAG_LIMIT) raw.destroy();
    };
    if (since !== undefined) engine.events.between(since, until).forEach(send);
    const stop = engine.events.listen(send);
    await ended(until, clientSignal(request));
    stop();
    raw.end();
  });
}

function ended(until: bigint | undefined, gone: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  gone.addEventListener('abort', () => resolve(), { once: true });
  if (until !== undefined) {
    const left = Number(until / 1_000_000n) - Date.now();
    setTimeout(resolve, Math.min(Math.max(0, left), LONGEST_TIMER)).unref();
  }
  return promise;
}

/** Nanoseconds since the epoch, of Unix seconds with up to nine decimals, an RFC 3339 time, or a duration before now. */
function parseTime(name: string, text: string): bigint | undefined {
  if (text === '') return undefined;
  try {
    const [seconds = '', decimals = ''] = parseMoment(text).split('.');
    return BigInt(seconds) * 1_000_000_000n + BigInt(decimals.padEnd(9, '0').slice(0, 9));
  } catch (cause) {
    throw invalid(`invalid value for '${name}': "${text}" is no time`, { cause });
  }
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
