import { constants } from 'node:os';
import { type ContainerId, conflict, Timeline } from '../../base/index.ts';
import { GuestAgent, hasGuestAgent, type Snapshot, type TakenSnapshot } from '../../vm/index.ts';
import { laidOutComputer, machineOf } from '../containers/computer/bundle.ts';
import { computerControl } from '../containers/computer/control.ts';
import { computerFiles } from '../containers/computer/files.ts';
import { snapshotSubject } from '../containers/computer/snapshots.ts';
import { type ContainerRecord, isAlive } from '../containers/container.ts';
import { type ContainerContext, containerDirectory, emit } from '../containers/context.ts';
import { startContainer } from '../containers/start.ts';
import { endProcess } from '../containers/stop.ts';
import { requireNoRestart } from './admission.ts';
import { setGuestClock } from './clock.ts';

export interface RestoreOptions {
  /** Ends the machine first, as if its plug were pulled. */
  readonly force: boolean;
  /** Of a snapshot with memory its disks alone: the machine then boots from them. */
  readonly disksOnly: boolean;
  /** Of who waits for its turn; what has begun is brought to its end. */
  readonly signal: AbortSignal;
}

/** The oldest first. */
export function listSnapshots(context: ContainerContext, { id }: Target): Promise<readonly Snapshot[]> {
  return context.parts.computerSnapshots.list(folderOf(context, id));
}

export interface SnapshotOptions {
  /** Also of a machine that runs: what begins from the snapshot boots. */
  readonly disksOnly: boolean;
  readonly signal: AbortSignal;
}

/**
 * Of a machine that runs with its memory, while it goes on, or of its disks alone; of a stopped one its disks. Throws `conflict`
 * for a name that is taken or a machine that waits for its restart, `unavailable` without space.
 */
export function takeSnapshot(
  context: ContainerContext,
  { id }: Target,
  name: string,
  options: SnapshotOptions,
): Promise<TakenSnapshot> {
  return context.collection.exclusively(
    id,
    async () => {
      const record = context.collection.find(id);
      requireNoRestart(record);
      const taken = await take(context, record, name, options);
      emit(context, record, 'snapshot', { snapshot: name });
      return taken;
    },
    options.signal,
  );
}

/** Memory is of one moment with the disks, and goes on as it was: file systems that were held still would stay so. */
async function take(
  context: ContainerContext,
  record: ContainerRecord,
  name: string,
  { disksOnly, signal }: SnapshotOptions,
): Promise<TakenSnapshot> {
  const { computers, computerSnapshots } = context.parts;
  const subject = await snapshotSubject(context, record);
  if (!isAlive(record.state)) {
    return { snapshot: await computerSnapshots.takeStopped(subject, name, signal), warnings: [] };
  }
  const control = computerControl(context, record);
  const running = { ...subject, control };
  if (disksOnly) {
    const guest = (await hasGuestAgent(control)) ? new GuestAgent(control) : undefined;
    return computerSnapshots.takeDisks(running, { name, guest, signal });
  }
  const layout = await computers.survey(control);
  return { snapshot: await computerSnapshots.takeLive(running, { name, layout, signal }), warnings: [] };
}

/** `signal` is of who waits for its turn; what has begun is brought to its end. */
export function removeSnapshot(
  context: ContainerContext,
  { id }: Target,
  name: string,
  signal: AbortSignal,
): Promise<void> {
  const remove = async () => {
    const record = context.collection.find(id);
    requireNoRestart(record);
    const subject = await snapshotSubject(context, record);
    const control = isAlive(record.state) ? { control: computerControl(context, record) } : {};
    await context.parts.computerSnapshots.remove({ ...subject, ...control }, name);
    emit(context, record, 'snapshot-remove', { snapshot: name });
  };
  return context.collection.exclusively(id, remove, signal);
}

/**
 * Makes a machine what it was. With memory in the snapshot it then runs from there, otherwise it is stopped. Nothing is changed
 * when it is refused: `conflict` for a machine that runs (without `force`) or whose hardware is another one than the snapshot's.
 */
export async function restoreSnapshot(
  context: ContainerContext,
  { id }: Target,
  name: string,
  options: RestoreOptions,
): Promise<TakenSnapshot> {
  const snapshot = await checkedSnapshot(context, id, name, options);
  const restore = async () => {
    const record = context.collection.find(id);
    requireEnded(record);
    const what = options.disksOnly ? 'disks' : 'all';
    await context.parts.computerSnapshots.restore(await snapshotSubject(context, record), name, what);
    const restored = context.collection.update(id, { host: withSizes(record, snapshot) });
    emit(context, restored, 'snapshot-restore', { snapshot: name });
  };
  if (options.force) await context.collection.turn(id, options.signal);
  const isBegun = options.force && isAlive(context.collection.find(id).state);
  if (isBegun) await end(context, id);
  await context.collection.exclusively(id, restore, isBegun ? undefined : options.signal);
  if (snapshot.running === undefined || options.disksOnly) return { snapshot, warnings: [] };
  await startContainer(context, id, new Timeline());
  return { snapshot, warnings: await setGuestClock(context, context.collection.find(id)) };
}

type Target = Pick<ContainerRecord, 'id'>;

async function checkedSnapshot(
  context: ContainerContext,
  id: ContainerId,
  name: string,
  { force, disksOnly }: RestoreOptions,
): Promise<Snapshot> {
  const record = context.collection.find(id);
  const snapshot = await context.parts.computerSnapshots.get(folderOf(context, id), name);
  requireSameDisks(record, snapshot);
  if (snapshot.running !== undefined && !disksOnly) {
    const computer = await laidOutComputer(context, record);
    await context.parts.computers.checkResume(snapshot.running.layout, computer);
  }
  if (!force) requireEnded(record);
  return snapshot;
}

function requireSameDisks(record: ContainerRecord, snapshot: Snapshot): void {
  const [then, now] = [snapshot.disks, machineOf(record).disks].map((disks) =>
    disks
      .map(({ name }) => name)
      .sort()
      .join(', '),
  );
  if (then === now) return;
  throw conflict(`the snapshot ${snapshot.name} is of the disks ${then}; the machine has ${now}`, {
    hint: `Make a machine of the snapshot: berth vm clone --snapshot ${snapshot.name} ${record.name} NEW_NAME`,
  });
}

function requireEnded({ name, state }: ContainerRecord): void {
  if (!isAlive(state)) return;
  throw conflict(`the machine ${name} runs, and what it has done since the snapshot would be lost`, {
    hint: `Stop it first (berth vm stop ${name}), or end it with --force`,
  });
}

async function end(context: ContainerContext, id: ContainerId): Promise<void> {
  const record = context.collection.prepare(id, { stoppedByUser: true });
  await endProcess(context, record, { by: 'kill', signal: constants.signals.SIGKILL, grace: -1 });
}

function withSizes(record: ContainerRecord, { disks }: Snapshot): ContainerRecord['host'] {
  const machine = machineOf(record);
  const sizeOf = (name: string, now: number) => disks.find((disk) => disk.name === name)?.size ?? now;
  const restored = machine.disks.map((disk) => ({ ...disk, size: sizeOf(disk.name, disk.size) }));
  return { ...record.host, machine: { ...machine, disks: restored } };
}

function folderOf(context: ContainerContext, id: ContainerId): string {
  return computerFiles(containerDirectory(context, id)).snapshots;
}
