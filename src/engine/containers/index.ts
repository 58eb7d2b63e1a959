import { type ContainerId, type Digest, Timeline } from '../../base/index.ts';
import type { AttachOptions } from '../../runtime/index.ts';
import type { Image } from '../../store/index.ts';
import { MACHINE_DISK } from '../../vm/index.ts';
import { measureTree } from '../disk-usage/tree-size.ts';
import { type Attachment, attachToContainer, resizeContainer } from './attach.ts';
import { type CommitOptions, commitContainer } from './commit.ts';
import {
  type ContainerRecord,
  hasOwnKernel,
  imagesOf,
  isActive,
  isAlive,
  isComputer,
  type NetworkAttachment,
} from './container.ts';
import { type ContainerContext, containerDirectory, emit, logPath } from './context.ts';
import { type Created, createContainer, type NewContainer } from './create.ts';
import type { EndReport } from './end-reports.ts';
import { Execs } from './exec.ts';
import { ContainerFiles } from './files/index.ts';
import { type Health, HealthChecks } from './health.ts';
import { type LogEntry, type LogOptions, readLogs } from './logs/index.ts';
import { connectToNetwork, disconnectFromNetwork } from './network-changes.ts';
import { pauseContainer, unpauseContainer } from './pause.ts';
import { listProcesses, type ProcessTable } from './processes.ts';
import { type PublishedPortReport, reportPublishedPorts } from './published-ports.ts';
import { type RemoveOptions, removeContainer, volumeUsers } from './remove.ts';
import { renameContainer } from './rename.ts';
import { findSurvivors, type Survivors } from './restore.ts';
import { type StartResult, startContainer } from './start.ts';
import { type Reading, watchUsage } from './stats.ts';
import {
  type KillOptions,
  killContainer,
  restartContainer,
  type StopOptions,
  stopContainer,
} from './stop.ts';
import { type ContainerChange, updateContainer } from './update.ts';
import { type WaitCondition, type WaitResult, waitForContainer } from './wait.ts';

export type { Attachment } from './attach.ts';
export type { CommitOptions } from './commit.ts';
export type * from './computer/options.ts';
export * from './container.ts';
export type { Created, NewContainer } from './create.ts';
export { dnsNames, parseLink } from './dns-names.ts';
export { type EndCause, endSentences, shortReason } from './end-cause.ts';
export type { EndLogLine, EndReport } from './end-reports.ts';
export type { Exec, ExecConfig } from './exec.ts';
export type { FileChange, PathFacts } from './files/index.ts';
export type { Health } from './health.ts';
export type { Healthcheck, HealthStatus } from './healthcheck.ts';
export { LOG_DRIVERS, type LogConfig, type LogEntry, type LogOptions, parseLogConfig } from './logs/index.ts';
export type { ProcessTable } from './processes.ts';
export type { PortChange, PortSelection } from './publish.ts';
export type { PublishedPortReport } from './published-ports.ts';
export type { RemoveOptions } from './remove.ts';
export type { InterfaceCounters, Reading, Usage } from './stats.ts';
export type { KillOptions, StopOptions } from './stop.ts';
export type { ContainerChange } from './update.ts';
export type { WaitCondition, WaitResult } from './wait.ts';

/** The containers of one instance. A `reference` is a name, an id or a unique prefix of one. */
export class Containers {
  readonly execs: Execs;
  readonly files: ContainerFiles;
  readonly #context: ContainerContext;
  readonly #health: HealthChecks;

