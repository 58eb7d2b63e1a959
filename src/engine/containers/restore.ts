import { errorMessage } from '../../base/index.ts';
import type { ExitStatus, Supervisor } from '../../runtime/index.ts';
import type { LivingContainer } from '../networks.ts';
import { type ContainerRecord, isActive } from './container.ts';
import { type ContainerContext, containerDirectory } from './context.ts';
import { finishLocked, resumeRestart, watchForEnd } from './finish.ts';
import { keepShared } from './host-mounts.ts';
import { reportPortRefusals } from './port-refusals.ts';
import { removeLocked } from './remove.ts';
import { startLocked } from './start.ts';

/** Containers found alive, and those that ended while berthd was away. */
export interface Survivors {
  readonly living: readonly LivingContainer[];
  /** Records the ends and applies restart policies; called when networks are restored. */
  settle(): Promise<void>;
}

/** After a start of berthd: finds each container's supervisor again, so that the state says what the kernel says. */
export async function findSurvivors(context: ContainerContext): Promise<Survivors> {
  const living: LivingContainer[] = [];
  const ended: { record: ContainerRecord; status: ExitStatus }[] = [];
  for (const record of context.collection.all()) {
    const { state } = record;
    if (!isActive(state)) continue;
    const found = await context.parts.launcher.reconnect(record.id, containerDirectory(context, record.id));
    if (found !== undefined && isSupervisor(found)) {
      context.running.set(record.id, { supervisor: found, namespace: undefined });
      reportPortRefusals(context, record, found);
      keepShared(context, record);
      watchForEnd(context, record.id, found);
      const ports = state.ports.filter(({ hostIp }) => !hostIp.includes(':'));
      living.push({ id: record.id, endpoints: state.endpoints, ports });
    } else {
      ended.push({ record, status: found ?? { kind: 'unknown', finishedAt: new Date() } });
    }
  }
  return { living, settle: () => settle(context, ended) };
}

async function settle(
  context: ContainerContext,
  ended: readonly { record: ContainerRecord; status: ExitStatus }[],
): Promise<void> {
  for (const { record, status } of ended) {
    await context.collection.exclusively(record.id, () => finishLocked(context, record.id, status));
  }
  for (const record of context.collection.all()) {
    if (record.state.status === 'restarting') resumeRestart(context, record.id);
    else if (isActive(record.state)) continue;
    else if (record.host.autoRemove && record.state.status === 'exited')
      await removeLeftover(context, record);
    else if (startsWithDaemon(record)) startInBackground(context, record);
  }
}

/** "always" starts again even after a stop by the user, "unless-stopped" does not (Docker's rule). */
function startsWithDaemon({ host, state, stoppedByUser }: ContainerRecord): boolean {
  if (state.status !== 'exited') return false;
  return host.restart.name === 'always' || (host.restart.name === 'unless-stopped' && !stoppedByUser);
}

function startInBackground(context: ContainerContext, record: ContainerRecord): void {
  context.collection
    .exclusively(record.id, () => startLocked(context, record))
    .catch((error: unknown) => {
      context.parts.log.warn(
        { id: record.id, error: errorMessage(error) },
        'a container could not be started again',
      );
    });
}

async function removeLeftover(context: ContainerContext, record: ContainerRecord): Promise<void> {
  await context.collection.exclusively(record.id, () =>
    removeLocked(context, record, { removeVolumes: true }),
  );
}

/** Whether a container was found alive, rather than how it ended. */
export function isSupervisor(found: Supervisor | ExitStatus): found is Supervisor {
  return 'exited' in found;
}
