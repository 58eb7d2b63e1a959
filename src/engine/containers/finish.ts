import { type ContainerId, crashPoint, errorMessage } from '../../base/index.ts';
import type { ExitStatus, Supervisor } from '../../runtime/index.ts';
import { disconnect } from './connect.ts';
import { type ContainerRecord, type Ended, isActive } from './container.ts';
import { type ContainerContext, emit } from './context.ts';
import { shortReason } from './end-cause.ts';
import { reportOfEnd } from './end-reports.ts';
import { unmountShared } from './host-mounts.ts';
import { removeLocked } from './remove.ts';
import { startLocked } from './start.ts';

/** Does what follows a container's end, when it comes: network, state, events, restart policy, --rm. */
export function watchForEnd(context: ContainerContext, id: ContainerId, supervisor: Supervisor): void {
  supervisor.exited
    .then((status) => context.collection.exclusively(id, () => finishLocked(context, id, status)))
    .catch((error: unknown) => {
      context.parts.log.error(
        { id, error: errorMessage(error) },
        'the end of a container could not be recorded',
      );
    });
}

/** Records an end; the caller holds the container's lock. */
export async function finishLocked(
  context: ContainerContext,
  id: ContainerId,
  status: ExitStatus,
): Promise<void> {
  const record = context.collection.get(id);
  if (record === undefined || !isActive(record.state)) return;
  const running = context.running.get(id);
  context.running.delete(id);
  await disconnect(context, record, record.state.endpoints, running?.namespace);
  await unmountShared(context, record);
  crashPoint('finish.disconnected');
  const exitCode = status.kind === 'exited' ? status.code : UNKNOWN_EXIT;
  const { startedAt } = record.state;
  const finishedAt = status.finishedAt.toISOString();
  const restart = restartDelay(record, { exitCode, startedAt, finishedAt });
  const report = await reportOfEnd(context, record, status, {
    startedAt,
    exitCode,
    restarted: restart !== undefined,
  });
  const reason = shortReason(report);
  const ended: Ended = {
    exitCode,
    oomKilled: status.kind === 'exited' && status.oomKilled,
    startedAt,
    finishedAt,
    ...(status.kind === 'unknown'
      ? { error: 'the supervisor was killed before it could tell how the container ended' }
      : {}),
    ...(reason === undefined ? {} : { reason }),
  };
  const finished = context.collection.note(
    id,
    { state: { status: restart === undefined ? 'exited' : 'restarting', ...ended } },
    () => context.ends.add(id, report),
  );
  crashPoint('finish.recorded');
  if (ended.oomKilled) emit(context, finished, 'oom');
  emit(context, finished, 'die', {
    exitCode: String(ended.exitCode),
    execDuration: String(Math.floor((Date.parse(ended.finishedAt) - Date.parse(ended.startedAt)) / 1000)),
  });
  if (restart === undefined) context.endings.announce(id, 'next-exit', { exitCode: ended.exitCode });
  if (restart !== undefined) scheduleRestart(context, id, restart);
  else if (record.host.autoRemove) await removeEnded(context, finished, ended.exitCode);
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

/** Docker's exit code for an end that nobody saw. */
const UNKNOWN_EXIT = 255;

const FIRST_DELAY = 100;
const LONGEST_DELAY = 60_000;
/** A run of this length resets the back-off (milliseconds). */
const STABLE_RUN = 10_000;

/** Milliseconds until the restart by policy, or undefined when there is none. */
function restartDelay(
  record: ContainerRecord,
  ended: Pick<Ended, 'exitCode' | 'startedAt' | 'finishedAt'>,
): number | undefined {
  const { restart } = record.host;
  if (restart.name === 'no' || record.stoppedByUser) return undefined;
  if (restart.name === 'on-failure') {
    const spent = restart.maximumRetries > 0 && record.restartCount >= restart.maximumRetries;
    if (ended.exitCode === 0 || spent) return undefined;
  }
  const ranFor = Date.parse(ended.finishedAt) - Date.parse(ended.startedAt);
  if (ranFor >= STABLE_RUN) return FIRST_DELAY;
  return Math.min(FIRST_DELAY * 2 ** record.restartCount, LONGEST_DELAY);
}

function scheduleRestart(context: ContainerContext, id: ContainerId, delay: number): void {
  const timer = setTimeout(() => {
    context.collection
      .exclusively(id, async () => {
        const record = context.collection.get(id);
        if (record?.state.status !== 'restarting') return;
        await startLocked(context, context.collection.update(id, { restartCount: record.restartCount + 1 }));
      })
      .catch((error: unknown) => {
        context.parts.log.warn({ id, error: errorMessage(error) }, 'a restart by policy failed');
      });
  }, delay);
  timer.unref();
}

/** Takes up the restart of a container that was waiting for it when berthd ended. */
export function resumeRestart(context: ContainerContext, id: ContainerId): void {
  scheduleRestart(context, id, FIRST_DELAY);
}
