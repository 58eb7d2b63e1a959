import type { Agent, ClientRequest, IncomingMessage, RequestOptions } from 'node:http';
import type { Duplex, Readable } from 'node:stream';
import { internal, notImplemented, unavailable } from '../base/index.ts';
import { connectionFailure, responseFailure } from './failures.ts';
import { formatHost, type HostAddress } from './host.ts';
import { parseServerTiming, type RequestTrace } from './request-trace.ts';
import type { OutputStream } from './streams.ts';

/**
 * Not imported: importing node:http evaluates all of its exports, the WebSocket among them, which more than doubles the
 * start-up of a small program (42 ms instead of 12).
 */
const http = process.getBuiltinModule('node:http');

/** The newest version of the Engine API that this client speaks. */
export const NEWEST_API_VERSION = '1.51';
/** The oldest version that it speaks: the oldest with all it sends. */
export const OLDEST_API_VERSION = '1.24';

/** Filters as the API takes them: every key with the values that may match. */
export type Filters = Readonly<Record<string, readonly string[]>>;

type QueryValue = string | number | boolean | undefined | readonly string[];

/** One request of the API. */
export interface ApiRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE' | 'HEAD';
  /** Starts with "/", without the version. */
  readonly path: string;
  /** Undefined values are left out; an array repeats its key. */
  readonly query?: Readonly<Record<string, QueryValue>>;
  readonly filters?: Filters | undefined;
  /** A value that is sent as JSON. */
  readonly json?: unknown;
  /** A body that is sent as it is. */
  readonly body?: Readable;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
}

/** A connection whose two directions the caller now owns: a process's input and its output. */
export interface HijackedStream extends OutputStream {
  /** Ending it closes the process's standard input; the output goes on. Destroying it detaches. */
  readonly socket: Duplex;
}

/** Connections to one engine, with the API version agreed on at the first request. */
export class Transport {
  readonly host: HostAddress;
  readonly #agent: Agent = new http.Agent({ keepAlive: true });
  /** `servername` is for TLS; unset, it would be worked out for every connection with a regular expression that takes 3 ms. */
  readonly #target: RequestOptions & { readonly servername: '' };
  #version: Promise<string> | undefined;

  /** Told of each request that was answered. */
  readonly #onRequest: ((request: RequestTrace) => void) | undefined;

  /** `version` fixes the API version; else it is the newest that both sides speak. Throws `not-implemented` for ssh. */
  constructor(host: HostAddress, version?: string, onRequest?: (request: RequestTrace) => void) {
    if (host.kind === 'ssh') {
      throw notImplemented(`engine addresses of the form ssh:// are not implemented: ${host.url}`, {
        hint: 'Forward the socket (ssh -L /tmp/berth.sock:/run/berth/berth.sock) and use unix:///tmp/berth.sock',
      });
    }
    this.host = host;
    this.#onRequest = onRequest;
    this.#target =
      host.kind === 'unix'
        ? { socketPath: host.path, host: 'berth', servername: '' }
        : { hostname: host.hostname, port: host.port, servername: '' };
    this.#version = version === undefined ? undefined : Promise.resolve(version);
  }

