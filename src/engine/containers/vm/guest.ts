import { constants } from 'node:os';
import { type ContainerId, isBerthError, type Timeline } from '../../../base/index.ts';
import { type FileWorker, fileWorkerBehind, type Supervisor } from '../../../runtime/index.ts';
import { MachineControl, type MachineStart } from '../../../vm/index.ts';
import type { EngineParts } from '../../parts.ts';
import { type ContainerRecord, isComputer, isMachine, type MachineDetails } from '../container.ts';
import { type ContainerContext, runtimeRoot } from '../context.ts';

/** What the monitor of a machine that runs can be asked. */
export function controlOf(context: ContainerContext, { id }: Pick<ContainerRecord, 'id'>): MachineControl {
  return new MachineControl(`${runtimeRoot(context)}/${id}`);
}

/** Gives back what a virtual machine has outside its folder, when it has ended. */
export async function releaseGuest({ parts }: ContainerContext, record: ContainerRecord): Promise<void> {
  if (isMachine(record)) await parts.machines.release(record.id);
  if (isComputer(record)) await parts.computers.release(record.id);
}

/**
 * File operations in the root of a guest that runs, its mounts included unless `mounts` is false. A guest may never answer: what
 * waits for it fails when `signal` is aborted.
 */
export async function openGuestFiles(
  context: ContainerContext,
  record: Pick<ContainerRecord, 'id'>,
  { mounts = true, signal }: { readonly mounts?: boolean; readonly signal?: AbortSignal } = {},
): Promise<FileWorker> {
  return fileWorkerBehind(await controlOf(context, record).openFiles(mounts ? 'root' : 'rootAlone', signal));
}

/** File operations in the layer that a guest writes to; see {@link openGuestFiles}. */
export async function openGuestChanges(
  context: ContainerContext,
  record: Pick<ContainerRecord, 'id'>,
  signal: AbortSignal,
): Promise<FileWorker> {
  return fileWorkerBehind(await controlOf(context, record).openFiles('changes', signal));
}

/**
 * What a machine was started with, now that the monitor knows: a template that turned out to be of no use was passed over for a
 * boot. Says in the timeline that it booted, and why.
 */
export async function startedMachine(
  { parts }: ContainerContext,
  record: Pick<ContainerRecord, 'id'>,
  planned: MachineDetails,
  timeline: Timeline,
): Promise<MachineDetails> {
  const machine = { ...planned, start: await startOf(parts, record.id, planned.start) };
  if (machine.start.kind === 'cold') timeline.note('cold-boot', machine.start.why);
  return machine;
}

/** How a machine that has just started did so. A template that was passed over is taken away: the next machine makes it anew. */
export async function startOf(
  { machines, settings, log }: EngineParts,
  id: ContainerId,
  planned: MachineStart,
): Promise<MachineStart> {
  const [why] = await passedOver(new MachineControl(`${settings.execRoot}/runtime/${id}`));
  if (why === undefined || planned.kind === 'cold') return planned;
  log.warn({ id, template: planned.template, why }, 'a machine did not start from its template');
  await machines.discardTemplate(planned.template);
  return { kind: 'cold', why };
}

/** Of a machine that has ended already there is nothing to tell. */
async function passedOver(control: MachineControl): Promise<readonly string[]> {
  try {
    return (await control.state()).passedOver;
  } catch (error) {
    if (isBerthError(error, 'unavailable')) return [];
    throw error;
  }
}

/** Longer than the monitor waits for its guest to be switched off (milliseconds). */
const KILL_GRACE = 15_000;

/**
 * Kills a machine's processes in its guest, so that what they have written is on the disk afterwards, as it is on the host's when
 * a container is killed. One whose guest does not answer, or does not end, is killed itself.
 */
export async function killGuest(
  context: ContainerContext,
  record: Pick<ContainerRecord, 'id'>,
  supervisor: Supervisor,
): Promise<void> {
  const killMachine = () => void supervisor.signal(constants.signals.SIGKILL).catch(() => {}); // it has just ended
  const timer = setTimeout(killMachine, KILL_GRACE);
  void supervisor.exited.then(() => clearTimeout(timer));
  try {
    await controlOf(context, record).killAll(AbortSignal.timeout(KILL_GRACE));
  } catch (error) {
    if (!isBerthError(error, 'unavailable') && !(error instanceof Error && error.name === 'TimeoutError'))
      throw error;
  }
}
