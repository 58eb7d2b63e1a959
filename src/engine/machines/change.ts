import { formatBinarySize, invalid } from '../../base/index.ts';
import type { ComputerModel, Firmware } from '../../vm/index.ts';
import { diskOf, machineOf } from '../containers/computer/bundle.ts';
import { computerFiles } from '../containers/computer/files.ts';
import type { MachineDisk } from '../containers/computer/options.ts';
import {
  type ContainerRecord,
  type HostOptions,
  isActive,
  isAlive,
  type RestartPolicy,
} from '../containers/container.ts';
import { type ContainerContext, containerDirectory, emit } from '../containers/context.ts';
import { changePorts, type PortChange } from '../containers/publish.ts';
import { restartPlan } from '../containers/restart.ts';
import { allotmentOf } from '../containers/vm/allotment.ts';
import { requireNoRestart } from './admission.ts';
import { changeRunning } from './change-running.ts';
import { checkHardware, requireHealthcheck } from './check.ts';
import { requireDiskNames } from './names.ts';

/** What is to be otherwise in a machine; undefined: as it is. Sizes are bytes. */
export interface MachineChange {
  readonly cpus: number | undefined;
  readonly memory: number | undefined;
  readonly model: ComputerModel | undefined;
  readonly firmware: Firmware | undefined;
  /** New ones, and those that are to be larger. */
  readonly disks: readonly { readonly name: string; readonly size: number }[];
  /** null: none. */
  readonly iso: string | null | undefined;
  readonly restart: RestartPolicy | undefined;
  /** Seconds. */
  readonly stopTimeout: number | undefined;
  readonly ports: PortChange;
}

/** Which changes are felt by now, and which from the next start on: "memory", "disk data". */
export interface MachineChanged {
  readonly changed: readonly string[];
  readonly needsRestart: readonly string[];
}

/**
 * Changes a machine: at once what can be, the rest from its next start on. Throws `invalid` for what it cannot have, `conflict`
 * for what it has to be stopped for, and while it waits for its restart.
 */
export async function changeMachine(
  context: ContainerContext,
  { id }: Pick<ContainerRecord, 'id'>,
  change: MachineChange,
  signal: AbortSignal,
): Promise<MachineChanged> {
  return context.collection.exclusively(
    id,
    async () => {
      const before = context.collection.find(id);
      await check(context, before, change);
      context.collection.update(id, await changePorts(context, before, change.ports));
      await changeDisks(context, before, change, signal);
      if (change.restart !== undefined) {
        await context.running.get(id)?.supervisor.setRestartPolicy(restartPlan(change.restart));
      }
      const { host, config } = context.collection.find(id);
      const record = context.collection.update(id, {
        host: changedOptions(host, change),
        config: { ...config, stopTimeout: change.stopTimeout ?? config.stopTimeout },
      });
      const told = isActive(record.state)
        ? await changeRunning(context, record, change, signal)
        : {
            changed: [...hardwareNames(change), ...change.disks.map(({ name }) => `disk ${name}`)],
            needsRestart: [],
          };
      emit(context, context.collection.find(id), 'update');
      return { ...told, changed: [...atOnce(change), ...told.changed] };
    },
    signal,
  );
}

async function check(
  context: ContainerContext,
  record: ContainerRecord,
  change: MachineChange,
): Promise<void> {
  requireDiskNames(change.disks);
  // What it is started from may be being read just now.
  if (hardwareNames(change).length + change.disks.length > 0) requireNoRestart(record);
  const host = changedOptions(record.host, change);
  requireHealthcheck(record.config, host.restart);
  const names = new Set([...machineOf(record).disks, ...change.disks].map(({ name }) => name));
  await checkHardware(context, host, { disks: names.size, cards: record.networks.length });
  requireNoSmallerDisk(machineOf(record).disks, change.disks);
  if (isAlive(record.state)) allotmentOf(context, { ...record, host });
}

function requireNoSmallerDisk(disks: readonly MachineDisk[], wanted: MachineChange['disks']): void {
  for (const { name, size } of wanted) {
    const known = disks.find((disk) => disk.name === name);
    if (known === undefined || known.size <= size) continue;
    throw invalid(
      `the disk ${name} has ${formatBinarySize(known.size)} and cannot become smaller (${formatBinarySize(size)})`,
      { hint: 'What is at its end would be lost: make a smaller disk and copy inside the machine' },
    );
  }
}

/** All but disks and ports, which are more than words. */
function changedOptions(host: HostOptions, change: MachineChange): HostOptions {
  const { cpus, memory, restart, model, firmware, iso } = change;
  const machine = machineOf({ host });
  return {
    ...host,
    restart: restart ?? host.restart,
    resources: {
      ...host.resources,
      nanoCpus: cpus === undefined ? host.resources.nanoCpus : Math.round(cpus * 1e9),
      memory: memory ?? host.resources.memory,
    },
    machine: {
      ...machine,
      model: model ?? machine.model,
      firmware: firmware ?? machine.firmware,
      iso: iso === null ? undefined : (iso ?? machine.iso),
    },
  };
}

/** Each is recorded as soon as it is done. Disks that a machine is using grow by {@link changeRunning}. */
async function changeDisks(
  context: ContainerContext,
  { id, state }: ContainerRecord,
  { disks }: MachineChange,
  signal: AbortSignal,
): Promise<void> {
  const files = computerFiles(containerDirectory(context, id));
  for (const { name, size } of disks) {
    const { host } = context.collection.find(id);
    const machine = machineOf({ host });
    const known = machine.disks.find((disk) => disk.name === name);
    if (known !== undefined && isActive(state)) continue;
    const changed =
      known === undefined
        ? await addDisk(context, name, size, files.disk(name), signal)
        : await growDisk(context, known, size, files.disk(name), signal);
    const others = machine.disks.map((disk) => (disk.name === name ? changed : disk));
    const all = known === undefined ? [...machine.disks, changed] : others;
    context.collection.update(id, { host: { ...host, machine: { ...machine, disks: all } } });
  }
}

async function addDisk(
  { parts }: ContainerContext,
  name: string,
  size: number,
  path: string,
  signal: AbortSignal,
): Promise<MachineDisk> {
  await parts.machineDisks.remove({ path }); // of a change that was cut off before it was recorded
  return { name, size: (await parts.machineDisks.create(path, { size, backing: undefined }, signal)).size };
}

async function growDisk(
  context: ContainerContext,
  disk: MachineDisk,
  size: number,
  path: string,
  signal: AbortSignal,
): Promise<MachineDisk> {
  const { machineDisks } = context.parts;
  const found = await diskOf(context, disk, path);
  await machineDisks.grow(found, size, signal);
  return { ...disk, size: await machineDisks.size(found) };
}

function atOnce({ restart, stopTimeout, ports }: MachineChange): string[] {
  return [
    ...(ports.add.length + ports.remove.length > 0 ? ['ports'] : []),
    ...(restart === undefined ? [] : ['restart policy']),
    ...(stopTimeout === undefined ? [] : ['stop timeout']),
  ];
}

function hardwareNames({ cpus, memory, model, firmware, iso }: MachineChange): string[] {
  return Object.entries({ cpus, memory, 'machine type': model, firmware, iso })
    .filter(([, value]) => value !== undefined)
    .map(([name]) => name);
}
