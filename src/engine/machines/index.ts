import type { Readable } from 'node:stream';
import { Timeline } from '../../base/index.ts';
import type { AttachOptions } from '../../runtime/index.ts';
import {
  type GuestCommand,
  type GuestExit,
  goOnWithRoom,
  type ImageUse,
  type Snapshot,
  type TakenSnapshot,
} from '../../vm/index.ts';
import { type Attachment, attachToContainer, resizeContainer } from '../containers/attach.ts';
import { computerControl } from '../containers/computer/control.ts';
import { computerFiles } from '../containers/computer/files.ts';
import { isComputer, standstillReason } from '../containers/container.ts';
import { type ContainerContext, containerDirectory, emit, logPath } from '../containers/context.ts';
import type { ContainerRecord, EndReport, Health } from '../containers/index.ts';
import { type LogEntry, type LogOptions, readLogs } from '../containers/logs/index.ts';
import { pauseContainer, unpauseContainer } from '../containers/pause.ts';
import { removeContainer } from '../containers/remove.ts';
import { renameContainer } from '../containers/rename.ts';
import { startContainer } from '../containers/start.ts';
import { type Reading, watchUsage } from '../containers/stats.ts';
import { killContainer, restartContainer, stopContainer } from '../containers/stop.ts';
import { type WaitCondition, type WaitResult, waitForContainer } from '../containers/wait.ts';
import { requireGoingOn, requirePaused, requireRunning, requireStopped } from './admission.ts';
import { exportMachine, type ImportRequest, importMachine } from './archive.ts';
import { changeMachine, type MachineChange, type MachineChanged } from './change.ts';
import { setGuestClock } from './clock.ts';
import { type CloneRequest, cloneMachine } from './clone.ts';
import { type CreatedMachine, type CreateOptions, createMachine } from './create.ts';
import { execInGuest, GuestFiles } from './guest.ts';
import type { NewMachine } from './new-machine.ts';
import {
  listSnapshots,
  type RestoreOptions,
  removeSnapshot,
  restoreSnapshot,
  type SnapshotOptions,
  takeSnapshot,
} from './snapshots.ts';

export type { MachineChange, MachineChanged } from './change.ts';
export type { CreatedMachine, CreateOptions, CreationProgress } from './create.ts';
export type { NewFirstBoot, NewMachine, NewMachineSource } from './new-machine.ts';

/** A disk of a machine, and what of it is on the host's. Sizes are bytes. */
export interface MachineDiskUse {
  readonly name: string;
  readonly size: number;
  readonly allocated: number;
}

/**
 * The machines of one instance: whole computers, whose operating systems are the users'. They start, end, are restarted,
 * named and connected as containers are, by the same code. A `reference` is a name, an id or a unique prefix of one; each
 * method throws `not-found` for one that is no machine's.
 */
export class Machines {
  readonly #context: ContainerContext;
  readonly #healthOf: (record: ContainerRecord) => Health | undefined;

  /** `healthOf` tells what the checks of the instance have found. */
  constructor(context: ContainerContext, healthOf: (record: ContainerRecord) => Health | undefined) {
    this.#context = context;
    this.#healthOf = healthOf;
  }

  /** Newest first. */
  list(): ContainerRecord[] {
    return this.#context.collection.all().filter(isComputer);
  }

  find(reference: string): ContainerRecord {
    return this.#context.collection.findMachine(reference);
  }

