import { readdir, rm } from 'node:fs/promises';
import { constants } from 'node:os';
import { type ContainerId, isBerthError, systemErrorCode } from '../base/index.ts';
import { computerFiles } from './containers/computer/files.ts';
import type { ContainerRecord } from './containers/container.ts';
import { isAlive } from './containers/container.ts';
import { isSupervisor } from './containers/restore.ts';
import type { EngineParts } from './parts.ts';

/**
 * What a berthd that was killed left half done, undone at the next start: supervisors of starts that were never
 * acknowledged, build steps that nobody waits for, folders of containers that never came to be, disk images that
 * are not whole, disks that no machine has, file workers that nobody has connected to.
 */
export async function removeLeftovers(
  parts: EngineParts,
  records: readonly ContainerRecord[],
): Promise<void> {
  await parts.launcher.endAbandonedWorkers();
  await parts.diskImages.removeUnfinished();
  const containers = `${parts.settings.dataRoot}/containers`;
  const steps = `${parts.settings.dataRoot}/build/steps`;
  for (const { id, state } of records) {
    if (!isAlive(state)) await endSupervisor(parts, id, `${containers}/${id}`);
  }
  const known = new Set<string>(records.map(({ id }) => id));
  for (const name of await folders(containers)) {
    if (!known.has(name)) await removeWithSupervisor(parts, name, `${containers}/${name}`);
  }
  for (const record of records) await removeOtherDisks(parts, record, `${containers}/${record.id}`);
  const build = `${parts.settings.dataRoot}/build`;
  for (const name of await folders(build)) {
    if (name.startsWith('context-')) await rm(`${build}/${name}`, { force: true });
  }
  // Steps are containers that no record knows; their writable layers lie beside them and go last.
  const left = await folders(steps);
  for (const name of left.toSorted((a, b) => b.length - a.length)) {
    await removeWithSupervisor(parts, name, `${steps}/${name}`);
  }
}

/** A disk is recorded before a machine has it. */
async function removeOtherDisks(
  { machineDisks, log }: EngineParts,
  { host }: ContainerRecord,
  directory: string,
): Promise<void> {
  if (host.machine === undefined) return;
  const files = computerFiles(directory);
  const kept = host.machine.disks.map(({ name }) => ({ path: files.disk(name) }));
  for (const file of await machineDisks.removeOthers(files.disks, kept)) {
    log.info({ file }, 'removed a disk that an earlier berthd left half done');
  }
}

async function removeWithSupervisor(parts: EngineParts, name: string, directory: string): Promise<void> {
  if (isContainerId(name)) await endSupervisor(parts, name, directory);
  await parts.launcher.removeTree(directory);
  parts.log.info({ directory }, 'removed what an earlier berthd left half done');
}

/** Ends the supervisor of a start that nobody was told of, if there is one. */
async function endSupervisor(parts: EngineParts, id: ContainerId, directory: string): Promise<void> {
  const found = await parts.launcher.reconnect(id, directory);
  if (found === undefined || !isSupervisor(found)) return;
  if (found.started === undefined) {
    await found.discard();
    return;
  }
  await found.cancelRestart();
  await found.signal(constants.signals.SIGKILL).catch(unlessEnded);
  await found.exited;
}

/** One that waited for its restart has no process any more. */
function unlessEnded(error: unknown): void {
  if (!isBerthError(error, 'conflict') && !isBerthError(error, 'unavailable')) throw error;
}

function isContainerId(name: string): name is ContainerId {
  return /^[0-9a-f]{64}$/.test(name);
}

async function folders(path: string): Promise<string[]> {
  try {
    return await readdir(path);
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return [];
    throw error;
  }
}
