import { constants } from 'node:os';
import { type ContainerId, crashPoint, isBerthError } from '../../base/index.ts';
import { type ContainerRecord, isAlive } from './container.ts';
import { type ContainerContext, containerDirectory, emit } from './context.ts';
import { finishLocked } from './finish.ts';
import { admit } from './operations.ts';
import { endProcess } from './stop.ts';

export interface RemoveOptions {
  /** Kill it first when it runs. */
  readonly force?: boolean;
  /** Its anonymous volumes too. */
  readonly removeVolumes?: boolean;
}

/** Removes a container as `docker rm` does. */
export async function removeContainer(
  context: ContainerContext,
  reference: string,
  options: RemoveOptions = {},
): Promise<void> {
  const { id } = context.collection.find(reference);
  try {
    while (!(await endAndRemove(context, id, options)));
  } finally {
    context.removing.delete(id);
  }
}

/** False when a start came in between: the container runs again. */
async function endAndRemove(
  context: ContainerContext,
  id: ContainerId,
  options: RemoveOptions,
): Promise<boolean> {
  const record = context.collection.get(id);
  if (record === undefined) return true;
  if (options.force !== true) admit(record, 'rm');
  if (isAlive(record.state)) {
    context.collection.prepare(id, { stoppedByUser: true });
    context.removing.add(id);
    await endProcess(context, record, { by: 'rm', signal: constants.signals.SIGKILL, grace: -1 });
  }
  return context.collection.exclusively(id, async () => {
    const current = context.collection.get(id);
    if (current === undefined) return true; // with --rm the end itself has removed it
    if (isAlive(current.state)) {
      // Without a supervisor nobody will tell of its end: it came, and could not be recorded.
      if (!context.running.has(id)) {
        await finishLocked(context, id, { kind: 'unknown', finishedAt: new Date() });
      }
      return false;
    }
    await removeLocked(context, current, options);
    return true;
  });
}

/** Removes one that does not run; the caller holds its lock. */
export async function removeLocked(
  context: ContainerContext,
  record: ContainerRecord,
  options: RemoveOptions,
): Promise<void> {
  await forget(context, record);
  crashPoint('remove.forgotten');
  await context.parts.launcher.removeTree(containerDirectory(context, record.id));
  if (options.removeVolumes === true) await removeAnonymousVolumes(context, record);
  crashPoint('remove.done');
  emit(context, record, 'destroy');
  const exitCode = record.state.status === 'exited' ? record.state.exitCode : 0;
  context.endings.announce(record.id, 'next-exit', { exitCode });
  context.endings.announce(record.id, 'removed', { exitCode });
}

/**
 * The record goes first, so that a crash leaves no container without its files; but a full disk takes no change of the
 * database before it has the space of those files back.
 */
async function forget(context: ContainerContext, record: ContainerRecord): Promise<void> {
  const remove = () => context.collection.remove(record.id, () => context.ends.forget(record.id));
  try {
    remove();
  } catch (error) {
    if (!isBerthError(error, 'unavailable')) throw error;
    await context.parts.launcher.removeTree(containerDirectory(context, record.id));
    remove();
  }
}

async function removeAnonymousVolumes(context: ContainerContext, record: ContainerRecord): Promise<void> {
  for (const mount of record.mounts) {
    if (mount.type === 'volume' && mount.anonymous) await removeUnusedVolume(context, mount.volume);
  }
}

/** Leaves it where another container mounts it, or will. */
export async function removeUnusedVolume(context: ContainerContext, name: string): Promise<void> {
  try {
    await context.volumes.remove(name, (volume) => volumeUsers(context, volume));
  } catch (error) {
    if (!isBerthError(error, 'conflict') && !isBerthError(error, 'not-found')) throw error;
  }
}

/** Ids of the containers that mount a volume. */
export function volumeUsers(context: ContainerContext, volume: string): string[] {
  return context.collection
    .all()
    .filter(({ mounts }) => mounts.some((mount) => mount.type === 'volume' && mount.volume === volume))
    .map(({ id }) => id);
}
