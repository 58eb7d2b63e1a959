import { once } from 'node:events';
import { type Duplex, Readable, type Writable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { DetachScanner } from '../base/index.ts';
import type { AttachSession } from '../runtime/index.ts';
import { httpError } from './http-errors.ts';

/** A chunk in Docker's multiplexed stream: one byte of stream number, three zero, u32 big-endian length. */
export function multiplexed(stream: 'stdout' | 'stderr', data: Buffer): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt8(stream === 'stdout' ? 1 : 2, 0);
  header.writeUInt32BE(data.length, 4);
  return Buffer.concat([header, data]);
}

/** How a connection and a process are joined. */
export interface PumpOptions {
  /** Output goes as it is, not in Docker's multiplexed stream. */
  readonly raw: boolean;
  /** In a terminal: the keys by which the client leaves it, and what is done then. */
  readonly detach?: { readonly keys: readonly number[]; readonly onDetached: () => void };
  /** The session outlives its client, whose output is dropped then: it tells how the process ends. */
  readonly goesOn?: boolean;
  /** The connection ends after this: a client that then asks how the process ended gets the answer. */
  readonly settled?: Promise<unknown>;
}

/** Joins a hijacked connection and a process until the process ends, or the client goes or detaches. */
export async function pump(socket: Duplex, session: AttachSession, options: PumpOptions): Promise<void> {
  void pumpInput(socket, session, options);
  try {
    for await (const { stream, data } of session.output()) {
      const isGone = socket.destroyed || socket.writableEnded;
      if (isGone && options.goesOn !== true) break;
      if (!isGone) await writeAll(socket, options.raw ? data : multiplexed(stream, data));
    }
    if (!socket.destroyed) await options.settled;
  } finally {
    await session[Symbol.asyncDispose]();
    socket.end();
  }
}

async function pumpInput(socket: Duplex, session: AttachSession, options: PumpOptions): Promise<void> {
  const scanner = options.detach && new DetachScanner(options.detach.keys);
  try {
    for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
      const { send, detached } = scanner?.scan(chunk as Buffer) ?? { send: chunk as Buffer, detached: false };
      if (send.length > 0) await session.write(send);
      if (!detached) continue;
      options.detach?.onDetached();
      socket.end();
      if (options.goesOn !== true) await session[Symbol.asyncDispose]();
      return;
    }
    await session.closeInput();
  } catch {
    // The client broke off; or the process closed its input or ended, which the end of the output tells.
    if (options.goesOn === true) await session.closeInput().catch(() => {});
    socket.resume();
  }
}

/** Writes with back-pressure; returns early when the other side is gone. */
export async function writeAll(to: Writable, data: Uint8Array | string): Promise<void> {
  if (to.destroyed || to.write(data)) return;
  await Promise.race([once(to, 'drain'), once(to, 'close')]);
}

/** Aborts when the client's connection closes. */
export function clientSignal(request: FastifyRequest): AbortSignal {
  const gone = new AbortController();
  const { socket } = request.raw;
  if (socket.destroyed) gone.abort();
  socket.once('close', () => gone.abort());
  return gone.signal;
}

/**
 * Answers with a stream of JSON lines. Headers go out with the first line, so that an error before it has a
 * status of its own; a later one becomes the last line, as Docker's clients expect.
 */
export async function answerWithLines(
  reply: FastifyReply,
  work: (send: (line: object) => void) => Promise<void>,
): Promise<void> {
  const { raw } = reply;
  const send = (line: object) => {
    if (!raw.headersSent) {
      reply.hijack();
      raw.writeHead(200, { ...plainHeaders(reply), 'Content-Type': 'application/json' });
    }
    raw.write(`${JSON.stringify(line)}\r\n`);
  };
  try {
    await work(send);
  } catch (thrown) {
    if (!raw.headersSent) throw thrown;
    const { body, error } = httpError(thrown);
    send({ errorDetail: { ...exitCodeOf(error.cause), message: body.message }, error: body.message });
  }
  raw.end();
}

/** Headers that hooks have set on the reply, for an answer that is written past it. */
export function plainHeaders(reply: FastifyReply): Record<string, string> {
  return Object.fromEntries(Object.entries(reply.getHeaders()).map(([name, value]) => [name, String(value)]));
}

/** A failed build step tells its exit code beside the message. */
function exitCodeOf(cause: unknown): { code?: number } {
  if (
    typeof cause === 'object' &&
    cause !== null &&
    'exitCode' in cause &&
    typeof cause.exitCode === 'number'
  ) {
    return { code: cause.exitCode };
  }
  return {};
}

/**
 * Gives the request's body to the work, whose failure does not cut the connection: the client gets its answer, and what it
 * still sends is dropped.
 */
export async function withBody(
  request: FastifyRequest,
  work: (body: Readable) => Promise<void>,
): Promise<void> {
  const { body } = request;
  if (!(body instanceof Readable)) return work(Readable.from([]));
  try {
    await work(Readable.from(body.iterator({ destroyOnReturn: false }), { objectMode: false }));
  } finally {
    body.resume();
  }
}
