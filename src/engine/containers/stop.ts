import { constants } from 'node:os';
import { type ContainerId, errorMessage, invalid, isBerthError } from '../../base/index.ts';
import type { Supervisor } from '../../runtime/index.ts';
import {
  type ActiveState,
  type ContainerRecord,
  hasOwnKernel,
  isActive,
  isComputer,
  isMachine,
} from './container.ts';
import { type ContainerContext, emit, runningOf } from './context.ts';
import { deafness, type SentSignal, type SignalSender } from './end-cause.ts';
import { admit } from './operations.ts';
import { unpauseContainer } from './pause.ts';
import { startLocked } from './start.ts';
import {
  isDroppedByPid1,
  otherProcesses,
  STOP_MODE_LABEL,
  signalIfThere,
  signalName,
  signalNumber,
  UNRECEIVED_GRACE,
} from './stop-signal.ts';
import { killGuest } from './vm/guest.ts';

/** Seconds between the stop signal and SIGKILL when nobody says otherwise, as in Docker. */
const DEFAULT_GRACE = 10;

export interface KillOptions {
  readonly signal: string;
  /** Default: PID 1 alone. */
  readonly scope?: 'pid1' | 'container';
}

export interface StopOptions {
  readonly signal?: string;
  /** Seconds; negative waits for ever. */
  readonly timeout?: number;
}

/** How PID 1 is ended, and by which operation. */
export interface EndOptions {
  readonly by: SignalSender;
  readonly signal: number;
  /** Seconds until SIGKILL; negative: never. */
  readonly grace: number;
  /** Why, where the operation alone does not say it. */
  readonly reason?: string;
}

/** Stops a container as `docker stop` does; returns whether it ran. */
export async function stopContainer(
  context: ContainerContext,
  reference: string,
  options: StopOptions = {},
  { by, reason }: Pick<EndOptions, 'by' | 'reason'> = { by: 'stop' },
): Promise<boolean> {
  const record = context.collection.find(reference);
  if (!admit(record, 'stop')) return false;
  context.collection.prepare(record.id, { stoppedByUser: true });
  const signal = signalNumber(options.signal ?? record.config.stopSignal ?? 'SIGTERM');
  const grace = options.timeout ?? record.config.stopTimeout ?? DEFAULT_GRACE;
  await endProcess(context, record, { by, signal, grace, ...(reason === undefined ? {} : { reason }) });
  emit(context, record, 'stop');
  return true;
}

/** Sends a signal as `docker kill` does: to PID 1, or to every process of the container as a terminal would. */
export async function killContainer(
  context: ContainerContext,
  reference: string,
  { signal, scope = 'pid1' }: KillOptions,
): Promise<void> {
  const record = context.collection.find(reference);
  const number = checkedSignal(reference, signal);
  admit(record, 'kill', reference);
  if (record.state.status === 'restarting') {
    // As in Docker, any signal: there is no process that it could be meant for.
    context.collection.prepare(record.id, { stoppedByUser: true });
    await endProcess(context, record, { by: 'kill', signal: number, grace: -1 });
    return;
  }
  const { supervisor } = runningOf(context, record);
  const ended = number === constants.signals.SIGKILL ? endOf(context, record.id) : undefined;
  if (endsForGood(record, number)) {
    context.collection.prepare(record.id, { stoppedByUser: true });
    await supervisor.cancelRestart();
  }
  const pid = supervisor.started?.pid;
  const others = scope === 'container' && pid !== undefined ? await othersOf(context, record, pid) : [];
  noteSignal(context, record.id, { by: 'kill', signal: number });
  await send(context, record, supervisor, { by: 'kill', signal: number });
  const isPaused = record.state.status === 'paused';
  // A process that stands still takes no signal; SIGKILL ends it, so that there is nothing to go on.
  if (isPaused && ended !== undefined && !hasOwnKernel(record)) await supervisor.resume();
  for (const other of others) signalIfThere(other, number);
  emit(context, record, 'kill', { signal: String(number) });
  if (isPaused && ended === undefined) await unpauseContainer(context, record.id);
  await ended;
}

/** The user wants an end, not another run. */
function endsForGood({ config }: ContainerRecord, signal: number): boolean {
  return signal === constants.signals.SIGKILL || signal === signalNumber(config.stopSignal ?? 'SIGTERM');
}

