import type { Writable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { invalid } from '../../base/index.ts';
import type { Engine, LogEntry, LogOptions } from '../../engine/index.ts';
import { Query } from '../fields.ts';
import { MULTIPLEXED_STREAM, RAW_STREAM } from '../hijack.ts';
import { clientSignal, plainHeaders, writeAll } from '../streams.ts';

/** How entries are written. */
interface LogForm {
  /** Without the headers that tell streams apart. */
  readonly terminal: boolean;
  readonly timestamps?: boolean;
  readonly details?: boolean;
}

/** GET /containers/{name}/logs. */
export function containerLogRoutes(app: FastifyInstance, engine: Engine): void {
  const { containers } = engine;

  app.get<{ Params: { name: string } }>('/containers/:name/logs', async (request, reply) => {
    const query = new Query(request.query);
    const stdout = query.flag('stdout');
    const stderr = query.flag('stderr');
    if (!stdout && !stderr) throw invalid("must specify at least one of 'stdout' or 'stderr'");
    const { config } = containers.find(request.params.name);
    await answerLogs(request, reply, config.tty, (range, signal) =>
      containers.logs(request.params.name, { stdout, stderr, ...range }, signal),
    );
  });
}

/** Answers with what a log has of the range that the request names. */
export async function answerLogs(
  request: FastifyRequest,
  reply: FastifyReply,
  terminal: boolean,
  read: (range: Omit<LogOptions, 'stdout' | 'stderr'>, signal: AbortSignal) => AsyncIterable<LogEntry[]>,
): Promise<void> {
  const query = new Query(request.query);
  const batches = read(logRange(query), clientSignal(request));
  reply.hijack();
  const { raw } = reply;
  raw.writeHead(200, {
    ...plainHeaders(reply),
    'Content-Type': terminal ? RAW_STREAM : MULTIPLEXED_STREAM,
  });
  raw.flushHeaders();
  const form = { terminal, timestamps: query.flag('timestamps'), details: query.flag('details') };
  try {
    await writeEntries(raw, batches, form);
  } finally {
    raw.end();
  }
}

/** All that a log has. */
export const EVERYTHING: LogOptions = {
  stdout: true,
  stderr: true,
  follow: false,
  tail: undefined,
  since: undefined,
  until: undefined,
};

/** Writes batches of entries with back-pressure, until the other side has gone. */
export async function writeEntries(
  to: Writable,
  batches: AsyncIterable<readonly LogEntry[]>,
  form: LogForm,
): Promise<void> {
  for await (const batch of batches) {
    if (batch.length > 0) await writeAll(to, formatEntries(batch, form));
    if (to.destroyed) return;
  }
}

/** Of Docker's multiplexed stream: one byte of stream number, three zero, u32 big-endian length. */
const HEADER = 8;

/** A batch as one piece: a write for each entry would cost more than everything else. */
function formatEntries(batch: readonly LogEntry[], form: LogForm): Buffer {
  const isPlain = form.timestamps !== true && form.details !== true;
  const texts = isPlain ? batch.map(({ text }) => text) : batch.map((entry) => decorated(entry, form));
  if (form.terminal) return Buffer.concat(texts);
  const size = texts.reduce((sum, text) => sum + HEADER + text.length, 0);
  const out = Buffer.allocUnsafe(size);
  let at = 0;
  for (let index = 0; index < texts.length; index += 1) {
    const text = texts[index];
    if (text === undefined) continue;
    const { length } = text;
    out[at] = batch[index]?.stream === 'stderr' ? 2 : 1;
    out[at + 1] = 0;
    out[at + 2] = 0;
    out[at + 3] = 0;
    out[at + 4] = length >>> 24;
    out[at + 5] = length >>> 16;
    out[at + 6] = length >>> 8;
    out[at + 7] = length;
    out.set(text, at + HEADER);
    at += HEADER + length;
  }
  return out;
}

/** As Docker: the time with all nine digits, then the attributes. */
function decorated({ text, time, attributes }: LogEntry, { timestamps, details }: LogForm): Buffer {
  const before = `${timestamps === true ? `${fixedTime(time)} ` : ''}${details === true ? `${detailsOf(attributes)} ` : ''}`;
  return Buffer.concat([Buffer.from(before), text]);
}

/** "2026-01-01T00:00:00.5Z" with nine digits behind the point. */
function fixedTime(time: string): string {
  const [seconds = '', fraction = ''] = time.slice(0, -1).split('.');
  return `${seconds}.${fraction.padEnd(9, '0')}Z`;
}

function detailsOf(attributes: LogEntry['attributes']): string {
  return Object.entries(attributes)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${queryEscape(name)}=${queryEscape(value)}`)
    .join(',');
}

/** As Go's url.QueryEscape. */
function queryEscape(text: string): string {
  return encodeURIComponent(text)
    .replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll('%20', '+');
}

function logRange(query: Query) {
  const tail = query.text('tail');
  if (tail !== '' && tail !== 'all' && !/^-?\d+$/.test(tail))
    throw invalid(`invalid tail: "${tail}" is no number`);
  const lines = Number(tail);
  return {
    follow: query.flag('follow'),
    tail: tail === '' || tail === 'all' || lines < 0 ? undefined : lines,
    since: logTime(query.text('since')),
    until: logTime(query.text('until')),
  };
}

/** Seconds since the epoch with up to nine digits of a fraction, or an RFC 3339 time; "" and 0 are open. */
function logTime(text: string): string | undefined {
  if (text === '' || text === '0') return undefined;
  const [, seconds, fraction = ''] = /^(\d{1,12})(?:\.(\d{0,9})\d*)?$/.exec(text) ?? [];
  const date = seconds === undefined ? new Date(text) : new Date(Number(seconds) * 1000);
  if (Number.isNaN(date.getTime())) throw invalid(`invalid time: "${text}"`);
  const whole = date.toISOString();
  if (seconds === undefined) return whole.replace(/\.?0*Z$/, 'Z');
  const digits = fraction.replace(/0+$/, '');
  return `${whole.slice(0, 19)}${digits === '' ? '' : `.${digits}`}Z`;
}
