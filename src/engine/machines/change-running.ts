import { Timeline } from '../../base/index.ts';
import { ociResources } from '../../runtime/index.ts';
import type { WantedComputer } from '../../vm/index.ts';
import { diskOf, hardwareOf, machineOf, prepareComputer } from '../containers/computer/bundle.ts';
import { computerControl } from '../containers/computer/control.ts';
import { computerFiles } from '../containers/computer/files.ts';
import type { MachineDisk } from '../containers/computer/options.ts';
import { type ContainerRecord, isActive } from '../containers/container.ts';
import { type ContainerContext, containerDirectory } from '../containers/context.ts';
import { allotmentOf } from '../containers/vm/allotment.ts';
import { limitProcessors } from '../containers/vm/update.ts';
import type { MachineChange, MachineChanged } from './change.ts';

/**
 * Makes a machine that runs what its record says, as far as that is possible now; the rest holds from its next start on,
 * also when that is a restart by its supervisor.
 */
export async function changeRunning(
  context: ContainerContext,
  record: ContainerRecord,
  change: MachineChange,
  signal: AbortSignal,
): Promise<MachineChanged> {
  const { id } = record;
  const control = computerControl(context, record);
  const wanted = await wantedOf(context, record, change.disks);
  const { changed, needsRestart, allotment } = await context.parts.computers
    .change(wanted, control, signal)
    .catch(async (error: unknown) => {
      await prepareRestarts(context, id); // it may have ended just now, and be about to start again
      throw error;
    });
  const { host, state } = context.collection.find(id);
  if (isActive(state) && state.computer !== undefined) {
    const computer = { ...state.computer, ...allotment };
    const machine = { ...machineOf({ host }), disks: await measuredDisks(context, record) };
    context.collection.update(id, { host: { ...host, machine }, state: { ...state, computer } });
    await prepareRestarts(context, id);
  }
  const time =
    change.cpus === undefined ? undefined : await changeProcessorTime(context, record, change.cpus);
  const iso = change.iso === undefined ? [] : ['iso'];
  return {
    changed: [...changed, ...(time?.isChanged === true ? [time.what] : [])],
    needsRestart: [
      ...needsRestart.map(({ what, why }) => `${what} (${why})`),
      ...(time?.isChanged === false ? [`${time.what} (this host's control groups withhold none)`] : []),
      ...iso,
    ],
  };
}

/** A part of a processor is one whose rest the host's scheduler withholds, however many the machine has now. */
async function changeProcessorTime(
  context: ContainerContext,
  record: ContainerRecord,
  cpus: number,
): Promise<{ readonly what: string; readonly isChanged: boolean }> {
  const { cpu } = ociResources(record.host.resources, [], context.parts.hostFacts.cgroups).resources;
  const what = `the time of ${cpus} ${cpus === 1 ? 'processor' : 'processors'}`;
  if (cpu?.quota === undefined) return { what, isChanged: false };
  await limitProcessors(context, record, record.host);
  return { what, isChanged: true };
}

async function wantedOf(
  context: ContainerContext,
  record: ContainerRecord,
  grown: MachineChange['disks'],
): Promise<WantedComputer> {
  const machine = machineOf(record);
  const files = computerFiles(containerDirectory(context, record.id));
  const disks = machine.disks.map(async (disk) => {
    const size = grown.find(({ name }) => name === disk.name)?.size ?? disk.size;
    return { ...(await diskOf(context, disk, files.disk(disk.name))), size };
  });
  const endpoints = isActive(record.state) ? record.state.endpoints : [];
  return {
    hardware: hardwareOf(machine, allotmentOf(context, record)),
    disks: await Promise.all(disks),
    cards: endpoints.map(({ macAddress }) => ({ macAddress })),
  };
}

/** What was grown is as large as QEMU made it. */
async function measuredDisks(context: ContainerContext, record: ContainerRecord): Promise<MachineDisk[]> {
  const files = computerFiles(containerDirectory(context, record.id));
  const disks = machineOf(record).disks.map(async (disk) => {
    const file = await diskOf(context, disk, files.disk(disk.name));
    return { ...disk, size: await context.parts.machineDisks.size(file) };
  });
  return Promise.all(disks);
}

/** The supervisor restarts a machine by its own policy and from the bundle, which is to be of the new hardware. */
async function prepareRestarts(context: ContainerContext, id: ContainerRecord['id']): Promise<void> {
  const record = context.collection.find(id);
  const running = context.running.get(id);
  if (!isActive(record.state) || running === undefined) return; // nobody restarts it
  const { supervisor } = running;
  const connection = { endpoints: record.state.endpoints };
  await prepareComputer(context, record, { connection, supervisor }, new Timeline());
}
