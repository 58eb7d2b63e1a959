import { isBerthError, type Timeline } from '../../../base/index.ts';
import { type FileWorker, fileWorkerBehind } from '../../../runtime/index.ts';
import { MachineControl } from '../../../vm/index.ts';
import type { ContainerRecord, MachineDetails } from '../container.ts';
import { type ContainerContext, runtimeRoot } from '../context.ts';

/** What the monitor of a machine that runs can be asked. */
export function controlOf(context: ContainerContext, { id }: Pick<ContainerRecord, 'id'>): MachineControl {
  return new MachineControl(`${runtimeRoot(context)}/${id}`);
}

/** File operations in the root of a guest that runs, its mounts included unless `mounts` is false. */
export async function openGuestFiles(
  context: ContainerContext,
  record: Pick<ContainerRecord, 'id'>,
  { mounts } = { mounts: true },
): Promise<FileWorker> {
  return fileWorkerBehind(await controlOf(context, record).openFiles(mounts ? 'root' : 'rootAlone'));
}

/** File operations in the layer that a guest writes to. */
export async function openGuestChanges(
  context: ContainerContext,
  record: Pick<ContainerRecord, 'id'>,
): Promise<FileWorker> {
  return fileWorkerBehind(await controlOf(context, record).openFiles('changes'));
}

/**
 * What a machine was started with, now that the monitor knows: a template that turned out to be of no use is passed over for a
 * boot. Says in the timeline that it booted, and why.
 */
export async function startedMachine(
  context: ContainerContext,
  record: Pick<ContainerRecord, 'id'>,
  planned: MachineDetails,
  timeline: Timeline,
): Promise<MachineDetails> {
  const { passedOver } = await lastWords(context, record);
  const [why] = passedOver;
  const machine: MachineDetails = why === undefined ? planned : { ...planned, start: { kind: 'cold', why } };
  if (machine.start.kind === 'cold') timeline.note('cold-boot', machine.start.why);
  return machine;
}

/** Of a machine that has ended already there is nothing to tell. */
async function lastWords(context: ContainerContext, record: Pick<ContainerRecord, 'id'>) {
  try {
    return await controlOf(context, record).state();
  } catch (error) {
    if (isBerthError(error, 'unavailable')) return { passedOver: [] };
    throw error;
  }
}
