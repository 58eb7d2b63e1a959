import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { ContainerFiles } from './container-files.ts';
import type { AttachOptions, LogOptions, PendingExit, WaitCondition } from './containers.ts';
import { attachAt, logsAt, resizeAt, statsAt, waitAt, watchStatsAt } from './lives.ts';
import { MachineSnapshots } from './machine-snapshots.ts';
import { type OutputStream, progressMessages } from './streams.ts';
import type { Filters, HijackedStream, Transport } from './transport.ts';
import type {
  ContainerEnds,
  ContainerStats,
  EndpointSettings,
  MachineChange,
  MachineChanged,
  MachineCreated,
  MachineCreateRequest,
  MachineExecAnswer,
  MachineExecRequest,
  MachineImage,
  MachineInspect,
  MachineSummary,
  ProgressMessage,
} from './types/index.ts';

/** The machines of an engine that is berth: whole computers. A `reference` is a name, an id, or the unique start of one. */
export class Machines {
  readonly #transport: Transport;

  readonly snapshots: MachineSnapshots;
  /** By QEMU's guest agent, of machines that run and have it. */
  readonly files: ContainerFiles;

  constructor(transport: Transport) {
    this.#transport = transport;
    this.snapshots = new MachineSnapshots(transport);
    this.files = new ContainerFiles(transport, ROOT);
  }

  async list(
    options: { all?: boolean; filters?: Filters; signal?: AbortSignal } = {},
  ): Promise<readonly MachineSummary[]> {
    const { all, filters, signal } = options;
    return this.#transport.json({ method: 'GET', path: `${ROOT}/json`, query: { all }, filters, signal });
  }

  /** Makes one that can be started. */
  async create(
    request: MachineCreateRequest,
    options: { name?: string | undefined; signal?: AbortSignal } = {},
  ): Promise<MachineCreated> {
    const { name, signal } = options;
    const path = `${ROOT}/create`;
    return this.#transport.json({ method: 'POST', path, query: { name }, json: request, signal });
  }

  /** As {@link create}, told of images that are fetched or put together meanwhile: the last message has what was created. */
  async *creation(
    request: MachineCreateRequest,
    options: { name?: string | undefined; signal?: AbortSignal } = {},
  ): AsyncGenerator<CreationMessage> {
    const { name, signal } = options;
    const query = { name, progress: true };
    const path = `${ROOT}/create`;
    const body = await this.#transport.stream({ method: 'POST', path, query, json: request, signal });
    yield* progressMessages<CreationMessage>(body, 'unavailable');
  }

  async inspect(reference: string, options: { signal?: AbortSignal } = {}): Promise<MachineInspect> {
    return this.#transport.json({ method: 'GET', path: pathOf(reference, 'json'), ...options });
  }

  /** Its last ends, and starts that failed. */
  async ends(reference: string, options: { signal?: AbortSignal } = {}): Promise<ContainerEnds> {
    return this.#transport.json({ method: 'GET', path: pathOf(reference, 'ends'), ...options });
  }

  /** The images that disks of machines stand on, or could. */
  async images(options: { signal?: AbortSignal } = {}): Promise<readonly MachineImage[]> {
    return this.#transport.json({ method: 'GET', path: `${ROOT}/images`, ...options });
  }

  /** Removes the images that no machine stands on. */
  async pruneImages(options: { signal?: AbortSignal } = {}): Promise<{ readonly SpaceReclaimed: number }> {
    return this.#transport.json({ method: 'POST', path: `${ROOT}/prune`, ...options });
  }

