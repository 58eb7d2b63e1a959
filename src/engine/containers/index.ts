import { type ContainerId, type Digest, Timeline } from '../../base/index.ts';
import type { AttachOptions } from '../../runtime/index.ts';
import type { Image } from '../../store/index.ts';
import { MACHINE_DISK } from '../../vm/index.ts';
import { measureTree } from '../disk-usage/tree-size.ts';
import type { Events } from '../events.ts';
import { ImageMounts } from '../image-mounts.ts';
import type { Networks } from '../networks.ts';
import type { EngineParts } from '../parts.ts';
import type { Volumes } from '../volumes.ts';
import { type Attachment, attachToContainer, PendingAttachments, resizeContainer } from './attach.ts';
import { ContainerCollection } from './collection.ts';
import { type CommitOptions, commitContainer } from './commit.ts';
import {
  type ContainerRecord,
  imagesOf,
  isActive,
  isAlive,
  isMachine,
  type NetworkAttachment,
} from './container.ts';
import { type ContainerContext, containerDirectory, emit, logPath } from './context.ts';
import { type Created, createContainer, type NewContainer } from './create.ts';
import { type EndReport, EndReports } from './end-reports.ts';
import { Execs } from './exec.ts';
import { ContainerFiles } from './files/index.ts';
import { type Health, HealthChecks } from './health.ts';
import { type LogEntry, type LogOptions, readLogs } from './logs/index.ts';
import { connectToNetwork, disconnectFromNetwork } from './network-changes.ts';
import { listProcesses, type ProcessTable } from './processes.ts';
import { type PublishedPortReport, reportPublishedPorts } from './published-ports.ts';
import { type RemoveOptions, removeContainer, volumeUsers } from './remove.ts';
import { renameContainer } from './rename.ts';
import { findSurvivors, type Survivors } from './restore.ts';
import { RunningProbes } from './running-probes.ts';
import { type StartResult, startContainer } from './start.ts';
import { type Reading, watchUsage } from './stats.ts';
import {
  type KillOptions,
  killContainer,
  pauseContainer,
  restartContainer,
  type StopOptions,
  stopContainer,
  unpauseContainer,
} from './stop.ts';
import { type ContainerChange, updateContainer } from './update.ts';
import { Endings, type WaitCondition, type WaitResult, waitForContainer } from './wait.ts';

export type { Attachment } from './attach.ts';
export type { CommitOptions } from './commit.ts';
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

  constructor(parts: EngineParts, services: { events: Events; networks: Networks; volumes: Volumes }) {
    this.#context = {
      parts,
      ...services,
      imageMounts: new ImageMounts(parts.settings.execRoot),
      collection: new ContainerCollection(parts.store.documents),
      running: new Map(),
      removing: new Set(),
      attachments: new PendingAttachments(),
      endings: new Endings(),
      probes: new RunningProbes(),
      ends: new EndReports(parts.store.documents),
    };
    this.execs = new Execs(this.#context);
    this.#health = new HealthChecks(this.#context, this.execs);
    this.files = new ContainerFiles(this.#context);
  }

  /** Newest first. */
  list(): ContainerRecord[] {
    return this.#context.collection.all();
  }

  find(reference: string): ContainerRecord {
    return this.#context.collection.find(reference);
  }

  create(request: NewContainer): Promise<Created> {
    return createContainer(this.#context, request);
  }

  start(reference: string, timeline = new Timeline()): Promise<StartResult> {
    return startContainer(this.#context, reference, timeline);
  }

  /** Returns whether it ran. */
  stop(reference: string, options: StopOptions): Promise<boolean> {
    return stopContainer(this.#context, reference, options);
  }

  restart(reference: string, options: StopOptions): Promise<void> {
    return restartContainer(this.#context, reference, options);
  }

  kill(reference: string, options: KillOptions): Promise<void> {
    return killContainer(this.#context, reference, options);
  }

  pause(reference: string): Promise<void> {
    return pauseContainer(this.#context, reference);
  }

  unpause(reference: string): Promise<void> {
    return unpauseContainer(this.#context, reference);
  }

  remove(reference: string, options: RemoveOptions): Promise<void> {
    return removeContainer(this.#context, reference, options);
  }

  rename(reference: string, name: string): Promise<void> {
    return renameContainer(this.#context, reference, name);
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
    return updateContainer(this.#context, reference, change);
  }

  wait(reference: string, condition: WaitCondition, signal: AbortSignal): Promise<WaitResult> {
    return waitForContainer(this.#context, reference, condition, signal);
  }

  attach(reference: string, options: AttachOptions, signal: AbortSignal): Attachment {
    return attachToContainer(this.#context, reference, options, signal);
  }

  /** A client has left the terminal by the detach keys. */
  noteDetached(reference: string): void {
    emit(this.#context, this.find(reference), 'detach');
  }

  resize(reference: string, rows: number, columns: number): Promise<void> {
    return resizeContainer(this.#context, reference, rows, columns);
  }

  logs(reference: string, options: LogOptions, signal: AbortSignal): AsyncGenerator<LogEntry[]> {
    return readLogs(this.#context, reference, options, signal);
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
  processes(reference: string, options: readonly string[]): Promise<ProcessTable> {
    return listProcesses(this.#context, reference, options);
  }

  /** What the container uses, now and each second; see {@link watchUsage}. */
  watchUsage(reference: string, signal: AbortSignal): AsyncGenerator<Reading> {
    return watchUsage(this.#context, reference, signal);
  }

  commit(reference: string, options: CommitOptions): Promise<Image> {
    return commitContainer(this.#context, reference, options);
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
    if (!isMachine(record)) return `/proc/${record.state.pid}/ns/net`;
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

  /** Containers with an endpoint in a network, running ones only. */
  networkUsers(networkId: string): ContainerRecord[] {
    return this.list().filter(
      ({ state }) => isAlive(state) && state.endpoints.some((endpoint) => endpoint.networkId === networkId),
    );
  }

  async findSurvivors(): Promise<Survivors> {
    const survivors = await findSurvivors(this.#context);
    for (const { id } of survivors.living) this.#health.resume(this.#context.collection.find(id));
    return survivors;
  }
}