  /** See {@link createMachine}. */
  create(request: NewMachine, options: CreateOptions): Promise<CreatedMachine> {
    return createMachine(this.#context, request, options);
  }

  /** One that stands still, as the host's disk was full, goes on. False when it ran already. */
  async start(reference: string, timeline = new Timeline()): Promise<boolean> {
    const { id, state } = this.find(reference);
    const standsStill = standstillReason(state) !== undefined;
    const { alreadyRunning } = standsStill
      ? { alreadyRunning: true }
      : await startContainer(this.#context, id, timeline);
    return !alreadyRunning || goOnWithRoom(computerControl(this.#context, { id }));
  }

  /** Presses the power button, and ends it by force after `timeout` seconds (negative: never); false when it did not run. */
  stop(reference: string, options: { readonly timeout?: number }): Promise<boolean> {
    return stopContainer(this.#context, this.find(reference).id, options);
  }

  /** As {@link stop} and {@link start}, when its turn has come; `signal` ends only the wait for that. */
  async restart(
    reference: string,
    { timeout, signal }: { readonly timeout?: number; readonly signal: AbortSignal },
  ): Promise<void> {
    const { id } = this.find(reference);
    await this.#context.collection.turn(id, signal);
    await restartContainer(this.#context, id, timeout === undefined ? {} : { timeout });
  }

  /** Its processors stand still. Throws `conflict` when they do already, or it does not run. */
  async pause(reference: string): Promise<void> {
    const record = this.find(reference);
    requireGoingOn(record);
    await pauseContainer(this.#context, record.id);
  }

  /** Lets it go on, and tells its system what time it is. Returns what its user should know: one sentence each. */
  async unpause(reference: string): Promise<readonly string[]> {
    const record = this.find(reference);
    requirePaused(record);
    await unpauseContainer(this.#context, record.id);
    return setGuestClock(this.#context, record);
  }

  /** Ends it at once, as if its plug were pulled. */
  async kill(reference: string): Promise<void> {
    const record = this.find(reference);
    requireRunning(record);
    await killContainer(this.#context, record.id, { signal: 'SIGKILL' });
  }

  /** Its disks and snapshots too. Throws `conflict` for one that runs, unless `force` ends it first. */
  remove(reference: string, { force }: { readonly force: boolean }): Promise<void> {
    const record = this.find(reference);
    if (!force)
      requireStopped(record, 'to be removed', `, or remove it as it is: berth vm rm -f ${record.name}`);
    return removeContainer(this.#context, record.id, { force });
  }

  rename(reference: string, name: string): Promise<void> {
    return renameContainer(this.#context, this.find(reference).id, name);
  }

  /** See {@link changeMachine}. */
  change(reference: string, change: MachineChange, signal: AbortSignal): Promise<MachineChanged> {
    return changeMachine(this.#context, this.find(reference), change, signal);
  }

  /** See {@link execInGuest}. */
  async exec(reference: string, command: GuestCommand, signal: AbortSignal): Promise<GuestExit> {
    return execInGuest(this.#context, this.find(reference), command, signal);
  }

  /** The files of one that runs. */
  files(reference: string, signal: AbortSignal): GuestFiles {
    return new GuestFiles(this.#context, this.find(reference), signal);
  }

  /** The oldest first. */
  snapshots(reference: string): Promise<readonly Snapshot[]> {
    return listSnapshots(this.#context, this.find(reference));
  }

  /** See {@link takeSnapshot}. */
  takeSnapshot(reference: string, name: string, options: SnapshotOptions): Promise<TakenSnapshot> {
    return takeSnapshot(this.#context, this.find(reference), name, options);
  }

  /** See {@link restoreSnapshot}. */
  restoreSnapshot(reference: string, name: string, options: RestoreOptions): Promise<TakenSnapshot> {
    return restoreSnapshot(this.#context, this.find(reference), name, options);
  }

  /** When its turn has come; `signal` ends only the wait for that. */
  removeSnapshot(reference: string, name: string, signal: AbortSignal): Promise<void> {
    return removeSnapshot(this.#context, this.find(reference), name, signal);
  }

  /** See {@link cloneMachine}. */
  clone(reference: string, request: CloneRequest, signal: AbortSignal): Promise<ContainerRecord> {
    return cloneMachine(this.#context, this.find(reference), request, signal);
  }

  /** See {@link exportMachine}. */
  export(reference: string, signal: AbortSignal): Promise<Readable> {
    return exportMachine(this.#context, this.find(reference), signal);
  }

  /** See {@link importMachine}. */
  import(archive: Readable, request: ImportRequest, signal: AbortSignal): Promise<CreatedMachine> {
    return importMachine(this.#context, archive, request, signal);
  }

  wait(reference: string, condition: WaitCondition, signal: AbortSignal): Promise<WaitResult> {
    return waitForContainer(this.#context, this.find(reference).id, condition, signal);
  }

  /** Joins its serial console. */
  attach(reference: string, options: AttachOptions, signal: AbortSignal): Attachment {
    return attachToContainer(this.#context, this.find(reference).id, options, signal);
  }

  /** A client has left the console by the detach keys. */
  noteDetached(reference: string): void {
    emit(this.#context, this.find(reference), 'detach');
  }

  /** Sets the size of the console. */
  async resize(reference: string, rows: number, columns: number): Promise<void> {
    const record = this.find(reference);
    requireRunning(record);
    await resizeContainer(this.#context, record.id, rows, columns);
  }

  /** What came from its console, over all runs. */
  logs(reference: string, options: LogOptions, signal: AbortSignal): AsyncGenerator<LogEntry[]> {
    return readLogs(this.#context, this.find(reference).id, options, signal);
  }

  /** Undefined when nothing checks it, or it was never started. */
  health(record: ContainerRecord): Health | undefined {
    return this.#healthOf(record);
  }

  /** Its last ends, and starts that failed; the newest first. */
  ends(record: ContainerRecord): readonly EndReport[] {
    return this.#context.ends.of(record.id);
  }

  /** What it uses, now and each second. */
  watchUsage(reference: string, signal: AbortSignal): AsyncGenerator<Reading> {
    return watchUsage(this.#context, this.find(reference).id, signal);
  }

  async disks({ id, host }: ContainerRecord): Promise<MachineDiskUse[]> {
    const files = computerFiles(containerDirectory(this.#context, id));
    const uses = (host.machine?.disks ?? []).map(async ({ name, size }) => ({
      ...{ name, size },
      allocated: await this.#context.parts.machineDisks.allocated({ path: files.disk(name) }),
    }));
    return Promise.all(uses);
  }

  logPath(record: ContainerRecord): string {
    return logPath(this.#context, record.id);
  }

  /** The images that disks of machines stand on, or could, and what each takes. */
  images(): Promise<readonly ImageUse[]> {
    return this.#context.parts.diskImages.usage(this.#usedImages());
  }

  /** Removes the images that no machine stands on; returns the bytes that are free then. */
  pruneImages(): Promise<number> {
    return this.#context.parts.diskImages.prune(this.#usedImages());
  }

  #usedImages(): Set<string> {
    const disks = this.list().flatMap(({ host }) => host.machine?.disks ?? []);
    return new Set(disks.flatMap(({ backing }) => backing ?? []));
  }
}
