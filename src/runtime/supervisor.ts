import {
  type ContainerId,
  decodeFields,
  type Field,
  FieldWriter,
  type Frame,
  fieldOf,
  isBerthError,
  numberOf,
  timeOf,
} from '../base/index.ts';
import { removeAbandoned, type SupervisorAddress } from './abandoned.ts';
import {
  decodeExit,
  decodeRunEnd,
  openAttachSession,
  openExecSession,
  type SessionAddress,
} from './attach-session.ts';
import { Channel, connectIfAlive, greet } from './channel.ts';
import type {
  AttachOptions,
  AttachSession,
  ExecSession,
  ExitStatus,
  PastRuns,
  PortPlan,
  PortRefusal,
  RestartEvent,
  RestartPlan,
  StartedProcess,
  Supervisor,
} from './contract.ts';
import { hasRun, readExitRecord } from './exit-record.ts';
import { decodePort, encodePort, message, stateValue, tag, writeRestart } from './protocol.ts';

/** Connects to a supervisor; undefined when none listens, or it ends before it has told its state. */
export async function findSupervisor(address: SupervisorAddress): Promise<SupervisorConnection | undefined> {
  const peer = `the supervisor of container ${address.id.slice(0, 12)}`;
  try {
    return await greet(async (version) => {
      const socket = await connectIfAlive(address.socketPath);
      if (socket === undefined) return undefined;
      return await SupervisorConnection.open(
        address,
        (onFrame) => new Channel(socket, peer, onFrame, version),
      );
    });
  } catch (error) {
    if (isBerthError(error, 'unavailable')) return undefined;
    throw error;
  }
}

