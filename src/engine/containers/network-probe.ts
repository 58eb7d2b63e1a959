import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { isIP, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { text } from 'node:stream/consumers';
import { errorMessage, invalid } from '../../base/index.ts';

/** A connection to a port of the container, made in its own network namespace: its image needs no client. */
export interface NetworkProbe {
  readonly kind: 'http' | 'tcp';
  /** In the order in which they are tried. */
  readonly addresses: readonly string[];
  readonly port: number;
  /** The host as it was written, for the request. */
  readonly host: string;
  /** "" with tcp. */
  readonly path: string;
}

/** What a probe met. */
export interface ProbeAnswer {
  readonly isWell: boolean;
  /** The status line and the beginning of the body, or why there was no connection. */
  readonly output: string;
}

const LOOPBACK = ['127.0.0.1', '::1'];

/**
 * The probe that a health check's command means when it is one word of the form `http://[HOST][:PORT][/PATH]` or
 * `tcp://[HOST]:PORT`; undefined for all others. Without a host, or with localhost, it is the container's loopback. Throws
 * `invalid` for a URL that is wrong.
 */
export function parseNetworkProbe(command: readonly string[]): NetworkProbe | undefined {
  const [word = '', ...more] = command;
  const [, kind, authority = '', path = ''] = /^(http|tcp):\/\/([^/?#\s]*)(\S*)$/.exec(word.trim()) ?? [];
  if ((kind !== 'http' && kind !== 'tcp') || more.length > 0) return undefined;
  const [, bracketed, plain, digits] = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d{1,5}))?$/.exec(authority) ?? [];
  const host = bracketed ?? plain ?? authority;
  const addresses = host === '' || host === 'localhost' ? LOOPBACK : [host];
  if (addresses.some((address) => isIP(address) === 0)) {
    throw invalid(`health check "${word}": the host "${host}" is neither localhost nor an IP address`);
  }
  const port = digits === undefined && kind === 'http' ? 80 : Number(digits);
  if (!(port >= 1 && port <= 65535)) throw invalid(`health check "${word}": it has no port from 1 to 65535`);
  if (kind === 'tcp' && path !== '') throw invalid(`health check "${word}": a tcp probe has no path`);
  return {
    kind,
    addresses,
    port,
    host: host === '' ? 'localhost' : host,
    path: kind === 'tcp' ? '' : path || '/',
  };
}

/**
 * Makes a probe in the network namespace of a process. Well is an open port for tcp, and a status from 200 to 399 for
 * http; redirections are not followed. `tool` is the path of berth-connect. Throws when `signal` aborts.
 */
export async function probeNetwork(
  tool: string,
  pid: number,
  probe: NetworkProbe,
  signal: AbortSignal,
): Promise<ProbeAnswer> {
  const mode = probe.kind === 'http' ? 'relay' : 'check';
  const args = [mode, `/proc/${pid}/ns/net`, String(probe.port), ...probe.addresses];
  const child = spawn(tool, args, { stdio: ['ignore', 'ignore', 'pipe', 'pipe'], signal });
  const ended = once(child, 'close'); // rejects when the signal aborts, or there is no such tool
  ended.catch(() => {}); // awaited below, unless the answer comes first
  const [, , stderr, connection] = child.stdio;
  try {
    const reason = stderr === null ? Promise.resolve('') : text(stderr);
    if (probe.kind === 'http' && connection instanceof Duplex) {
      const answer = await ask(connection, probe, signal);
      if (answer !== undefined) return answer;
    }
    await ended;
    const isOpen = child.exitCode === 0;
    const silent = probe.kind === 'http' ? NO_ANSWER : 'connected';
    return { isWell: isOpen && probe.kind === 'tcp', output: isOpen ? silent : (await reason).trim() };
  } finally {
    child.kill('SIGKILL');
  }
}

/**
 * As {@link probeNetwork}, by a connection that `connect` makes; it rejects with the reason when nothing accepts.
 */
export async function probeBy(
  connect: () => Promise<Socket>,
  probe: NetworkProbe,
  signal: AbortSignal,
): Promise<ProbeAnswer> {
  let socket: Socket;
  try {
    socket = await connect();
  } catch (error) {
    signal.throwIfAborted();
    return { isWell: false, output: errorMessage(error) };
  }
  try {
    if (probe.kind === 'tcp') return { isWell: true, output: 'connected' };
    return (await ask(socket, probe, signal)) ?? { isWell: false, output: NO_ANSWER };
  } finally {
    socket.destroy();
  }
}

const NO_ANSWER = 'the connection was closed without an answer';

/** Undefined when the connection ends without an answer. */
async function ask(
  stream: Duplex,
  probe: NetworkProbe,
  signal: AbortSignal,
): Promise<ProbeAnswer | undefined> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage | undefined>();
  const { host, port, path } = probe;
  const headers = { Host: `${isIP(host) === 6 ? `[${host}]` : host}:${port}`, 'User-Agent': 'berth' };
  const outgoing = request({ createConnection: () => stream, path, headers, signal });
  outgoing.once('response', resolve);
  outgoing.once('error', (error) => (signal.aborted ? reject(error) : resolve(undefined)));
  outgoing.end();
  const response = await promise;
  if (response === undefined) return undefined;
  const { statusCode = 0, statusMessage = '' } = response;
  const output = `HTTP ${statusCode} ${statusMessage}\n${await beginning(response)}`;
  return { isWell: statusCode >= 200 && statusCode < 400, output };
}

/** Bytes of a body that are read at most: what is shown of it. */
const BODY_LIMIT = 4096;

async function beginning(response: IncomingMessage): Promise<string> {
  const kept: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    kept.push(chunk);
    size += chunk.length;
    if (size >= BODY_LIMIT) break;
  }
  return Buffer.concat(kept).subarray(0, BODY_LIMIT).toString();
}
