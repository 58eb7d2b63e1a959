import { errorMessage } from '../../base/index.ts';
import type { NamedContainer } from '../../network/index.ts';
import type { ExitStatus, PastRuns, StartedProcess, Supervisor } from '../../runtime/index.ts';
import { GuestAgent, hasGuestAgent, letGoOn } from '../../vm/index.ts';
import type { LivingContainer } from '../networks.ts';
import { computerControl } from './computer/control.ts';
import { computerFiles } from './computer/files.ts';
import { type ContainerRecord, isAlive, isComputer } from './container.ts';
import { type ContainerContext, containerDirectory } from './context.ts';
import { namedContainer } from './dns-names.ts';
import { finishLocked, noteRestarted, noteRestarting, watchForEnd } from './finish.ts';
import { keepShared } from './host-mounts.ts';
import { settlePorts } from './port-moves.ts';
import { reportPortRefusals } from './port-refusals.ts';
import { removeLocked } from './remove.ts';
import { resumeRestart } from './restart.ts';
import { startLocked } from './start.ts';
import { watchRoom } from './vm/room.ts';
import { limitRestarted } from './vm/update.ts';

/** Containers found alive, and those that ended while berthd was away. */
export interface Survivors {
  readonly living: readonly LivingContainer[];
  /** What the living are called, for the resolver; known when networks are restored. */
  names(): NamedContainer[];
  /** Records the ends and applies restart policies; called when networks are restored. */
  settle(): Promise<void>;
}

/** After a start of berthd: finds each container's supervisor again, so that the state says what the kernel says. */
export async function findSurvivors(context: ContainerContext): Promise<Survivors> {
  const living: LivingContainer[] = [];
  const found: Found[] = [];
  for (const known of context.collection.all()) {
    if (!isAlive(known.state)) continue;
    const answer = await context.parts.launcher.reconnect(known.id, containerDirectory(context, known.id));
    if (answer !== undefined && isSupervisor(answer)) {
      const record = await settlePorts(context, known, answer);
      const { state } = record;
      if (!isAlive(state)) continue;
      context.running.set(record.id, { supervisor: answer, namespace: undefined });
      keepShared(context, record);
      living.push({ id: record.id, endpoints: state.endpoints, ports: state.ports });
      found.push({ record, supervisor: answer });
    } else if (answer !== undefined || known.state.status !== 'restarting') {
      found.push({ record: known, status: answer ?? { kind: 'unknown', finishedAt: new Date() } });
    }
  }
  return { living, names: () => namesOfLiving(context), settle: () => settle(context, found) };
}

function namesOfLiving(context: ContainerContext): NamedContainer[] {
  return [...context.running].flatMap(([id, { supervisor }]) => {
    const record = context.collection.find(id);
    const { networkPath: namespacePath } = supervisor;
    if (namespacePath === undefined || !isAlive(record.state)) return [];
    return namedContainer(context, record, { namespacePath, endpoints: record.state.endpoints }) ?? [];
  });
}

/** A snapshot that berthd was taking when it ended: its machine goes on. */
function endInterruptedSnapshot(context: ContainerContext, record: ContainerRecord): void {
  const { id } = record;
  context.collection
    .exclusively(id, () => letMachineGoOn(context, record))
    .catch((error: unknown) => {
      context.parts.log.warn(
        { id, error: errorMessage(error) },
        'a machine may stand still since a snapshot',
      );
    });
}

async function letMachineGoOn(context: ContainerContext, record: ContainerRecord): Promise<void> {
  const control = computerControl(context, record);
  await letGoOn(control);
  const { snapshots } = computerFiles(containerDirectory(context, record.id));
  if (!(await context.parts.computerSnapshots.isInterrupted(snapshots))) return;
  if (await hasGuestAgent(control)) await new GuestAgent(control).thaw();
}

/** A container that was alive when berthd ended: its supervisor, or how it has ended. */
type Found =
  | { readonly record: ContainerRecord; readonly supervisor: Supervisor }
  | { readonly record: ContainerRecord; readonly status: ExitStatus };

async function settle(context: ContainerContext, found: readonly Found[]): Promise<void> {
  for (const one of found) {
    if ('supervisor' in one) {
      const { record, supervisor } = one;
      await context.collection.exclusively(record.id, () => makeUp(context, record, supervisor.past));
      reportPortRefusals(context, one.record, one.supervisor);
      watchForEnd(context, one.record.id, one.supervisor);
      watchRoom(context, record);
      if (isComputer(record)) endInterruptedSnapshot(context, record);
    } else {
      const { record, status } = one;
      await context.collection.exclusively(record.id, async () => {
        await makeUp(context, record, pastOf(status));
        await finishLocked(context, record.id, status);
      });
    }
  }
  for (const record of context.collection.all()) {
    if (context.running.has(record.id)) continue;
    if (record.state.status === 'restarting') resumeRestart(context, record.id);
    else if (record.host.autoRemove && record.state.status === 'exited')
      await removeLeftover(context, record);
    else if (startsWithDaemon(record)) startInBackground(context, record);
  }
}

function pastOf(status: ExitStatus): PastRuns {
  if (status.kind === 'unknown' || status.run === undefined) return { ends: [], last: undefined };
  const { run, earlier = [] } = status;
  return { ends: earlier, last: { pid: 0, startedAt: run.startedAt } };
}

/** Makes up for the restarts that were missed: counts, state and events are as if berthd had been there. */
async function makeUp(
  context: ContainerContext,
  { id, state }: ContainerRecord,
  past: PastRuns,
): Promise<void> {
  if (!isAlive(state)) return;
  const known = Date.parse(state.startedAt);
  const starts: StartedProcess[] = past.ends.map(({ run }) => ({ pid: 0, startedAt: run.startedAt }));
  if (past.last !== undefined) starts.push(past.last);
  const startAfter = (time: number) => starts.find(({ startedAt }) => startedAt.getTime() > time);
  const isKnownToHaveEnded = state.status === 'restarting';
  const first = startAfter(known);
  if (isKnownToHaveEnded && first !== undefined) noteRestarted(context, id, first);
  for (const end of past.ends) {
    const startedAt = end.run.startedAt.getTime();
    if (isKnownToHaveEnded ? startedAt <= known : startedAt < known) continue;
    const next = startAfter(startedAt);
    await noteRestarting(context, id, end, next?.startedAt);
    if (next !== undefined) noteRestarted(context, id, next);
  }
  const record = context.collection.get(id);
  if (record !== undefined && starts.length > 0) await limitRestarted(context, record);
}

/** "always" starts again even after a stop by the user, "unless-stopped" does not (Docker's rule). */
function startsWithDaemon({ host, state, stoppedByUser }: ContainerRecord): boolean {
  if (state.status !== 'exited') return false;
  return host.restart.name === 'always' || (host.restart.name === 'unless-stopped' && !stoppedByUser);
}

function startInBackground(context: ContainerContext, record: ContainerRecord): void {
  const fresh = context.collection.update(record.id, { restartCount: 0, stoppedByUser: false });
  context.collection
    .exclusively(record.id, () => startLocked(context, fresh))
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