function checkedSignal(reference: string, signal: string): number {
  try {
    return signalNumber(signal);
  } catch (error) {
    throw invalid(`cannot kill container: ${reference}: ${errorMessage(error)}`, { cause: error });
  }
}

export async function restartContainer(
  context: ContainerContext,
  reference: string,
  options: StopOptions = {},
): Promise<void> {
  const { id } = context.collection.find(reference);
  await stopContainer(context, reference, options, { by: 'restart' });
  await context.collection.exclusively(id, async () => {
    const record = context.collection.update(id, { restartCount: 0, stoppedByUser: false });
    if (!isActive(record.state)) await startLocked(context, record);
    emit(context, record, 'restart');
  });
}

/**
 * Signals PID 1, then kills it when the grace time is over. A signal that the kernel drops for this PID 1 goes to the
 * container's other processes, so that a shell's child can end in peace; a PID 1 that is alone is killed at once. Resolves
 * when the end is recorded.
 */
export async function endProcess(
  context: ContainerContext,
  record: ContainerRecord,
  options: EndOptions,
): Promise<void> {
  const running = context.running.get(record.id);
  if (running === undefined) {
    await context.collection.exclusively(record.id, async () => forgetRestart(context, record.id));
    return;
  }
  const { supervisor } = running;
  const { by, signal, grace } = options;
  const ended = endOf(context, record.id);
  await supervisor.cancelRestart().catch(unlessEnded);
  if (record.state.status === 'paused') await goOnToEnd(record.state, supervisor);
  const { reached, unreceived } = await deliver(context, record, supervisor, options);
  const timers = [unreceived];
  if (reached && grace >= 0 && signal !== constants.signals.SIGKILL) {
    const reason = alsoBecause(options, outliving(record, signal, grace));
    const giveUp = () => {
      clearTimeout(unreceived); // nothing is left to pass on
      kill(context, record, supervisor, { by, reason });
    };
    timers.push(setTimeout(giveUp, grace * 1000));
  }
  try {
    await ended;
  } finally {
    for (const timer of timers) clearTimeout(timer);
  }
}

/** A machine whose disk has no room on the host may not get far, whatever it says: it is killed in the end. */
async function goOnToEnd({ noRoom }: ActiveState, supervisor: Supervisor): Promise<void> {
  const resumed = supervisor.resume();
  await (noRoom === true ? resumed.catch(() => {}) : resumed);
}

/** Why it is killed after all. */
function outliving(record: ContainerRecord, signal: number, grace: number): string {
  if (isComputer(record)) return `it was still on ${grace} s after its power button was pressed`;
  return `it lived on for ${grace} s after ${signalName(signal)}`;
}

interface Delivery {
  /** There was a process to signal. */
  readonly reached: boolean;
  /** Passes a dropped signal on; the caller's to clear. */
  readonly unreceived: NodeJS.Timeout | undefined;
}

/** Signals PID 1. */
async function deliver(
  context: ContainerContext,
  record: ContainerRecord,
  supervisor: Supervisor,
  options: EndOptions,
): Promise<Delivery> {
  const { by, signal, reason } = options;
  const pid = supervisor.started?.pid;
  const dropped = pid !== undefined && reachesOthers(record, signal) && (await isDroppedByPid1(pid, signal));
  noteSignal(context, record.id, {
    ...{ by, signal },
    ...(reason === undefined ? {} : { reason }),
    ...(isMachine(record) && isPassedOn(record, signal) ? { followedInGuest: true } : {}),
  });
  try {
    await send(context, record, supervisor, options);
  } catch (error) {
    unlessEnded(error);
    return { reached: false, unreceived: undefined }; // it has just ended, or waited for its restart
  }
  emit(context, record, 'kill', { signal: String(signal) });
  if (!dropped) return { reached: true, unreceived: undefined };
  const unreceived = setTimeout(() => {
    passOn(context, record, supervisor, pid, options).catch((error: unknown) => {
      const details = { id: record.id, error: errorMessage(error) };
      context.parts.log.warn(details, 'a stop signal could not be passed on');
    });
  }, UNRECEIVED_GRACE);
  return { reached: true, unreceived };
}

