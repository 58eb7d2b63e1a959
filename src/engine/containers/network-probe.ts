import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { isIP, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { text } from 'node:stream/consumers';
import { errorMessage, invalid } from '../../base/index.ts';

/** A connection to a port of the container, made in its own network namespace: its image needs no client. */
export interface NetworkProbe {
  readonly kind: 'http' | 'tcp' | 'ssh';
  /** In the order in which they are tried. */
  readonly addresses: readonly string[];
  readonly port: number;
  /** The host as it was written, for the request. */
  readonly host: string;
  /** "" with tcp and ssh. */
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
 * The probe that a health check's command means when it is one word of the form `http://[HOST][:PORT][/PATH]`,
 * `tcp://[HOST]:PORT` or `ssh://[HOST][:PORT]`; undefined for all others. Without a host, or with localhost, it is the container's loopback. Throws
 * `invalid` for a URL that is wrong.
 */
export function parseNetworkProbe(command: readonly string[]): NetworkProbe | undefined {
  const [word = '', ...more] = command;
  const [, kind, authority = '', path = ''] = /^(http|tcp|ssh):\/\/([^/?#\s]*)(\S*)$/.exec(word.trim()) ?? [];
  if (!isProbeKind(kind) || more.length > 0) return undefined;
  const [, bracketed, plain, digits] = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d{1,5}))?$/.exec(authority) ?? [];
  const host = bracketed ?? plain ?? authority;
  const addresses = host === '' || host === 'localhost' ? LOOPBACK : [host];
  if (addresses.some((address) => isIP(address) === 0)) {
    throw invalid(`health check "${word}": the host "${host}" is neither localhost nor an IP address`);
  }
  const port = digits === undefined ? DEFAULT_PORTS[kind] : Number(digits);
  if (!(port >= 1 && port <= 65535)) throw invalid(`health check "${word}": it has no port from 1 to 65535`);
  if (kind !== 'http' && path !== '') {
    throw invalid(`health check "${word}": a ${kind} probe has no path`);
  }
  return {
    kind,
    addresses,
    port,
    host: host === '' ? 'localhost' : host,
    path: kind === 'http' ? path || '/' : '',
  };
}

const DEFAULT_PORTS = { http: 80, tcp: 0, ssh: 22 } as const;

function isProbeKind(text: string | undefined): text is NetworkProbe['kind'] {
  return text !== undefined && Object.hasOwn(DEFAULT_PORTS, text);
}

/**
 * Makes a probe in the network namespace of a process. Well is an open port for tcp, a status from 200 to 399 for http
 * (redirections are not followed), and for ssh a server that says who it is. `tool` is the path of berth-connect. Throws when `signal` aborts.
 */
export async function probeNetwork(
  tool: string,
  pid: number,
  probe: NetworkProbe,
  signal: AbortSignal,
): Promise<ProbeAnswer> {
  const mode = probe.kind === 'tcp' ? 'check' : 'relay';
  const args = [mode, `/proc/${pid}/ns/net`, String(probe.port), ...probe.addresses];
  const child = spawn(tool, args, { stdio: ['ignore', 'ignore', 'pipe', 'pipe'], signal });
  const ended = once(child, 'close'); // rejects when the signal aborts, or there is no such tool
  ended.catch(() => {}); // awaited below, unless the answer comes first
  const [, , stderr, connection] = child.stdio;
  try {
    const reason = stderr === null ? Promise.resolve('') : text(stderr);
    if (probe.kind !== 'tcp' && connection instanceof Duplex) {
      const answer = await ask(connection, probe, signal);
      if (answer !== undefined) return answer;
    }
    await ended;
    const isOpen = child.exitCode === 0;
    const silent = probe.kind === 'tcp' ? 'connected' : NO_ANSWER;
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
function ask(stream: Duplex, probe: NetworkProbe, signal: AbortSignal): Promise<ProbeAnswer | undefined> {
  return probe.kind === 'ssh' ? hear(stream, signal) : askByHttp(stream, probe, signal);
}

/** An SSH server speaks first (RFC 4253, 4.2). */
async function hear(stream: Duplex, signal: AbortSignal): Promise<ProbeAnswer | undefined> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer | undefined>();
  const abort = () => reject(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  stream.once('data', resolve);
  stream.once('error', () => resolve(undefined));
  stream.once('close', () => resolve(undefined));
  try {
    const banner = (await promise)?.toString('latin1').trim();
    return banner === undefined ? undefined : { isWell: banner.startsWith('SSH-'), output: banner };
  } finally {
    signal.removeEventListener('abort', abort);
    stream.destroy();
  }
}

async function askByHttp(
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
