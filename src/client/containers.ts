import { familiarRepository, parseReference } from '../base/index.ts';
import { attachAt, logsAt, resizeAt, statsAt, waitAt, watchStatsAt } from './lives.ts';
import { type OutputStream, outputChunks } from './streams.ts';
import type { Filters, HijackedStream, Transport } from './transport.ts';
import type {
  ContainerCreated,
  ContainerCreateRequest,
  ContainerEnds,
  ContainerInspect,
  ContainerStats,
  ContainerSummary,
  ContainersPruned,
  ContainerUpdate,
  PortReport,
  ProcessTable,
  WaitResult,
} from './types/index.ts';

/** Which exit a wait is for. `next-exit` is what a client that is about to start the container needs. */
export type WaitCondition = 'not-running' | 'next-exit' | 'removed';

/** A wait that the engine has taken note of: no exit from here on is missed. */
export interface PendingExit {
  /** Resolves when the container has exited. */
  exit(): Promise<WaitResult>;
}

export interface AttachOptions {
  readonly stdin?: boolean;
  readonly stdout?: boolean;
  readonly stderr?: boolean;
  /** Stay attached to what comes; else only `logs`. Default true. */
  readonly stream?: boolean;
  /** First replay what was logged so far. */
  readonly logs?: boolean;
  readonly detachKeys?: string;
  readonly signal?: AbortSignal;
}

export interface LogOptions {
  readonly follow?: boolean;
  readonly stdout?: boolean;
  readonly stderr?: boolean;
  /** Unix seconds, with up to nine decimals. */
  readonly since?: string;
  readonly until?: string;
  readonly timestamps?: boolean;
  /** The attributes that --log-opt chose. */
  readonly details?: boolean;
  /** A number of lines, or "all". */
  readonly tail?: string;
  readonly signal?: AbortSignal;
}

export interface CommitOptions {
  /** The new image's name, with a tag ("latest" without one). */
  readonly name?: string;
  readonly author?: string | undefined;
  readonly comment?: string | undefined;
  readonly changes?: readonly string[];
  /** Stop its processes meanwhile. Default true. */
  readonly pause?: boolean;
}

/** The /containers part of the API. A `reference` is a name, an id, or the unique start of one. */
export class Containers {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  async list(
    options: { all?: boolean; size?: boolean; limit?: number; filters?: Filters; signal?: AbortSignal } = {},
  ): Promise<readonly ContainerSummary[]> {
    const { all, size, limit, filters, signal } = options;
    const query = { all, size, limit };
    return this.#transport.json({ method: 'GET', path: '/containers/json', query, filters, signal });
  }

  async create(
    request: ContainerCreateRequest,
    options: { name?: string; platform?: string; signal?: AbortSignal } = {},
  ): Promise<ContainerCreated> {
    const { name, platform, signal } = options;
    const query = { name, platform };
    return this.#transport.json({ method: 'POST', path: '/containers/create', query, json: request, signal });
  }

  async inspect(
    reference: string,
    options: { size?: boolean; signal?: AbortSignal } = {},
  ): Promise<ContainerInspect> {
    const { size, signal } = options;
    return this.#transport.json({ method: 'GET', path: pathOf(reference, 'json'), query: { size }, signal });
  }

  /** Its last ends, and starts that failed: an extension of berth's. */
  async ends(reference: string, options: { signal?: AbortSignal } = {}): Promise<ContainerEnds> {
    const path = `/berth${pathOf(reference, 'ends')}`;
    return this.#transport.json({ method: 'GET', path, ...options });
  }

  /** Who gets to the published ports of these running containers, of all when none is named: an extension of berth's. */
  async publishedPorts(
    references: readonly string[] = [],
    options: { signal?: AbortSignal } = {},
  ): Promise<readonly PortReport[]> {
    const query = { container: references };
    return this.#transport.json({ method: 'GET', path: '/berth/ports', query, ...options });
  }