  /** Starts it; false when it was running already. Its system boots meanwhile: see its health, or its console. */
  async start(reference: string, options: { signal?: AbortSignal } = {}): Promise<boolean> {
    const path = pathOf(reference, 'start');
    return (await this.#transport.run({ method: 'POST', path, ...options })) !== 304;
  }

  /** Presses its power button, and ends it by force after `timeout` seconds (-1: never); false when it was not running. */
  async stop(
    reference: string,
    options: { timeout?: number | undefined; signal?: AbortSignal } = {},
  ): Promise<boolean> {
    const { timeout, signal } = options;
    const path = pathOf(reference, 'stop');
    return (await this.#transport.run({ method: 'POST', path, query: { t: timeout }, signal })) !== 304;
  }

  async restart(
    reference: string,
    options: { timeout?: number | undefined; signal?: AbortSignal } = {},
  ): Promise<void> {
    const { timeout, signal } = options;
    const path = pathOf(reference, 'restart');
    await this.#transport.run({ method: 'POST', path, query: { t: timeout }, signal });
  }

  /** Its processors stand still. */
  async pause(reference: string, options: { signal?: AbortSignal } = {}): Promise<void> {
    await this.#transport.run({ method: 'POST', path: pathOf(reference, 'pause'), ...options });
  }

  /** Lets it go on; its guest agent is told the time. */
  async unpause(
    reference: string,
    options: { signal?: AbortSignal } = {},
  ): Promise<{ readonly Warnings: readonly string[] }> {
    return this.#transport.json({ method: 'POST', path: pathOf(reference, 'unpause'), ...options });
  }

  /** Ends it at once, as if its plug were pulled. */
  async kill(reference: string, options: { signal?: AbortSignal } = {}): Promise<void> {
    await this.#transport.run({ method: 'POST', path: pathOf(reference, 'kill'), ...options });
  }

  /** Removes it with its disks; `force` ends it first. */
  async remove(reference: string, options: { force?: boolean; signal?: AbortSignal } = {}): Promise<void> {
    const { force, signal } = options;
    await this.#transport.run({ method: 'DELETE', path: pathOf(reference), query: { force }, signal });
  }

  async rename(reference: string, name: string, options: { signal?: AbortSignal } = {}): Promise<void> {
    const path = pathOf(reference, 'rename');
    await this.#transport.run({ method: 'POST', path, query: { name }, ...options });
  }

  /** Changes it: at once what can be, the rest from its next start on. */
  async set(
    reference: string,
    change: MachineChange,
    options: { signal?: AbortSignal } = {},
  ): Promise<MachineChanged> {
    const path = pathOf(reference, 'set');
    return this.#transport.json({ method: 'POST', path, json: change, ...options });
  }

  /** Gives it a card on one more network, from its next start on. */
  async connect(
    reference: string,
    network: string,
    options: { endpoint?: EndpointSettings; signal?: AbortSignal } = {},
  ): Promise<void> {
    const { endpoint, signal } = options;
    const json = { Network: network, EndpointConfig: endpoint };
    await this.#transport.run({ method: 'POST', path: pathOf(reference, 'connect'), json, signal });
  }

  async disconnect(
    reference: string,
    network: string,
    options: { signal?: AbortSignal } = {},
  ): Promise<void> {
    const json = { Network: network };
    await this.#transport.run({ method: 'POST', path: pathOf(reference, 'disconnect'), json, ...options });
  }

  /**
   * Makes one like it, with disks, cards and host name of its own, of a snapshot or of a stopped machine as it is. It publishes
   * no ports, and it boots.
   */
  async clone(
    reference: string,
    options: { name?: string | undefined; snapshot?: string | undefined; signal?: AbortSignal } = {},
  ): Promise<MachineCreated> {
    const { name, snapshot, signal } = options;
    const json = { Name: name, Snapshot: snapshot };
    return this.#transport.json({ method: 'POST', path: pathOf(reference, 'clone'), json, signal });
  }

  /** A stopped machine as one tar, without its snapshots; {@link import} makes a machine of it, here or elsewhere. */
  export(reference: string, options: { signal?: AbortSignal } = {}): Promise<Readable> {
    return this.#transport.stream({ method: 'GET', path: pathOf(reference, 'export'), ...options });
  }

  /** `network`: the one that it is on, or "none"; by default those that it was on. */
  async import(
    archive: Readable,
    options: { name?: string | undefined; network?: string | undefined; signal?: AbortSignal } = {},
  ): Promise<MachineCreated> {
    const { name, network, signal } = options;
    const body = await this.#transport.stream({
      method: 'POST',
      path: `${ROOT}/import`,
      query: { name, network },
      headers: { 'Content-Type': 'application/x-tar' },
      body: archive,
      signal,
    });
    return JSON.parse(await text(body)) as MachineCreated;
  }

  /** Runs a command in it by QEMU's guest agent, which its system must have. The output comes at the command's end. */
  async exec(
    reference: string,
    command: MachineExecRequest,
    options: { signal?: AbortSignal } = {},
  ): Promise<MachineExecAnswer> {
    const path = pathOf(reference, 'exec');
    return this.#transport.json({ method: 'POST', path, json: command, ...options });
  }

  /** Registers a wait; resolves as soon as the engine has it, long before the end. */
  async wait(
    reference: string,
    options: { condition?: WaitCondition; signal?: AbortSignal } = {},
  ): Promise<PendingExit> {
    return waitAt(this.#transport, pathOf(reference, 'wait'), options);
  }

  /** Takes over a connection to its serial console. Works before the start, too. */
  async attach(reference: string, options: AttachOptions): Promise<HijackedStream> {
    return attachAt(this.#transport, pathOf(reference, 'attach'), options);
  }

  /** Tells the console's size in characters. */
  async resize(
    reference: string,
    size: { rows: number; columns: number },
    options: { signal?: AbortSignal } = {},
  ): Promise<void> {
    await resizeAt(this.#transport, pathOf(reference, 'resize'), size, options);
  }

  /** What came from its console; with `follow`, until it ends. */
  async logs(reference: string, options: Omit<LogOptions, 'stdout' | 'stderr'> = {}): Promise<OutputStream> {
    return logsAt(this.#transport, pathOf(reference, 'logs'), options);
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
}

/** One message of a creation that takes its time. */
export type CreationMessage = ProgressMessage & { readonly created?: MachineCreated };

const ROOT = '/berth/machines';

function pathOf(reference: string, action?: string): string {
  return `${ROOT}/${encodeURIComponent(reference)}${action === undefined ? '' : `/${action}`}`;
}
