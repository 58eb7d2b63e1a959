import {
  type ContainerId,
  decodeFields,
  type Field,
  FieldWriter,
  type Frame,
  isBerthError,
} from '../base/index.ts';
import { removeAbandoned } from './abandoned.ts';
import { decodeExit, openAttachSession, openExecSession } from './attach-session.ts';
import { Channel, connectIfAlive } from './channel.ts';
import type {
  AttachOptions,
  AttachSession,
  ExecSession,
  ExitStatus,
  PortPlan,
  PortRefusal,
  StartedProcess,
  Supervisor,
} from './contract.ts';
import { hasRun, readExitRecord } from './exit-record.ts';
import { decodePort, fieldOf, message, numberOf, stateValue, tag, timeOf } from './protocol.ts';

/** The container that a supervisor is for, and where it listens. */
export interface SupervisorAddress {
  readonly id: ContainerId;
  readonly directory: string;
  readonly socketPath: string;
}

/** Connects to a supervisor; undefined when none listens, or it ends before it has told its state. */
export async function findSupervisor(address: SupervisorAddress): Promise<SupervisorConnection | undefined> {
  const socket = await connectIfAlive(address.socketPath);
  if (socket === undefined) return undefined;
  const peer = `the supervisor of container ${address.id.slice(0, 12)}`;
  try {
    return await SupervisorConnection.open(address, (onFrame) => new Channel(socket, peer, onFrame));
  } catch (error) {
    if (isBerthError(error, 'unavailable')) return undefined;
    throw error;
  }
}

/** A {@link Supervisor} at the other end of a control connection. */
export class SupervisorConnection implements Supervisor {
  readonly id: ContainerId;
  readonly pid: number;
  readonly ports: readonly PortPlan[];
  readonly accounts: { readonly passwd: string; readonly group: string };
  readonly rootPath: string;
  readonly networkPath: string | undefined;
  readonly exited: Promise<ExitStatus>;
  /** Resolves (never rejects) when the supervisor has cleaned up and ended. */
  readonly gone: Promise<void>;
  /** PID 1 had ended before this connection was made. */
  readonly wasExited: boolean;
  /** Whether {@link exited} has resolved. */
  hasEnded = false;
  readonly #address: SupervisorAddress;
  readonly #channel: Channel;
  readonly #events: Events;
  #started: StartedProcess | undefined;
  #isDisconnected = false;

  static async open(
    address: SupervisorAddress,
    openChannel: (onFrame: (frame: Frame) => void) => Channel,
  ): Promise<SupervisorConnection> {
    const events = new Events();
    const channel = openChannel((frame) => events.take(frame));
    try {
      const state = await channel.request(message.hello);
      return new SupervisorConnection(address, channel, events, decodeFields(state.payload));
    } catch (error) {
      channel.close();
      throw error;
    }
  }

  private constructor(address: SupervisorAddress, channel: Channel, events: Events, state: readonly Field[]) {
    this.#address = address;
    this.#channel = channel;
    this.#events = events;
    this.id = address.id;
    this.pid = numberOf(state, tag.pid);
    this.ports = state
      .filter((field) => field.tag === tag.port)
      .map((field) => decodePort(decodeFields(field.value)));
    this.accounts = {
      passwd: fieldOf(state, tag.passwd)?.toString() ?? '',
      group: fieldOf(state, tag.group)?.toString() ?? '',
    };
    this.rootPath = `/proc/${this.pid}/root${address.directory}/rootfs`;
    const network = fieldOf(state, tag.network);
    this.networkPath =
      network === undefined ? undefined : `/proc/${this.pid}/fd/${numberOf(state, tag.network)}`;
    const started = fieldOf(state, tag.started);
    this.#started = started === undefined ? undefined : decodeStarted(decodeFields(started));
    this.wasExited = numberOf(state, tag.state) === stateValue.exited;
    this.gone = channel.closed;
    this.exited = Promise.race([events.exited, this.gone.then(() => this.#endOfGone())]);
    this.exited.then(() => {
      this.hasEnded = true;
    });
  }

  get started(): StartedProcess | undefined {
    return this.#started;
  }

  async run(signal?: AbortSignal): Promise<StartedProcess> {
    signal?.throwIfAborted();
    const answer = await this.#channel.request(message.run).catch(async (error: unknown) => {
      // After a failed start the supervisor cleans up and ends; a conflict only says that it was started already.
      if (!isBerthError(error, 'conflict')) await this.gone;
      throw error;
    });
    this.#started = decodeStarted(decodeFields(answer.payload));
    return this.#started;
  }

  async discard(): Promise<void> {
    await this.#channel.request(message.discard);
    await this.gone;
  }

  attach(options: AttachOptions): Promise<AttachSession> {
    return openAttachSession(this.#address.socketPath, options);
  }

  exec(process: object, options: AttachOptions & { readonly terminal: boolean }): Promise<ExecSession> {
    return openExecSession(this.#address.socketPath, process, options);
  }

  async signal(number: number): Promise<void> {
    await this.#channel.request(message.signal, new FieldWriter().number(tag.number, number).finish());
  }

  async resize(rows: number, columns: number): Promise<void> {
    const size = new FieldWriter().number(tag.rows, rows).number(tag.columns, columns).finish();
    await this.#channel.request(message.resize, size);
  }

  async pause(): Promise<void> {
    await this.#channel.request(message.pause);
  }

  async resume(): Promise<void> {
    await this.#channel.request(message.resume);
  }

  onPortRefused(listener: (refusal: PortRefusal) => void): () => void {
    return this.#events.onRefused((index) => {
      const port = this.ports[index];
      if (port !== undefined) listener({ port });
    });
  }

  /** Ends the connection; the supervisor lives on, so {@link exited} stays open. */
  disconnect(): void {
    this.#isDisconnected = true;
    this.#channel.close();
  }

  /** How the container ended when the connection is lost; never rejects. */
  async #endOfGone(): Promise<ExitStatus> {
    if (this.#isDisconnected) return await new Promise(() => {});
    const unknown: ExitStatus = { kind: 'unknown', finishedAt: new Date() };
    try {
      const { directory } = this.#address;
      const recorded = await readExitRecord(directory);
      if (recorded !== undefined) return recorded;
      if ((await hasRun(directory)) && !(await this.#isAlive())) await removeAbandoned(this.id, directory);
      return unknown;
    } catch {
      return unknown; // nothing that can be read says how it ended
    }
  }

  /** Only the connection broke: then the container is not ours to remove. */
  async #isAlive(): Promise<boolean> {
    const probe = await connectIfAlive(this.#address.socketPath);
    probe?.destroy();
    return probe !== undefined;
  }
}

/** What a supervisor says without being asked. */
class Events {
  readonly exited: Promise<ExitStatus>;
  readonly #exit = Promise.withResolvers<ExitStatus>();
  readonly #refusedListeners = new Set<(portIndex: number) => void>();

  constructor() {
    this.exited = this.#exit.promise;
  }

  take(frame: Frame): void {
    if (frame.type === message.exited) this.#exit.resolve(decodeExit(frame));
    if (frame.type === message.portRefused) {
      const index = numberOf(decodeFields(frame.payload), tag.portIndex);
      for (const listener of this.#refusedListeners) listener(index);
    }
  }

  onRefused(listener: (portIndex: number) => void): () => void {
    this.#refusedListeners.add(listener);
    return () => this.#refusedListeners.delete(listener);
  }
}

function decodeStarted(fields: readonly Field[]): StartedProcess {
  return { pid: numberOf(fields, tag.pid), startedAt: timeOf(fields, tag.time) };
}
