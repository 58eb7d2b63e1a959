import { randomBytes } from 'node:crypto';
import { readdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import {
  type ContainerId,
  conflict,
  decodeFields,
  FieldWriter,
  type Frame,
  invalid,
  isBerthError,
  numberOf,
  PROTOCOL_VERSION,
  run,
  unavailable,
} from '../base/index.ts';
import { noteRuntime, removeAbandoned } from './abandoned.ts';
import { Channel, connectSocket, greet } from './channel.ts';
import type {
  ExitStatus,
  FileWorker,
  Launcher,
  NetworkNamespace,
  RootPlan,
  Supervisor,
  SupervisorPlan,
} from './contract.ts';
import { hasRun, readExitRecord } from './exit-record.ts';
import { connectFileWorker, packChanges } from './files.ts';
import { connectLauncher, type LauncherPlaces } from './launcher-process.ts';
import { encodePlan, message, tag, writeRoot } from './protocol.ts';
import { findSupervisor, type SupervisorConnection } from './supervisor.ts';
import { TreeRemover } from './tree-remover.ts';

/**
 * The launcher of the instance whose run-time state is in `execRoot`: the one that runs, or a new one. A launcher
 * that is killed later is replaced when it is next needed. Throws `unavailable` when it cannot be started, `invalid`
 * when the path is too long for sockets.
 */
export async function openLauncher(
  options: LauncherPlaces & { readonly signal?: AbortSignal },
): Promise<Launcher> {
  checkSocketLength(options.execRoot);
  const launcher = new LauncherClient(options);
  await launcher.connect(options.signal);
  return launcher;
}

/** One launcher process that we are connected to. */
interface Connection {
  readonly channel: Channel;
  readonly pid: number;
}

class LauncherClient implements Launcher {
  readonly #places: LauncherPlaces;
  #connection: Promise<Connection> | undefined;
  /** Supervisors that we know, until they have ended: a container's next one waits for that. */
  readonly #supervisors = new Map<ContainerId, SupervisorConnection>();
  /** Supervisors whose process may still be there, each with its end: until then it uses its layers. */
  readonly #processes = new Map<SupervisorConnection, Promise<void>>();
  readonly #trees: TreeRemover;

  constructor(places: LauncherPlaces) {
    this.#places = places;
    this.#trees = new TreeRemover(places.nativeDirectory);
  }

  /** The connection, made anew when the launcher that it led to has gone. */
  connect(signal?: AbortSignal): Promise<Connection> {
    this.#connection ??= this.#openConnection(signal);
    return this.#connection;
  }

  async launch(plan: SupervisorPlan, signal?: AbortSignal): Promise<Supervisor> {
    await this.#waitForEarlier(plan.id);
    await noteRuntime(plan);
    signal?.throwIfAborted();
    const answer = await this.#askOnce(message.launch, (pid) => {
      if (plan.network !== undefined) checkHolder(plan.network, pid);
      return encodePlan(plan, this.#socketOf(plan.id));
    });
    // Without an answer: a supervisor that had reported to the launcher listens and needs it no more, any other ends.
    const supervisor = await this.#findSupervisor(plan.id, plan.directory);
    if (supervisor === undefined) {
      if (answer === undefined) await untilUnlocked(plan.directory);
      const ended = answer === undefined ? 'the launcher ended as it started' : 'it ended at once:';
      throw unavailable(`${ended} the supervisor of container ${plan.id}`);
    }
    if (signal?.aborted) {
      await supervisor.discard();
      signal.throwIfAborted();
    }
    return supervisor;
  }

  async reconnect(id: ContainerId, directory: string): Promise<Supervisor | ExitStatus | undefined> {
    const known = this.#supervisors.get(id);
    if (known !== undefined) return known.hasEnded ? await known.exited : known;
    const supervisor = await this.#findSupervisor(id, directory);
    if (supervisor !== undefined && !supervisor.wasExited) return supervisor;
    await supervisor?.gone;
    const status = await readExitRecord(directory);
    if (status !== undefined) return status;
    if (!(await hasRun(directory))) return undefined;
    await removeAbandoned({ id, directory, socketPath: this.#socketOf(id) });
    return { kind: 'unknown', finishedAt: new Date() };
  }

  openFiles(root: RootPlan, signal?: AbortSignal): Promise<FileWorker> {
    return this.#openWorker((request) => writeRoot(request, root), signal);
  }

  openContainerFiles(supervisor: Supervisor, { mounts } = { mounts: true }): Promise<FileWorker> {
    const { started, rootPath } = supervisor;
    const root = started === undefined || !mounts ? rootPath : `/proc/${started.pid}/root`;
    return this.#openWorker((request) => request.text(tag.directory, root));
  }

  packChanges(upper: string, signal?: AbortSignal): Promise<Readable> {
    return packChanges(this.#places.nativeDirectory, upper, signal);
  }

  removeTree(path: string): Promise<void> {
    return this.#trees.remove(path);
  }

  async createNetworkNamespace(): Promise<NetworkNamespace> {
    const { answer, pid } = await this.#ask(message.createNetwork);
    const handle = numberOf(decodeFields(answer.payload), tag.network);
    return { handle, path: `${descriptorsOf(pid)}${handle}` };
  }

  async releaseNetworkNamespace(namespace: NetworkNamespace): Promise<void> {
    const { channel, pid } = await this.connect();
    if (!namespace.path.startsWith(descriptorsOf(pid))) return; // it went with the launcher that held it
    const request = new FieldWriter().number(tag.network, namespace.handle).finish();
    await channel.request(message.releaseNetwork, request);
  }

  async unmountLayer(path: string): Promise<void> {
    const ending = [...this.#processes].filter(([supervisor]) => supervisor.hasEnded);
    await Promise.all(ending.map(([, gone]) => gone));
    await this.#ask(message.unmountLayer, () => new FieldWriter().text(tag.layer, path).finish());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const supervisor of this.#supervisors.values()) supervisor.disconnect();
    const connection = await this.#connection?.catch(() => undefined);
    await connection?.channel[Symbol.asyncDispose]();
    await this.#trees[Symbol.asyncDispose]();
  }

  async #openConnection(signal?: AbortSignal): Promise<Connection> {
    try {
      return (await this.#greet(signal)) ?? (await this.#greet(signal)) ?? lostLauncher();
    } catch (error) {
      this.#connection = undefined;
      throw error;
    }
  }

  /** As {@link #hello}. A launcher of the version before is replaced: its supervisors do not need it. */
  async #greet(signal?: AbortSignal): Promise<Connection | undefined> {
    const connection = await greet((version) => this.#hello(version, signal));
    if (connection === undefined || connection.channel.version === PROTOCOL_VERSION) return connection;
    process.kill(connection.pid, 'SIGTERM');
    await connection.channel.closed;
    return await this.#hello(PROTOCOL_VERSION, signal);
  }

  /** Connects and says hello; undefined when that was to a launcher that is just dying. */
  async #hello(version: number, signal?: AbortSignal): Promise<Connection | undefined> {
    const socket = await connectLauncher(this.#places, signal);
    const channel = new Channel(socket, 'the launcher', ignoreFrame, version);
    try {
      const answer = await channel.request(message.launcherHello);
      channel.closed.then(() => {
        if (version === PROTOCOL_VERSION) this.#connection = undefined;
      });
      return { channel, pid: numberOf(decodeFields(answer.payload), tag.pid) };
    } catch (error) {
      const isDying = !channel.isOpen;
      channel.close();
      if (isDying) return undefined;
      throw error;
    }
  }

  #socketOf(id: ContainerId): string {
    return join(this.#places.execRoot, 's', `${id.slice(0, 16)}.sock`);
  }

  /** A request that may be made twice; one that a dying launcher did not answer goes to the next launcher. */
  async #ask(type: number, payload?: (launcherPid: number) => Uint8Array): Promise<Answer> {
    return (await this.#askOnce(type, payload)) ?? (await this.#askOnce(type, payload)) ?? lostLauncher();
  }

  /** A request; undefined when the launcher ended before it answered, but perhaps not before it did something. */
  async #askOnce(type: number, payload?: (launcherPid: number) => Uint8Array): Promise<Answer | undefined> {
    const { channel, pid } = await this.connect();
    try {
      return { answer: await channel.request(type, payload?.(pid)), pid };
    } catch (error) {
      if (channel.isOpen || !isBerthError(error, 'unavailable')) throw error;
      await channel.closed;
      return undefined;
    }
  }

  /** A connection to a container's supervisor; undefined when there is none, or it ends just now. */
  async #findSupervisor(id: ContainerId, directory: string): Promise<SupervisorConnection | undefined> {
    const supervisor = await findSupervisor({ id, directory, socketPath: this.#socketOf(id) });
    if (supervisor === undefined) return undefined;
    this.#supervisors.set(id, supervisor);
    supervisor.gone.then(() => {
      if (this.#supervisors.get(id) === supervisor) this.#supervisors.delete(id);
    });
    const processGone = supervisor.exited
      .then(() => supervisor.gone)
      .then(() => this.#awaitChild(supervisor.pid))
      .catch(() => {}) // a launcher that is gone holds nothing
      .finally(() => this.#processes.delete(supervisor));
    this.#processes.set(supervisor, processGone);
    return supervisor;
  }

  /** Only the launcher that we know can have it as a child: none is sought for this. */
  async #awaitChild(pid: number): Promise<void> {
    const connection = await this.#connection;
    await connection?.channel.request(message.awaitChild, new FieldWriter().number(tag.pid, pid).finish());
  }

  /** A container that has just ended may still be cleaned up when it is started again. */
  async #waitForEarlier(id: ContainerId): Promise<void> {
    const earlier = this.#supervisors.get(id);
    if (earlier === undefined) return;
    if (!earlier.hasEnded) throw conflict(`container ${id.slice(0, 12)} has a supervisor already`);
    await earlier.gone;
  }

  async identify(): Promise<number> {
    return (await this.#ask(message.launcherHello)).pid;
  }

  async endAbandonedWorkers(): Promise<void> {
    const folder = this.#workerFolder();
    for (const name of await readdir(folder)) {
      await endWorker(join(folder, name));
      await unlink(join(folder, name)).catch(() => {});
    }
  }

  async #openWorker(
    describe: (request: FieldWriter) => FieldWriter,
    signal?: AbortSignal,
  ): Promise<FileWorker> {
    const first = await this.#openWorkerOnce(describe, signal);
    return first ?? (await this.#openWorkerOnce(describe, signal)) ?? lostLauncher();
  }

  /** Undefined when the launcher ended; a worker that it may have started before has ended, too. */
  async #openWorkerOnce(
    describe: (request: FieldWriter) => FieldWriter,
    signal?: AbortSignal,
  ): Promise<FileWorker | undefined> {
    const path = join(this.#workerFolder(), `${randomBytes(8).toString('hex')}.sock`);
    signal?.throwIfAborted();
    try {
      const answer = await this.#askOnce(message.openFiles, () =>
        describe(new FieldWriter().text(tag.socket, path)).finish(),
      );
      if (answer !== undefined) return await connectFileWorker(path, signal);
      await endWorker(path);
      return undefined;
    } catch (error) {
      await endWorker(path);
      throw error;
    } finally {
      await unlink(path).catch(() => {});
    }
  }

  #workerFolder(): string {
    return join(this.#places.execRoot, 'f');
  }
}

/** An answer, and the launcher that gave it. */
interface Answer {
  readonly answer: Frame;
  readonly pid: number;
}

/** Ends a file worker that still waits for its one client: one that comes and goes. */
async function endWorker(path: string): Promise<void> {
  (await connectSocket(path).catch(() => undefined))?.destroy();
}

/**
 * A supervisor that undoes what it did holds its lock on the container's folder until it has (native/shim/main.c): the next one
 * would be refused. One that hangs is not waited for.
 */
async function untilUnlocked(directory: string): Promise<void> {
  await run('flock', ['--timeout', '10', directory, 'true']);
}

/** The longest path of a unix socket, from unix(7): 108 bytes with the zero at the end. */
const SOCKET_PATH_MAX = 107;

function checkSocketLength(execRoot: string): void {
  const longest = Buffer.byteLength(join(execRoot, 's', `${'0'.repeat(16)}.sock`));
  if (longest <= SOCKET_PATH_MAX) return;
  throw invalid(
    `the exec root ${execRoot} is ${longest - SOCKET_PATH_MAX} bytes too long for sockets below it`,
    {
      hint: 'Choose a shorter --exec-root',
    },
  );
}

const descriptorsOf = (pid: number) => `/proc/${pid}/fd/`;

function checkHolder(network: NetworkNamespace, launcherPid: number): void {
  if (network.path.startsWith(descriptorsOf(launcherPid))) return;
  throw unavailable(`the network namespace ${network.path} has gone with the launcher that held it`);
}

function lostLauncher(): never {
  throw unavailable('the launcher ends as soon as it has started');
}

/** The launcher says nothing without being asked. */
function ignoreFrame(_frame: Frame): void {}
