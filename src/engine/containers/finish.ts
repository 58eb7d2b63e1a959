import { type ContainerId, crashPoint, errorMessage } from '../../base/index.ts';
import type { ExitStatus, RestartEvent, RunEnd, StartedProcess, Supervisor } from '../../runtime/index.ts';
import { disconnect } from './connect.ts';
import {
  type AliveState,
  type ContainerRecord,
  type Ended,
  isActive,
  isAlive,
  type KeptNetwork,
} from './container.ts';
import { type ContainerContext, emit } from './context.ts';
import { shortReason } from './end-cause.ts';
import { type EndedRun, type EndReport, reportOfEnd, reportOfFailedStart } from './end-reports.ts';
import { unmountShared } from './host-mounts.ts';
import { removeLocked } from './remove.ts';
import { berthdRestarts, scheduleRestart } from './restart.ts';
import { explainStartFailure, startExitCode } from './start-failure.ts';
import { releaseGuest } from './vm/guest.ts';
import { watchRoom } from './vm/room.ts';
import { limitRestarted } from './vm/update.ts';

/** Does what follows the ends of a container's runs, when they come: network, state, events, --rm. */
export function watchForEnd(context: ContainerContext, id: ContainerId, supervisor: Supervisor): void {
  const record = (work: () => Promise<void>) => {
    context.collection.exclusively(id, work).catch((error: unknown) => {
      context.parts.log.error(
        { id, error: errorMessage(error) },
        'the end of a container could not be recorded',
      );
    });
  };
  supervisor.onRestart((event) => record(() => noteRestart(context, id, event)));
  void supervisor.exited.then((status) => record(() => finishLocked(context, id, status)));
}

async function noteRestart(context: ContainerContext, id: ContainerId, event: RestartEvent): Promise<void> {
  if (event.kind === 'ended') await noteRestarting(context, id, event.end);
  else {
    noteRestarted(context, id, event.started);
    const record = context.collection.get(id);
    if (record === undefined) return;
    watchRoom(context, record);
    await limitRestarted(context, record);
  }
}

/**
 * The supervisor will start the container again, or has done so at the time of `next`; the caller holds the container's
 * lock.
 */
export async function noteRestarting(
  context: ContainerContext,
  id: ContainerId,
  end: RunEnd,
  next?: Date,
): Promise<void> {
  const record = context.collection.get(id);
  if (record === undefined || !isAlive(record.state)) return;
  const { ended, report } = await describeEnd(context, record, end, {
    restarted: true,
    log: { until: next?.toISOString() },
  });
  const restarting = context.collection.note(
    id,
    { state: { status: 'restarting', ...ended, ...keptOf(record.state) }, restartCount: end.run.restarts },
    { beside: () => context.ends.add(id, report) },
  );
  announceDeath(context, restarting, ended);
}

/** The supervisor has started it again; the caller holds the container's lock. */
export function noteRestarted(
  context: ContainerContext,
  id: ContainerId,
  { pid, startedAt }: StartedProcess,
): void {
  const record = context.collection.get(id);
  if (record === undefined || !isAlive(record.state)) return;
  const kept = keptOf(record.state);
  const state = { status: 'running', pid, startedAt: startedAt.toISOString(), ...kept } as const;
  emit(context, context.collection.note(id, { state }), 'start');
}

/** What a run leaves to the next one by the restart policy. */
function keptOf({ endpoints, ports, machine, computer }: AliveState): KeptNetwork {
  return {
    endpoints,
    ports,
    ...(machine === undefined ? {} : { machine }),
    ...(computer === undefined ? {} : { computer }),
  };
}