/** What a machine that is killed has written is kept, unless it is about to be removed. */
async function send(
  context: ContainerContext,
  record: ContainerRecord,
  supervisor: Supervisor,
  { by, signal }: Pick<EndOptions, 'by' | 'signal'>,
): Promise<void> {
  const isKept = isMachine(record) && signal === constants.signals.SIGKILL && by !== 'rm';
  const { state } = context.collection.get(record.id) ?? record; // it may stand still since
  if (!isKept || !isActive(state) || state.noRoom === true) return await supervisor.signal(signal);
  if (state.status === 'paused') await supervisor.resume();
  await killGuest(context, record, supervisor);
}

/** A guest sees to its own processes. */
function reachesOthers(record: ContainerRecord, signal: number): boolean {
  return !hasOwnKernel(record) && isPassedOn(record, signal);
}

/** SIGKILL reaches every PID 1, and Docker's way can be asked for. */
function isPassedOn(record: ContainerRecord, signal: number): boolean {
  return signal !== constants.signals.SIGKILL && record.config.labels[STOP_MODE_LABEL] !== 'pid1';
}

/** The container's other processes; berth's own health probes are none. */
async function othersOf(context: ContainerContext, record: ContainerRecord, pid: number): Promise<number[]> {
  if (hasOwnKernel(record)) return []; // they are its guest's, which passes signals on by itself
  return otherProcesses(pid, await context.probes.pidsOf(record.id));
}

async function passOn(
  context: ContainerContext,
  record: ContainerRecord,
  supervisor: Supervisor,
  pid: number,
  options: EndOptions,
): Promise<void> {
  const { by, signal } = options;
  const others = await othersOf(context, record, pid);
  if (others.length === 0) {
    const reason = deafness(signal);
    kill(context, record, supervisor, { by, reason: alsoBecause(options, reason) }, { reason });
    return;
  }
  emit(context, record, 'kill', {
    signal: String(signal),
    reason: `PID 1 has no handler for ${signalName(signal)}: sent to the other processes`,
  });
  for (const other of others) signalIfThere(other, signal);
}

function kill(
  context: ContainerContext,
  record: ContainerRecord,
  supervisor: Supervisor,
  { by, reason }: Pick<EndOptions, 'by'> & { readonly reason: string },
  attributes: Readonly<Record<string, string>> = {},
): void {
  noteSignal(context, record.id, { by, signal: constants.signals.SIGKILL, reason });
  emit(context, record, 'kill', { signal: String(constants.signals.SIGKILL), ...attributes });
  const options = { by, signal: constants.signals.SIGKILL };
  void send(context, record, supervisor, options).catch(() => {}); // it has just ended
}

/** Why SIGKILL had to follow, behind why the container was to end at all. */
function alsoBecause({ reason }: EndOptions, further: string): string {
  return reason === undefined ? further : `${reason}; ${further}`;
}

/** Keeps who has sent which signal, so that the report of the end can tell it, also after a restart of berthd. */
function noteSignal(context: ContainerContext, id: ContainerId, sent: Omit<SentSignal, 'at'>): void {
  if (context.collection.get(id) === undefined) return; // removed meanwhile
  context.collection.prepare(id, { lastSignal: { ...sent, at: new Date().toISOString() } });
}

/** Resolves when berthd has recorded the container's end. */
async function endOf(context: ContainerContext, id: ContainerId): Promise<void> {
  const running = context.running.get(id);
  await running?.supervisor.exited;
  // The end is recorded under the lock, which was asked for when `exited` was resolved.
  await context.collection.exclusively(id, async () => {});
}

/** A restart that berthd itself would have made. */
function forgetRestart(context: ContainerContext, id: ContainerId): void {
  const record = context.collection.get(id);
  if (record?.state.status !== 'restarting') return;
  const { endpoints: _endpoints, ports: _ports, ...ended } = record.state;
  context.collection.setState(id, { ...ended, status: 'exited' });
  context.endings.announce(id, 'next-exit', { exitCode: ended.exitCode });
}

/** For requests to a supervisor whose container may end meanwhile. */
function unlessEnded(error: unknown): void {
  if (!isBerthError(error, 'conflict') && !isBerthError(error, 'unavailable')) throw error;
}
