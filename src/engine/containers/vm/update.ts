import { conflict, errorMessage, formatBinarySize } from '../../../base/index.ts';
import {
  applySettings,
  controlGroupFolders,
  controlGroupPath,
  ociResources,
} from '../../../runtime/index.ts';
import {
  type Allotment,
  ComputerControl,
  changeMemory,
  MachineControl,
  memoryNow,
} from '../../../vm/index.ts';
import {
  type ContainerRecord,
  type HostOptions,
  isActive,
  isAlive,
  type MachineDetails,
  type ResourceLimits,
} from '../container.ts';
import { type ContainerContext, runtimeRoot } from '../context.ts';
import { wantedResources } from './allotment.ts';
import { refuseContainerOptions } from './refuse.ts';

/** So long a guest may take to give memory back, however busy the host is (milliseconds). */
const PATIENCE = 60_000;

/** Bytes that a guest keeps for what its programs do next. */
const RESERVE = 8 * 1024 ** 2;

/**
 * Changes a virtual machine's limits; in one that runs they hold when this returns. It was started with so many processors and
 * so much memory: within these the host's scheduler withholds the one, and the guest's kernel gives the other back. Throws
 * `conflict` for what only a start can change, and for memory that the guest cannot give; it then has what it had.
 */
export async function changeMachine(
  context: ContainerContext,
  record: ContainerRecord,
  host: HostOptions,
): Promise<{ readonly warnings: readonly string[] }> {
  const { machines, hostFacts } = context.parts;
  refuseContainerOptions(host);
  const wanted = machines.allot(wantedResources(host), []);
  const { warnings } = ociResources(host.resources, [], hostFacts.cgroups);
  if (!isAlive(record.state) || record.state.machine === undefined) return { warnings };
  refuseLive(record, host.resources, record.state.machine, wanted);
  if (record.state.status === 'restarting') return { warnings }; // its next run gets them
  if (record.state.status === 'paused' && host.resources.memory !== record.host.resources.memory) {
    throw conflict(`the virtual machine ${record.name} is paused, and gives no memory back`, {
      hint: `Let it go on first: berth unpause ${record.name}`,
    });
  }
  await limitProcessors(context, record, host);
  try {
    await limitMemory(context, record, host, record.state.machine);
  } catch (error) {
    await limitProcessors(context, record, record.host);
    throw error;
  }
  return { warnings };
}

/** Applies the limits of a machine that was started again by its supervisor, with what it was started with before. */
export async function limitRestarted(context: ContainerContext, record: ContainerRecord): Promise<void> {
  if (!isActive(record.state) || record.state.machine === undefined) return;
  try {
    await limitProcessors(context, record, record.host);
    await limitMemory(context, record, record.host, record.state.machine);
  } catch (error) {
    const { id } = record;
    context.parts.log.warn({ id, error: errorMessage(error) }, 'a restarted machine has not its limits');
  }
}

/** Inside, or a part of what the guest's kernel found when it booted. */
function refuseLive(
  { name, host }: ContainerRecord,
  after: ResourceLimits,
  machine: MachineDetails,
  wanted: Allotment,
): void {
  const hint = `Stop it first, and it has them from its next start on: berth stop ${name}`;
  if (wanted.processors > machine.processors) {
    throw conflict(
      `the virtual machine ${name} has been started with --cpus ${machine.processors}, and cannot have ${wanted.processors} while it runs`,
      { hint },
    );
  }
  if (wanted.memory > machine.memory) {
    throw conflict(
      `the virtual machine ${name} was started with ${formatBinarySize(machine.memory)} of memory, and cannot have ${formatBinarySize(wanted.memory)} while it runs`,
      { hint },
    );
  }
  const fixed = (Object.keys(FIXED) as (keyof typeof FIXED)[]).find(
    (limit) => host.resources[limit] !== after[limit],
  );
  if (fixed === undefined) return;
  throw conflict(`${FIXED[fixed]} of the virtual machine ${name} cannot be changed while it runs`, { hint });
}

const FIXED = {
  cpusetCpus: 'the CPU set',
  cpusetMems: 'the set of memory nodes',
  pidsLimit: 'the limit of processes',
} as const satisfies Partial<Record<keyof ResourceLimits, string>>;

/** By the control group of its QEMU: the sets of processors are those that it has joined. */
export async function limitProcessors(
  { parts: { settings, hostFacts } }: ContainerContext,
  { id }: Pick<ContainerRecord, 'id'>,
  { resources, cgroupParent }: HostOptions,
): Promise<void> {
  const { cpu, blockIO } = ociResources(resources, [], hostFacts.cgroups).resources;
  const { cpus: _cpus, mems: _mems, ...time } = cpu ?? {};
  const weight = blockIO?.weight === undefined ? {} : { blockIO: { weight: blockIO.weight } };
  const path = controlGroupPath(settings.instance, id, cgroupParent);
  const limits = { cpu: { quota: -1, ...time }, ...weight };
  await applySettings(await controlGroupFolders(path, limits, hostFacts.cgroups));
}

async function limitMemory(
  context: ContainerContext,
  { id, name, host: before }: ContainerRecord,
  host: HostOptions,
  machine: MachineDetails,
): Promise<void> {
  const { runtime } = context.parts.machines;
  const wanted = memoryOf(context, host, machine);
  const folder = `${runtimeRoot(context)}/${id}`;
  const control = new ComputerControl(folder, runtime.path);
  const present = await memoryNow(control);
  const spare = present > wanted ? await spareMemory(new MachineControl(folder)) : 0;
  if (present - wanted > spare) throw needsMemory(name, present - spare, wanted);
  const reached = await changeMemory(control, wanted, AbortSignal.timeout(PATIENCE));
  if (reached === wanted) return;
  await changeMemory(control, memoryOf(context, before, machine), AbortSignal.timeout(PATIENCE));
  throw needsMemory(name, reached, wanted);
}

/** Bytes that a guest's programs do not miss: its kernel would kill some of them for what goes beyond. */
async function spareMemory(control: MachineControl): Promise<number> {
  const meminfo = (await control.statistics()).get('meminfo') ?? '';
  const available = Number(/^MemAvailable: +(\d+) kB/m.exec(meminfo)?.[1] ?? 0) * 1024;
  return Math.max(0, available - RESERVE);
}

function needsMemory(name: string, least: number, wanted: number): Error {
  return conflict(
    `the virtual machine ${name} needs its memory: its programs leave it no less than ${formatBinarySize(least)}, and ${formatBinarySize(wanted)} are wanted`,
    { hint: 'Ask for less of it back, or end programs inside' },
  );
}

function memoryOf({ parts }: ContainerContext, host: HostOptions, { memory }: MachineDetails): number {
  if (host.resources.memory <= 0) return memory;
  return parts.machines.allot({ ...wantedResources(host), cpus: undefined }, []).memory;
}