  constructor(context: ContainerContext) {
    this.#context = context;
    this.execs = new Execs(this.#context);
    this.#health = new HealthChecks(this.#context, this.execs);
    this.files = new ContainerFiles(this.#context);
  }

  /** Newest first; machines are in a list of their own. */
  list(): ContainerRecord[] {
    return this.#context.collection.all().filter((record) => !isComputer(record));
  }

  /** Containers and machines: all that has networks, a supervisor and a folder. */
  everything(): ContainerRecord[] {
    return this.#context.collection.all();
  }

  /** Throws `not-found` for a machine, too, of which the Engine API does not know. */
  find(reference: string): ContainerRecord {
    return this.#context.collection.findContainer(reference);
  }

  create(request: NewContainer): Promise<Created> {
    return createContainer(this.#context, request);
  }

  start(reference: string, timeline = new Timeline()): Promise<StartResult> {
    return startContainer(this.#context, this.#own(reference), timeline);
  }

  /** Returns whether it ran. */
  stop(reference: string, options: StopOptions): Promise<boolean> {
    return stopContainer(this.#context, this.#own(reference), options);
  }

  restart(reference: string, options: StopOptions): Promise<void> {
    return restartContainer(this.#context, this.#own(reference), options);
  }

  kill(reference: string, options: KillOptions): Promise<void> {
    return killContainer(this.#context, this.#own(reference), options);
  }

  pause(reference: string): Promise<void> {
    return pauseContainer(this.#context, this.#own(reference));
  }

  unpause(reference: string): Promise<void> {
    return unpauseContainer(this.#context, this.#own(reference));
  }

  remove(reference: string, options: RemoveOptions): Promise<void> {
    return removeContainer(this.#context, this.#own(reference), options);
  }

  rename(reference: string, name: string): Promise<void> {
    return renameContainer(this.#context, this.#own(reference), name);
  }

  /** See {@link connectToNetwork}. */
  connect(reference: string, attachment: NetworkAttachment): Promise<void> {
    return connectToNetwork(this.#context, reference, attachment);
  }

  /** See {@link disconnectFromNetwork}. */
  disconnect(reference: string, target: { network: string; force: boolean }): Promise<void> {
    return disconnectFromNetwork(this.#context, reference, target);
  }

  /** Returns warnings; see {@link updateContainer}. */
  update(reference: string, change: ContainerChange): Promise<readonly string[]> {
    return updateContainer(this.#context, this.#own(reference), change);
  }

  wait(reference: string, condition: WaitCondition, signal: AbortSignal): Promise<WaitResult> {
    return waitForContainer(this.#context, this.#own(reference), condition, signal);
  }

  attach(reference: string, options: AttachOptions, signal: AbortSignal): Attachment {
    return attachToContainer(this.#context, this.#own(reference), options, signal);
  }

  /** A client has left the terminal by the detach keys. */
  noteDetached(reference: string): void {
    emit(this.#context, this.find(reference), 'detach');
  }

  resize(reference: string, rows: number, columns: number): Promise<void> {
    return resizeContainer(this.#context, this.#own(reference), rows, columns);
  }

  logs(reference: string, options: LogOptions, signal: AbortSignal): AsyncGenerator<LogEntry[]> {
    return readLogs(this.#context, this.#own(reference), options, signal);
  }

  /** Undefined when nothing checks the container's health, or it was never started. */
  health(record: ContainerRecord): Health | undefined {
    return this.#health.of(record);
  }

  /** Its last ends, and starts that failed; the newest first. */
  ends(record: ContainerRecord): readonly EndReport[] {
    return this.#context.ends.of(record.id);
  }

  /** The container's processes as the host's `ps` shows them; `options` are ps's own. */
  processes(reference: string, options: readonly string[], signal: AbortSignal): Promise<ProcessTable> {
    return listProcesses(this.#context, this.#own(reference), options, signal);
  }

  /** What the container uses, now and each second; see {@link watchUsage}. */
  watchUsage(reference: string, signal: AbortSignal): AsyncGenerator<Reading> {
    return watchUsage(this.#context, this.#own(reference), signal);
  }

  commit(reference: string, options: CommitOptions): Promise<Image> {
    return commitContainer(this.#context, this.#own(reference), options);
  }

  /** The path of the container's newest log file. */
  logPath(id: ContainerId): string {
    return logPath(this.#context, id);
  }

  /** Bytes that a container's writable layer, or a machine's disk, has on the disk. */
  async writtenSize(id: ContainerId): Promise<number> {
    const directory = containerDirectory(this.#context, id);
    const parts = ['upper', MACHINE_DISK].map((part) => measureTree(`${directory}/${part}`));
    return (await Promise.all(parts)).reduce((sum, { allocated }) => sum + allocated, 0);
  }

  /** The network namespace on the host as a path; empty while it has none. */
  networkPath(record: ContainerRecord): string {
    if (!isActive(record.state)) return '';
    if (!hasOwnKernel(record)) return `/proc/${record.state.pid}/ns/net`;
    return this.#context.running.get(record.id)?.supervisor.networkPath ?? '';
  }

  /** The containers that need an image, as their root or as a mount. */
  imageUsers(id: Digest): ContainerRecord[] {
    return this.list().filter((record) => imagesOf(record).includes(id));
  }

  volumeUsers(volume: string): string[] {
    return volumeUsers(this.#context, volume);
  }

  /** Who gets to each port that these containers publish, by the host's rules as they are now. */
  publishedPorts(records: readonly ContainerRecord[], signal: AbortSignal): Promise<PublishedPortReport[]> {
    return reportPublishedPorts(this.#context, records, signal);
  }

  /** Containers and machines with an endpoint in a network, running ones only. */
  networkUsers(networkId: string): ContainerRecord[] {
    return this.everything().filter(
      ({ state }) => isAlive(state) && state.endpoints.some((endpoint) => endpoint.networkId === networkId),
    );
  }

  /** The reference itself, if it is no machine's; as {@link find} otherwise. */
  #own(reference: string): string {
    this.find(reference);
    return reference;
  }

  /** Machines among them. */
  async findSurvivors(): Promise<Survivors> {
    const survivors = await findSurvivors(this.#context);
    for (const { id } of survivors.living) this.#health.resume(this.#context.collection.find(id));
    return survivors;
  }
}