/** A {@link Supervisor} at the other end of a control connection. */
export class SupervisorConnection implements Supervisor {
  readonly id: ContainerId;
  readonly pid: number;
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
  readonly past: PastRuns;
  readonly #events: Events;
  #ports: readonly PortPlan[];
  #restarts: number;
  #isRestarting: boolean;
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
    this.#ports = state
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
    this.#isRestarting = numberOf(state, tag.state) === stateValue.restarting;
    this.#restarts = this.restartsByItself ? numberOf(state, tag.restarts) : 0;
    const ends = state
      .filter((field) => field.tag === tag.ended)
      .map((field) => decodeRunEnd(decodeFields(field.value)));
    this.past = { ends, last: this.#isRestarting ? undefined : this.#started };
    events.followRestarts((event) => this.#followRestart(event));
    this.gone = channel.closed;
    this.exited = Promise.race([events.exited, this.gone.then(() => events.end ?? this.#endOfGone())]);
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

  get isRestarting(): boolean {
    return this.#isRestarting;
  }

  get restarts(): number {
    return this.#restarts;
  }

  get restartsByItself(): boolean {
    return this.#channel.version >= FIRST_WITH_RESTARTS;
  }

  attach(options: AttachOptions): Promise<AttachSession> {
    return openAttachSession(this.#sessionAddress(), options);
  }

  exec(
    process: object | Uint8Array,
    options: AttachOptions & { readonly terminal: boolean },
  ): Promise<ExecSession> {
    return openExecSession(this.#sessionAddress(), process, options);
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

  get ports(): readonly PortPlan[] {
    return this.#ports;
  }

  async publish(port: PortPlan): Promise<PortPlan> {
    const answer = await this.#channel.request(message.publish, aboutPort(port));
    const bound = portIn(decodeFields(answer.payload));
    this.#ports = [...this.#ports, bound];
    return bound;
  }

  async withdraw(port: PortPlan): Promise<void> {
    await this.#channel.request(message.withdraw, aboutPort(port));
    const { protocol, hostIp, hostPort } = port;
    this.#ports = this.#ports.filter(
      (held) => held.protocol !== protocol || held.hostIp !== hostIp || held.hostPort !== hostPort,
    );
  }

  async setRestartPolicy(policy: RestartPlan): Promise<void> {
    if (!this.restartsByItself) return;
    await this.#channel.request(message.setRestart, writeRestart(new FieldWriter(), policy).finish());
  }

  async cancelRestart(): Promise<void> {
    if (this.restartsByItself) await this.#channel.request(message.cancelRestart);
  }

  onRestart(listener: (event: RestartEvent) => void): void {
    this.#events.onRestart(listener);
  }

  onPortRefused(listener: (refusal: PortRefusal) => void): () => void {
    return this.#events.onRefused((refused) => {
      const port = typeof refused === 'number' ? this.#ports[refused] : refused;
      if (port !== undefined) listener({ port });
    });
  }

  /** Ends the connection; the supervisor lives on, so {@link exited} stays open. */
  disconnect(): void {
    this.#isDisconnected = true;
    this.#channel.close();
  }

  #sessionAddress(): SessionAddress {
    return { socketPath: this.#address.socketPath, version: this.#channel.version };
  }

  #followRestart(event: RestartEvent): void {
    this.#isRestarting = event.kind === 'ended';
    if (event.kind === 'started') this.#started = event.started;
    else this.#restarts = event.end.run.restarts;
  }

  /** How the container ended when the connection is lost; never rejects. */
  async #endOfGone(): Promise<ExitStatus> {
    if (this.#isDisconnected) return await new Promise(() => {});
    const unknown: ExitStatus = { kind: 'unknown', finishedAt: new Date() };
    try {
      const { directory } = this.#address;
      const recorded = await readExitRecord(directory);
      if (recorded !== undefined) return recorded;
      if ((await hasRun(directory)) && !(await this.#isAlive())) await removeAbandoned(this.#address);
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

/** The protocol's version from which supervisors apply restart policies. */
const FIRST_WITH_RESTARTS = 2;

/** A supervisor of the protocol's version before tells a port by its place in the plan. */
type RefusedPort = PortPlan | number;

function aboutPort(port: PortPlan): Uint8Array {
  return new FieldWriter().bytes(tag.port, encodePort(port)).finish();
}

/** The port that an answer or event names. */
function portIn(fields: readonly Field[]): PortPlan {
  return decodePort(decodeFields(fieldOf(fields, tag.port) ?? Buffer.alloc(0)));
}

/** What a supervisor says without being asked. */
class Events {
  readonly exited: Promise<ExitStatus>;
  /** What {@link exited} resolves with, once it has come. */
  end: ExitStatus | undefined;
  readonly #exit = Promise.withResolvers<ExitStatus>();
  readonly #refusedListeners = new Set<(port: RefusedPort) => void>();
  /** Those that came before there was a listener. */
  readonly #restarts: RestartEvent[] = [];
  #followRestart: ((event: RestartEvent) => void) | undefined;
  #onRestart: ((event: RestartEvent) => void) | undefined;

  constructor() {
    this.exited = this.#exit.promise;
  }

  take(frame: Frame): void {
    if (frame.type === message.exited) {
      this.end = decodeExit(frame);
      this.#exit.resolve(this.end);
    }
    if (frame.type === message.restarting) {
      this.#restart({ kind: 'ended', end: decodeRunEnd(decodeFields(frame.payload)) });
    }
    if (frame.type === message.restarted) {
      this.#restart({ kind: 'started', started: decodeStarted(decodeFields(frame.payload)) });
    }
    if (frame.type === message.portRefused) {
      const fields = decodeFields(frame.payload);
      const isIndex = fieldOf(fields, tag.portIndex) !== undefined;
      const port = isIndex ? numberOf(fields, tag.portIndex) : portIn(fields);
      for (const listener of this.#refusedListeners) listener(port);
    }
  }

  /** Keeps the connection's own idea of the state; before any listener. */
  followRestarts(follow: (event: RestartEvent) => void): void {
    this.#followRestart = follow;
    for (const event of this.#restarts) follow(event);
  }

  onRestart(listener: (event: RestartEvent) => void): void {
    this.#onRestart = listener;
    for (const event of this.#restarts.splice(0)) listener(event);
  }

  #restart(event: RestartEvent): void {
    this.#followRestart?.(event);
    if (this.#onRestart === undefined) this.#restarts.push(event);
    else this.#onRestart(event);
  }

  onRefused(listener: (port: RefusedPort) => void): () => void {
    this.#refusedListeners.add(listener);
    return () => this.#refusedListeners.delete(listener);
  }
}

function decodeStarted(fields: readonly Field[]): StartedProcess {
  return { pid: numberOf(fields, tag.pid), startedAt: timeOf(fields, tag.time) };
}
