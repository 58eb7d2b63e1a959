import { type ContainerId, errorMessage } from '../../base/index.ts';
import type { ExitStatus, RestartPlan } from '../../runtime/index.ts';
import { type ContainerRecord, isActive, isAlive, type RestartPolicy } from './container.ts';
import { type ContainerContext, emit } from './context.ts';
import { startLocked } from './start.ts';
import { stopContainer } from './stop.ts';

/** What the supervisor has to do. That "unless-stopped" differs from "always" matters only when berthd starts. */
export function restartPlan(policy: RestartPolicy): RestartPlan {
  switch (policy.name) {
    case 'no':
      return { policy: 'no' };
    case 'always':
    case 'unless-stopped':
      return { policy: 'always' };
    case 'on-failure':
    case 'on-unhealthy':
      return { policy: 'on-failure', maximumRetries: policy.maximumRetries };
  }
}

/** Docker's rule (moby, restartmanager.go); native/shim/restart.c is the same. Milliseconds. */
const FIRST_DELAY = 100;
const LONGEST_DELAY = 60_000;
/** A run of this length resets the delay. */
const STABLE_RUN = 10_000;

/**
 * The restart that is left to berthd: the supervisor was killed, it is of the protocol's version before, or its own
 * attempt failed and a start with a new configuration may not.
 */
export function berthdRestarts(
  record: ContainerRecord,
  status: ExitStatus,
): { readonly delay: number; readonly count: number } | undefined {
  if (status.kind === 'exited' && status.run !== undefined) return undefined; // its supervisor has decided
  if (!isDue(record, status.kind === 'exited' ? status.code : FAILURE)) return undefined;
  if (status.kind === 'not-restarted') return { delay: 0, count: status.run.restarts };
  const startedAt = isActive(record.state) ? Date.parse(record.state.startedAt) : 0;
  const ranFor = status.finishedAt.getTime() - startedAt;
  const delay = ranFor >= STABLE_RUN ? FIRST_DELAY : FIRST_DELAY * 2 ** record.restartCount;
  return { delay: Math.min(delay, LONGEST_DELAY), count: record.restartCount + 1 };
}

/** Any code but 0. */
const FAILURE = 255;

function isDue({ host, stoppedByUser, restartCount }: ContainerRecord, exitCode: number): boolean {
  const { restart } = host;
  if (restart.name === 'no' || stoppedByUser) return false;
  if (restart.name !== 'on-failure' && restart.name !== 'on-unhealthy') return true;
  return exitCode !== 0 && hasRetries(restart, restartCount);
}

function hasRetries({ maximumRetries }: { readonly maximumRetries: number }, restarts: number): boolean {
  return maximumRetries === 0 || restarts < maximumRetries;
}

/**
 * Stops and starts a container that its health check has just found unhealthy, where its policy says so and has restarts
 * left; the event says why.
 */
export async function restartUnhealthy(
  context: ContainerContext,
  id: ContainerId,
  reason: string,
): Promise<void> {
  const record = context.collection.get(id);
  const restart = record?.host.restart;
  if (record === undefined || restart?.name !== 'on-unhealthy') return;
  if (!hasRetries(restart, record.restartCount)) return;
  await stopContainer(context, id, {}, { by: 'health', reason });
  await context.collection.exclusively(id, async () => {
    const stopped = context.collection.get(id);
    if (stopped === undefined || isAlive(stopped.state)) return; // somebody else was quicker
    const change = { restartCount: record.restartCount + 1, stoppedByUser: false };
    await startLocked(context, context.collection.update(id, change));
    emit(context, stopped, 'restart', { reason: 'unhealthy' });
  });
}

/** Starts a container that waits for its restart and has no supervisor. */
export function scheduleRestart(context: ContainerContext, id: ContainerId, delay: number): void {
  const timer = setTimeout(() => {
    context.collection
      .exclusively(id, () => restartLocked(context, id))
      .catch((error: unknown) => {
        context.parts.log.warn({ id, error: errorMessage(error) }, 'a restart by policy failed');
      });
  }, delay);
  timer.unref();
}

async function restartLocked(context: ContainerContext, id: ContainerId): Promise<void> {
  const record = context.collection.get(id);
  if (record?.state.status === 'restarting') await startLocked(context, record);
}

/** Takes up the restart of a container that was waiting for it, without a supervisor, when berthd ended. */
export function resumeRestart(context: ContainerContext, id: ContainerId): void {
  scheduleRestart(context, id, FIRST_DELAY);
}
