import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { createSecureContext } from 'node:tls';
import { Agent, type Dispatcher, EnvHttpProxyAgent, request } from 'undici';
import { BerthError, errorMessage, systemErrorCode, unavailable } from '../base/index.ts';
import { trustedCertificates } from './certificates.ts';
import type { EndpointChooser } from './endpoint.ts';

/** How patient the client is, in milliseconds. */
export interface Timing {
  readonly connect: number;
  /** Without an answer's head, or without a byte of its body. */
  readonly stall: number;
  /** Before the second, third, … attempt; their number bounds the attempts. */
  readonly retryDelays: readonly number[];
  /** A registry that asks for more patience than this (Retry-After) is not waited for. */
  readonly longestRetryAfter: number;
}

export const DEFAULT_TIMING: Timing = {
  connect: 15_000,
  stall: 60_000,
  retryDelays: [500, 1500, 4000],
  longestRetryAfter: 20_000,
};

export interface Request {
  readonly method?: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH';
  readonly headers: Readonly<Record<string, string>>;
  /** A stream is opened for each attempt. */
  readonly body?: Buffer | (() => Promise<Readable>);
  /** Whether it is sent again after a failure that may pass; true by default. */
  readonly isRepeatable?: boolean;
  readonly signal: AbortSignal | undefined;
}

export interface Response {
  /** After redirects. */
  readonly url: string;
  readonly status: number;
  header(name: string): string | undefined;
  readonly body: Readable;
}

const MAX_REDIRECTS = 10;
const USER_AGENT = 'berth/0.1.0';

/**
 * HTTP as registries need it: the host's certificates, retries with backoff, redirects that do not carry credentials
 * to other hosts, time-outs in plain words.
 */
export class Transport {
  readonly #chooser: EndpointChooser;
  readonly #timing: Timing;
  readonly #env: NodeJS.ProcessEnv;
  #secure: Promise<Dispatcher> | undefined;
  #insecure: Dispatcher | undefined;

  constructor(chooser: EndpointChooser, timing: Timing, env: NodeJS.ProcessEnv) {
    this.#chooser = chooser;
    this.#timing = timing;
    this.#env = env;
  }

  /**
   * The final answer, whatever its status, after retries of 429 and 5xx. Throws `unavailable` when there is none:
   * unreachable, time-out, a redirect that may not be followed.
   */
  async send(url: string, options: Request): Promise<Response> {
    const retryDelays = options.isRepeatable === false ? [] : this.#timing.retryDelays;
    for (let attempt = 0; ; attempt += 1) {
      const backoff = retryDelays[attempt];
      const outcome = await this.#attempt(url, options);
      const wait = backoff === undefined ? undefined : this.#waitBeforeRetry(outcome, backoff);
      if (wait === undefined) {
        if ('error' in outcome) throw outcome.error;
        return outcome.response;
      }
      if ('response' in outcome) await discard(outcome.response);
      await delay(wait, undefined, options.signal === undefined ? {} : { signal: options.signal });
    }
  }

  /** The whole body of an answer; throws `unavailable` when it is larger than `limit` bytes or breaks off. */
  async body(response: Response, limit: number): Promise<Buffer> {
    try {
      return await readBody(response, limit);
    } catch (error) {
      throw this.failure(response.url, error);
    }
  }

  /** Waits as before the attempt of that number (from 1) of a request that has failed. */
  async backoff(attempt: number, signal: AbortSignal | undefined): Promise<void> {
    const { retryDelays } = this.#timing;
    const milliseconds = retryDelays[Math.min(attempt, retryDelays.length) - 1] ?? 0;
    await delay(milliseconds, undefined, signal === undefined ? {} : { signal });
  }

