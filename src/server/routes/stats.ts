import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Engine, Reading } from '../../engine/index.ts';
import { Query } from '../fields.ts';
import { containerStats } from '../formats/stats.ts';
import { clientSignal, plainHeaders, writeAll } from '../streams.ts';

/** GET /containers/{id}/stats. */
export function statsRoutes(app: FastifyInstance, engine: Engine): void {
  app.get<{ Params: { name: string } }>('/containers/:name/stats', (request, reply) => {
    const { id } = engine.containers.find(request.params.name);
    return answerUsage(request, reply, engine.containers.watchUsage(id, clientSignal(request)));
  });
}

/**
 * Answers with what something uses: a reading each second; with stream=false the second one alone, so that it has one to be compared
 * with; with one-shot as well, the first.
 */
export async function answerUsage(
  request: FastifyRequest,
  reply: FastifyReply,
  readings: AsyncIterable<Reading>,
): Promise<object> {
  const query = new Query(request.query);
  const stream = query.optional('stream') === undefined || query.flag('stream');
  const oneShot = query.flag('one-shot');
  if (!stream) {
    for await (const reading of readings) {
      const isComplete = oneShot || reading.usage === undefined || reading.before !== undefined;
      if (isComplete) return containerStats(reading);
    }
    return {}; // the client has gone, or what is watched was removed meanwhile
  }
  const { raw } = reply;
  reply.hijack();
  raw.writeHead(200, { ...plainHeaders(reply), 'Content-Type': 'application/json' });
  raw.flushHeaders();
  try {
    for await (const reading of readings) await writeAll(raw, `${JSON.stringify(containerStats(reading))}\n`);
  } finally {
    raw.end();
  }
  return reply;
}