/** Records the last end; the caller holds the container's lock. */
export async function finishLocked(
  context: ContainerContext,
  id: ContainerId,
  status: ExitStatus,
): Promise<void> {
  const record = context.collection.get(id);
  if (record === undefined || !isAlive(record.state)) return;
  const running = context.running.get(id);
  context.running.delete(id);
  // What cannot be taken away now must not keep the container from having ended: nothing else would ever say so.
  await disconnect(context, record, record.state.endpoints, running?.namespace).catch((error: unknown) => {
    context.parts.log.error({ id, error: errorMessage(error) }, 'a network of an ended container stays');
  });
  await unmountShared(context, record);
  await releaseGuest(context, record);
  crashPoint('finish.disconnected');
  const restart = berthdRestarts(record, status);
  const removalFollows = restart === undefined && (record.host.autoRemove || context.removing.has(id));
  const { ended, report } = await describeEnd(context, record, status, {
    restarted: restart !== undefined,
    log: removalFollows ? 'unread' : { until: undefined }, // nobody could read it
  });
  const restartCount = restart?.count ?? restartsOf(status) ?? record.restartCount;
  // A restart that was given up is no further end, one that failed is.
  const isEnd = isActive(record.state) || status.kind === 'not-restarted';
  const finished = context.collection.note(
    id,
    {
      state:
        restart === undefined
          ? { status: 'exited', ...ended }
          : { status: 'restarting', ...ended, endpoints: [], ports: [] },
      restartCount,
    },
    {
      beside: () => {
        if (isEnd) context.ends.add(id, report);
      },
      removalFollows,
    },
  );
  crashPoint('finish.recorded');
  if (isActive(record.state)) announceDeath(context, finished, ended);
  else context.endings.announce(id, 'next-exit', { exitCode: ended.exitCode });
  if (restart !== undefined) scheduleRestart(context, id, restart.delay);
  else if (record.host.autoRemove) await removeEnded(context, finished, ended.exitCode);
}

function announceDeath(context: ContainerContext, record: ContainerRecord, ended: Ended): void {
  if (ended.oomKilled) emit(context, record, 'oom');
  emit(context, record, 'die', {
    exitCode: String(ended.exitCode),
    execDuration: String(Math.floor((Date.parse(ended.finishedAt) - Date.parse(ended.startedAt)) / 1000)),
  });
  context.endings.announce(record.id, 'next-exit', { exitCode: ended.exitCode });
}

function restartsOf(status: ExitStatus): number | undefined {
  return status.kind === 'unknown' ? undefined : status.run?.restarts;
}

/** Docker's exit code for an end that nobody saw. */
const UNKNOWN_EXIT = 255;

/** An end as the state and as the report have it. */
async function describeEnd(
  context: ContainerContext,
  record: ContainerRecord,
  status: ExitStatus,
  { restarted, log }: Pick<EndedRun, 'restarted' | 'log'>,
): Promise<{ ended: Ended; report: EndReport }> {
  const startedAt = startOf(record, status);
  const finishedAt = status.finishedAt.toISOString();
  if (status.kind === 'not-restarted') {
    const reason = await explainStartFailure(status.reason, context, record);
    const exitCode = startExitCode(reason);
    const error = reason.describe();
    return {
      ended: { exitCode, oomKilled: false, startedAt, finishedAt, error },
      report: reportOfFailedStart(exitCode, error),
    };
  }
  const isKnown = status.kind === 'exited';
  const exitCode = isKnown ? status.code : UNKNOWN_EXIT;
  const report = await reportOfEnd(context, record, status, { startedAt, exitCode, restarted, log });
  const reason = shortReason(report);
  const ended = {
    exitCode,
    oomKilled: isKnown && status.oomKilled,
    startedAt,
    finishedAt,
    ...(isKnown ? {} : { error: 'the supervisor was killed before it could tell how the container ended' }),
    ...(reason === undefined ? {} : { reason }),
  };
  return { ended, report };
}

function startOf({ state }: ContainerRecord, status: ExitStatus): string {
  if (status.kind !== 'unknown' && status.run !== undefined) return status.run.startedAt.toISOString();
  return state.status === 'created' ? status.finishedAt.toISOString() : state.startedAt;
}

/** With --rm. Who waits for the removal hears of its failure too: the container stays, and its end is known. */
async function removeEnded(
  context: ContainerContext,
  record: ContainerRecord,
  exitCode: number,
): Promise<void> {
  try {
    await removeLocked(context, record, { removeVolumes: true });
  } catch (error) {
    context.endings.announce(record.id, 'removed', { exitCode, error: errorMessage(error) });
    throw error;
  }
}