  /** Whether anybody answers there by HTTP, whatever the answer, in the time that a connection may take. */
  async answers(url: string, signal: AbortSignal | undefined): Promise<boolean> {
    const patience = AbortSignal.timeout(this.#timing.connect);
    const either = signal === undefined ? patience : AbortSignal.any([signal, patience]);
    try {
      await discard(await this.#once(url, { headers: {}, signal: either }));
      return true;
    } catch {
      signal?.throwIfAborted();
      return false;
    }
  }

  /** The error as `unavailable`, with the host and the reason. */
  failure(url: string, error: unknown): unknown {
    if (error instanceof BerthError || (error instanceof Error && error.name === 'AbortError')) return error;
    return unavailable(`${new URL(url).host} ${this.#reason(error)}`, { cause: error });
  }

  /** Where a Location header leads. Throws `unavailable` where that is no URL, or less secure. */
  target(from: string, location: string): string {
    if (!URL.canParse(location, from)) throw unavailable(`${new URL(from).host} redirects to no valid URL`);
    const next = new URL(location, from);
    const isDowngrade = from.startsWith('https:') && next.protocol === 'http:';
    if (!/^https?:$/.test(next.protocol) || (isDowngrade && !this.#chooser.isInsecure(next.host))) {
      throw unavailable(
        `${new URL(from).host} redirects to ${next.protocol}//${next.host}, which is not secure`,
        {
          hint: 'Add the host to the insecure registries to allow it',
        },
      );
    }
    return next.href;
  }

  #reason(error: unknown): string {
    switch (systemErrorCode(error)) {
      case 'UND_ERR_CONNECT_TIMEOUT':
        return `could not be reached: time-out after ${this.#timing.connect / 1000} s`;
      case 'UND_ERR_HEADERS_TIMEOUT':
        return `did not answer: time-out after ${this.#timing.stall / 1000} s`;
      case 'UND_ERR_BODY_TIMEOUT':
        return `stalled: time-out after ${this.#timing.stall / 1000} s without data`;
      case 'ENOTFOUND':
      case 'EAI_AGAIN':
        return 'could not be reached: no such host';
      case 'ECONNREFUSED':
        return 'could not be reached: connection refused';
      case 'UND_ERR_SOCKET':
      case 'ECONNRESET':
      case 'EPIPE':
        return 'closed the connection';
      default:
        return `could not be reached: ${errorMessage(error)}`;
    }
  }

  async #attempt(url: string, options: Request): Promise<Outcome> {
    try {
      return { response: await this.#follow(url, options) };
    } catch (error) {
      if (options.signal?.aborted) throw options.signal.reason;
      return { error: this.failure(url, error), isCut: isCutConnection(error) };
    }
  }

  /** Milliseconds, or undefined where another attempt makes no sense. */
  #waitBeforeRetry(outcome: Outcome, backoff: number): number | undefined {
    if ('error' in outcome) return outcome.isCut ? backoff : undefined;
    const { response } = outcome;
    if (response.status !== 429 && response.status < 500) return undefined;
    if (response.status === 501) return undefined;
    const asked = retryAfter(response);
    if (asked === undefined) return backoff;
    return asked <= this.#timing.longestRetryAfter ? asked : undefined;
  }

  async #follow(url: string, options: Request): Promise<Response> {
    let current = url;
    let headers = options.headers;
    for (let hops = 0; hops <= MAX_REDIRECTS; hops += 1) {
      const response = await this.#once(current, { ...options, headers });
      const location = response.header('location');
      if (![301, 302, 303, 307, 308].includes(response.status) || location === undefined) return response;
      await discard(response);
      const next = this.target(current, location);
      if (new URL(next).origin !== new URL(current).origin) headers = withoutCredentials(headers);
      current = next;
    }
    throw unavailable(`${new URL(url).host} redirects more than ${MAX_REDIRECTS} times`);
  }

  async #once(url: string, { method = 'GET', headers, body, signal }: Request): Promise<Response> {
    const answer = await request(url, {
      method,
      headers: { 'user-agent': USER_AGENT, ...headers },
      dispatcher: await this.#dispatcher(url),
      ...(body === undefined ? {} : { body: typeof body === 'function' ? await body() : body }),
      ...(signal === undefined ? {} : { signal }),
    });
    const header = (name: string) => {
      const value = answer.headers[name];
      return Array.isArray(value) ? value.join(', ') : value;
    };
    return { url, status: answer.statusCode, header, body: answer.body };
  }

  #dispatcher(url: string): Promise<Dispatcher> | Dispatcher {
    if (!this.#chooser.isInsecure(new URL(url).host)) {
      this.#secure ??= this.#secureDispatcher();
      return this.#secure;
    }
    this.#insecure ??= new Agent({
      ...this.#timeouts(),
      connect: { timeout: this.#timing.connect, rejectUnauthorized: false },
    });
    return this.#insecure;
  }

  async #secureDispatcher(): Promise<Dispatcher> {
    const secureContext = createSecureContext({ ca: await trustedCertificates(this.#env) });
    const connect = { timeout: this.#timing.connect, secureContext };
    return new EnvHttpProxyAgent({ ...this.#timeouts(), connect, requestTls: { secureContext } });
  }

  #timeouts() {
    return { headersTimeout: this.#timing.stall, bodyTimeout: this.#timing.stall };
  }
}

type Outcome = { readonly response: Response } | { readonly error: unknown; readonly isCut: boolean };

/** The whole body of a small answer; throws `unavailable` when it is larger than `limit` bytes. */
export async function readBody(response: Response, limit: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response.body) {
    chunks.push(chunk);
    size += chunk.length;
    if (size > limit)
      throw unavailable(`${new URL(response.url).host} answered with more than ${limit} bytes`);
  }
  return Buffer.concat(chunks);
}

/** Seconds or a date (RFC 9110, 10.2.3), in milliseconds from now. */
export function retryAfter(response: Response): number | undefined {
  const value = response.header('retry-after');
  if (value === undefined) return undefined;
  if (/^[0-9]+$/.test(value)) return Number(value) * 1000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(0, date - Date.now());
}

/** Lets go of an answer that nobody reads. */
export async function discard(response: Response): Promise<void> {
  response.body.on('error', () => {}).destroy();
}

export function isCutConnection(error: unknown): boolean {
  return ['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE'].includes(systemErrorCode(error) ?? '');
}

function withoutCredentials(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => name.toLowerCase() !== 'authorization'),
  );
}
