import { type FileWorker, fileWorkerBehind } from '../../../runtime/index.ts';
import { MachineControl } from '../../../vm/index.ts';
import type { ContainerRecord } from '../container.ts';
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