  /** Starts it; false when it was running already. */
  async start(
    reference: string,
    options: { detachKeys?: string; signal?: AbortSignal } = {},
  ): Promise<boolean> {
    const { signal, ...query } = options;
    const status = await this.#transport.run({
      method: 'POST',
      path: pathOf(reference, 'start'),
      query,
      signal,
    });
    return status !== 304;
  }

  /** Stops it, killing it after `timeout` seconds (-1: never); false when it was not running. */
  async stop(
    reference: string,
    options: { timeout?: number; killSignal?: string; signal?: AbortSignal } = {},
  ): Promise<boolean> {
    const { timeout, killSignal, signal } = options;
    const query = { t: timeout, signal: killSignal };
    const status = await this.#transport.run({
      method: 'POST',
      path: pathOf(reference, 'stop'),
      query,
      signal,
    });
    return status !== 304;
  }

  async restart(
    reference: string,
    options: { timeout?: number; killSignal?: string; signal?: AbortSignal } = {},
  ): Promise<void> {
    const { timeout, killSignal, signal } = options;
    const query = { t: timeout, signal: killSignal };
    await this.#transport.run({ method: 'POST', path: pathOf(reference, 'restart'), query, signal });
  }

  /**
   * Sends a signal, by name or number; KILL by default. The scope "container" reaches every process, where the engine
   * is berth; others signal PID 1 all the same.
   */
  async kill(
    reference: string,
    options: { killSignal?: string; scope?: 'pid1' | 'container'; signal?: AbortSignal } = {},
  ): Promise<void> {
    const query = { signal: options.killSignal };
    const { scope } = options;
    const headers: Record<string, string> = scope === undefined ? {} : { 'X-Berth-Signal-Scope': scope };
    await this.#transport.run({
      method: 'POST',
      path: pathOf(reference, 'kill'),
      query,
      headers,
      signal: options.signal,
    });
  }

  /** Removes it; `volumes` also its anonymous volumes; `force` kills it first. */
  async remove(
    reference: string,
    options: { force?: boolean; volumes?: boolean; link?: boolean; signal?: AbortSignal } = {},
  ): Promise<void> {
    const { force, volumes, link, signal } = options;
    const query = { force, v: volumes, link };
    await this.#transport.run({ method: 'DELETE', path: pathOf(reference), query, signal });
  }

  /** Freezes its processes. */
  async pause(reference: string, options: { signal?: AbortSignal } = {}): Promise<void> {
    await this.#transport.run({ method: 'POST', path: pathOf(reference, 'pause'), ...options });
  }

  async unpause(reference: string, options: { signal?: AbortSignal } = {}): Promise<void> {
    await this.#transport.run({ method: 'POST', path: pathOf(reference, 'unpause'), ...options });
  }

  async rename(reference: string, name: string, options: { signal?: AbortSignal } = {}): Promise<void> {
    await this.#transport.run({
      method: 'POST',
      path: pathOf(reference, 'rename'),
      query: { name },
      ...options,
    });
  }

  /** Changes its limits and restart policy, at once when it runs; returns what the host cannot limit. */
  async update(
    reference: string,
    change: ContainerUpdate,
    options: { signal?: AbortSignal } = {},
  ): Promise<{ readonly Warnings: readonly string[] | null }> {
    const path = pathOf(reference, 'update');
    return this.#transport.json({ method: 'POST', path, json: change, ...options });
  }

  /** Registers a wait; resolves as soon as the engine has it, long before the exit. */
  async wait(
    reference: string,
    options: { condition?: WaitCondition; signal?: AbortSignal } = {},
  ): Promise<PendingExit> {
    return waitAt(this.#transport, pathOf(reference, 'wait'), options);
  }

  /** Takes over a connection to the container's terminal or pipes. Works before the start, too. */
  async attach(reference: string, options: AttachOptions): Promise<HijackedStream> {
    return attachAt(this.#transport, pathOf(reference, 'attach'), options);
  }

  /** What the container wrote; with `follow`, until it exits. */
  async logs(reference: string, options: LogOptions = {}): Promise<OutputStream> {
    return logsAt(this.#transport, pathOf(reference, 'logs'), { stdout: true, stderr: true, ...options });
  }

  /** What the container wrote so far, as text. */
  async logText(reference: string, options: Omit<LogOptions, 'follow'> = {}): Promise<string> {
    const parts: Buffer[] = [];
    for await (const { data } of outputChunks(await this.logs(reference, options))) parts.push(data);
    return Buffer.concat(parts).toString();
  }

  /** Tells the terminal's size in characters. */
  async resize(
    reference: string,
    size: { rows: number; columns: number },
    options: { signal?: AbortSignal } = {},
  ): Promise<void> {
    await resizeAt(this.#transport, pathOf(reference, 'resize'), size, options);
  }

  /** Its processes, as the host's `ps` lists them with these options ("-ef" by default). */
  async top(
    reference: string,
    options: { psOptions?: string; signal?: AbortSignal } = {},
  ): Promise<ProcessTable> {
    const { psOptions, signal } = options;
    const query = { ps_args: psOptions };
    return this.#transport.json({ method: 'GET', path: pathOf(reference, 'top'), query, signal });
  }

  /** What it uses: one reading that has the one of a second before to be compared with. */
  async stats(reference: string, options: { signal?: AbortSignal } = {}): Promise<ContainerStats> {
    return statsAt(this.#transport, pathOf(reference, 'stats'), options);
  }

  /** What it uses, now and each second, until the signal aborts or it is removed. */
  async watchStats(
    reference: string,
    options: { signal?: AbortSignal } = {},
  ): Promise<AsyncGenerator<ContainerStats>> {
    return watchStatsAt(this.#transport, pathOf(reference, 'stats'), options);
  }

  /** Makes an image of it, its volumes left out; returns the image's id. `changes` are Dockerfile instructions. */
  async commit(reference: string, options: CommitOptions & { signal?: AbortSignal } = {}): Promise<string> {
    const { name, author, comment, changes, pause, signal } = options;
    const parsed = name === undefined ? undefined : parseReference(name);
    const repository = parsed === undefined ? {} : { repo: familiarRepository(parsed), tag: parsed.tag };
    const query = { container: reference, ...repository, author, comment, changes, pause };
    const answer = await this.#transport.json<{ Id: string }>({
      method: 'POST',
      path: '/commit',
      query,
      signal,
    });
    return answer.Id;
  }

  /** Removes all stopped containers that match. */
  async prune(options: { filters?: Filters; signal?: AbortSignal } = {}): Promise<ContainersPruned> {
    return this.#transport.json({ method: 'POST', path: '/containers/prune', ...options });
  }
}

function pathOf(reference: string, action?: string): string {
  return `/containers/${encodeURIComponent(reference)}${action === undefined ? '' : `/${action}`}`;
}