  /** The API version in use, for example "1.51"; asks the engine the first time. */
  version(signal?: AbortSignal): Promise<string> {
    this.#version ??= this.#negotiate(signal).catch((error) => {
      this.#version = undefined; // the next request asks again
      throw error;
    });
    return this.#version;
  }

  /** Sends a request and returns the answer's JSON. */
  async json<T>(call: ApiRequest): Promise<T> {
    return (await this.openJson<T>(call)).read();
  }

  /** Sends a request whose answer starts long before its body: resolves at the headers, `read` at the end. */
  async openJson<T>(call: ApiRequest): Promise<{ read: () => Promise<T> }> {
    const response = await this.stream(call);
    return { read: () => this.#readJson<T>(response, call) };
  }

  /** Sends a request and drops the answer's body; returns the status (304: it was so already). */
  async run(call: ApiRequest): Promise<number> {
    const response = await this.stream(call);
    await readText(response, this.host);
    return response.statusCode ?? 0;
  }

  /** Sends a request; returns the response once its headers are there, its body to be read. Throws on status 400 and above. */
  async stream(call: ApiRequest): Promise<IncomingMessage> {
    const version = await this.version(call.signal);
    return this.#respond(this.#open(call, `/v${version}`), call);
  }

  /** Sends a request that takes over the connection. */
  async hijack(call: ApiRequest): Promise<HijackedStream> {
    const version = await this.version(call.signal);
    const headers = { ...call.headers, Connection: 'Upgrade', Upgrade: 'tcp' };
    const outgoing = this.#open({ ...call, headers }, `/v${version}`);
    const { promise, resolve, reject } = Promise.withResolvers<HijackedStream>();
    outgoing.once('upgrade', (response, socket, head) => {
      if (head.length > 0) socket.unshift(head);
      // An aborted request no longer reaches a socket that left it.
      const abort = () => socket.destroy();
      call.signal?.addEventListener('abort', abort, { once: true });
      socket.once('close', () => call.signal?.removeEventListener('abort', abort));
      resolve({ socket, body: socket, multiplexed: isMultiplexed(response) });
    });
    outgoing.once('response', (response) => {
      refusal(response, call, this.host).then(reject, reject);
    });
    outgoing.once('error', (error) => reject(connectionFailure(error, this.host)));
    return promise;
  }

  /** Closes the idle connections. */
  close(): void {
    this.#agent.destroy();
  }

  async #negotiate(signal: AbortSignal | undefined): Promise<string> {
    const call: ApiRequest = { method: 'GET', path: '/_ping', signal };
    const response = await this.#respond(this.#open(call, ''), call);
    await readText(response, this.host);
    const offered = response.headers['api-version'];
    if (typeof offered !== 'string') {
      throw unavailable(`what listens at ${formatHost(this.host)} is no container engine`, {
        hint: 'Its answer to GET /_ping has no API-Version header',
      });
    }
    if (compareVersions(offered, OLDEST_API_VERSION) < 0) {
      throw unavailable(
        `the engine at ${formatHost(this.host)} speaks API ${offered}; the oldest that berth speaks is ${OLDEST_API_VERSION}`,
      );
    }
    return compareVersions(offered, NEWEST_API_VERSION) < 0 ? offered : NEWEST_API_VERSION;
  }

  async #readJson<T>(response: IncomingMessage, call: ApiRequest): Promise<T> {
    const text = await readText(response, this.host);
    try {
      return JSON.parse(text) as T;
    } catch (error) {
      throw internal(`the engine's answer to ${call.method} ${call.path} is no JSON`, { cause: error });
    }
  }

  #open(call: ApiRequest, prefix: string): ClientRequest {
    const json = call.json === undefined ? undefined : JSON.stringify(call.json);
    const outgoing = http.request({
      ...this.#target,
      agent: this.#agent,
      method: call.method,
      path: `${prefix}${call.path}${queryString(call)}`,
      headers: {
        'User-Agent': 'berth',
        ...(json === undefined
          ? {}
          : { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(json) }),
        ...(this.#onRequest === undefined ? {} : { 'X-Berth-Trace': '1' }),
        ...call.headers,
      },
      signal: call.signal,
    });
    if (this.#onRequest !== undefined) {
      const start = performance.now(); // only here: the first use of `performance` loads 8 modules of Node's
      const note = (response: IncomingMessage) => this.#note(call, start, response);
      outgoing.once('response', note).once('upgrade', note);
    }
    if (call.body === undefined) return outgoing.end(json);
    call.body.once('error', (error) => outgoing.destroy(error));
    return call.body.pipe(outgoing);
  }

  #note({ method, path }: ApiRequest, start: number, response: IncomingMessage): void {
    const timing = response.headers['server-timing'];
    const steps = typeof timing === 'string' ? parseServerTiming(timing) : [];
    this.#onRequest?.({ name: `${method} ${path}`, start, duration: performance.now() - start, steps });
  }

  async #respond(outgoing: ClientRequest, call: ApiRequest): Promise<IncomingMessage> {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    outgoing.once('response', resolve);
    // Stays for the whole exchange: an engine may answer, then close while we still send.
    outgoing.on('error', (error) => reject(connectionFailure(error, this.host)));
    const response = await promise;
    if ((response.statusCode ?? 0) >= 400) throw await refusal(response, call, this.host);
    return response;
  }
}

/** Whether a response's body has frames for stdout and stderr. */
export function isMultiplexed(response: IncomingMessage): boolean {
  return response.headers['content-type'] === 'application/vnd.docker.multiplexed-stream';
}

/** Orders API versions by their numbers: negative when `a` is the older one. */
export function compareVersions(a: string, b: string): number {
  const [majorA = 0, minorA = 0] = a.split('.').map(Number);
  const [majorB = 0, minorB = 0] = b.split('.').map(Number);
  return majorA - majorB || minorA - minorB;
}

async function refusal(response: IncomingMessage, call: ApiRequest, host: HostAddress): Promise<Error> {
  const text = await readText(response, host);
  return responseFailure(response.statusCode ?? 0, text, `${call.method} ${call.path}`);
}

/** By events: the first `for await` over a stream costs a command 1.5 ms. */
async function readText(response: IncomingMessage, host: HostAddress): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const chunks: Buffer[] = [];
  response.on('data', (chunk: Buffer) => chunks.push(chunk));
  response.once('end', () => resolve(Buffer.concat(chunks).toString()));
  response.once('error', (error) => reject(connectionFailure(error, host)));
  response.once('close', () => reject(connectionFailure(new Error('its answer has no end'), host)));
  return promise;
}

function queryString({ query = {}, filters }: ApiRequest): string {
  const parameters = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    if (value === undefined) continue;
    if (typeof value === 'object') for (const item of value) parameters.append(key, item);
    else parameters.append(key, String(value));
  }
  if (filters !== undefined && Object.keys(filters).length > 0) {
    parameters.append('filters', encodeFilters(filters));
  }
  const text = parameters.toString();
  return text === '' ? '' : `?${text}`;
}

/** `{"label":{"a=b":true}}`, the form that every version of the API takes. */
function encodeFilters(filters: Filters): string {
  const entries = Object.entries(filters).map(([key, values]) => [
    key,
    Object.fromEntries(values.map((value) => [value, true])),
  ]);
  return JSON.stringify(Object.fromEntries(entries));
}
