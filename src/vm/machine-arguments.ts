import { type ArchitectureName, architectureNamed } from './architecture.ts';
import type { Accelerator, ShareTransport } from './contract.ts';
import {
  GUEST_LAYER_DISK,
  GUEST_PORT,
  GUEST_SHARE_TAG,
  GUEST_SHARES_VARIABLE,
  GUEST_WRITABLE_DISK,
} from './guest-protocol.ts';
import {
  accelerationArguments,
  bareMachine,
  qmpCommand as command,
  confinement,
  escaped,
} from './qemu-arguments.ts';
import type { VmStep } from './vm-plan.ts';
import {
  VM_AGENT_DESCRIPTOR,
  VM_FILE_SERVER_DESCRIPTOR,
  VM_QMP_DESCRIPTOR,
  VM_STATE_DESCRIPTOR,
  VM_TAP_DESCRIPTOR,
} from './vm-plan.ts';

/** Of a disk without content: as much as ext4 can have with blocks of 4 KiB. */
const EMPTY_DISK_SIZE = 16 * 1024 ** 4;

/** What decides a guest's devices: a template serves machines of its own shape only. */
export interface MachineShape {
  readonly architecture: ArchitectureName;
  readonly accelerator: Accelerator['name'];
  readonly processors: number;
  /** Bytes, a multiple of 1 MiB. */
  readonly memory: number;
  /** Network cards. */
  readonly cards: number;
}

/** Where a guest's memory and processors come from. */
export type MachineOrigin =
  /** A kernel boots, with the modules for the folders that it shares; undefined: none. */
  | { readonly kind: 'cold'; readonly boot: Boot; readonly shares: ShareTransport | undefined }
  /** The same, for a template: the memory is the file's, and nothing is joined to the cards. */
  | { readonly kind: 'template'; readonly boot: Boot; readonly memoryFile: string }
  /** A template goes on: the memory is a copy of the file's on write, the rest comes by {@link restoreSteps}. */
  | { readonly kind: 'warm'; readonly memoryFile: string };

/** The kernel of a guest and how it is told about its machine. Paths are those that QEMU sees. */
export interface Boot {
  readonly kernel: string;
  readonly initramfs: string;
  /** Of the host's time stamp counter; undefined: the guest has none, or finds out, which takes its time. */
  readonly counterKilohertz: number | undefined;
}

/** By what the guest can mount the host's folders: QEMU opens the folder itself, or a server of files beside it does. */
export type ShareDevice = { readonly kind: '9p'; readonly folder: string } | { readonly kind: 'virtiofs' };

/** Writes QEMU's arguments: its descriptors are those of vm-plan.h. */
export function machineArguments(shape: MachineShape, origin: MachineOrigin, shares: ShareDevice): string[] {
  return [
    ...machineType(shape),
    ...memory(shape, origin, shares),
    ...(origin.kind === 'warm' ? ['-incoming', 'defer'] : bootArguments(shape, origin)),
    ...channels(),
    ...devices(shape, origin, shares),
    ...confinement,
  ];
}

/** The address of card `index` until the guest gives it its own; a template's clones would all have the same. */
export function cardAddress(index: number): string {
  return `52:54:00:00:00:${index.toString(16).padStart(2, '0')}`;
}

function machineType({ architecture, accelerator, processors, memory }: MachineShape): string[] {
  const { machine } = architectureNamed(architecture);
  return [
    ...[...bareMachine, '-no-reboot'],
    ...['-M', `${machine[accelerator]},memory-backend=ram`],
    ...accelerationArguments(accelerator, architectureNamed(architecture)),
    ...['-smp', String(processors), '-m', `${memory / 1024 ** 2}M`],
    ...['-global', 'virtio-mmio.force-legacy=false'],
  ];
}

function memory({ memory }: MachineShape, origin: MachineOrigin, shares: ShareDevice): string[] {
  // A server of files puts what it reads into the guest's memory itself.
  if (shares.kind === 'virtiofs') return ['-object', `memory-backend-memfd,id=ram,size=${memory},share=on`];
  if (origin.kind === 'cold') return ['-object', `memory-backend-ram,id=ram,size=${memory}`];
  const share = origin.kind === 'template' ? 'on' : 'off';
  return [
    '-object',
    `memory-backend-file,id=ram,size=${memory},mem-path=${escaped(origin.memoryFile)},share=${share}`,
  ];
}

function bootArguments(
  { architecture }: MachineShape,
  origin: Exclude<MachineOrigin, { kind: 'warm' }>,
): string[] {
  const { console, kernelWords } = architectureNamed(architecture);
  const { kernel, initramfs, counterKilohertz } = origin.boot;
  const shares = origin.kind === 'template' ? '9p' : origin.shares;
  // There is no timer to measure the counter with but one that a busy host delays: every second boot then hangs.
  const counter = counterKilohertz === undefined ? [] : [`tsc_early_khz=${counterKilohertz}`, 'tsc=reliable'];
  const words = [
    ...[`console=${console}`, 'quiet', 'panic=-1', ...kernelWords],
    ...counter,
    ...['cryptomgr.notests', 'random.trust_cpu=on'],
    // Not the kernel's: it hands it on to PID 1 as a variable.
    ...(shares === undefined ? [] : [`${GUEST_SHARES_VARIABLE}=${shares}`]),
  ];
  return ['-kernel', kernel, '-initrd', initramfs, '-append', words.join(' '), '-S'];
}

function channels(): string[] {
  return [
    ...['-chardev', 'stdio,id=console,signal=off', '-serial', 'chardev:console'],
    ...['-chardev', `socket,id=qmp,fd=${VM_QMP_DESCRIPTOR}`, '-mon', 'chardev=qmp,mode=control'],
    ...['-chardev', `socket,id=agent,fd=${VM_AGENT_DESCRIPTOR}`],
  ];
}

/** The same devices in the same order for a template and its clones. */
function devices({ cards }: MachineShape, origin: MachineOrigin, shares: ShareDevice): string[] {
  return [
    // Of its own accord it has queues for 31 ports, all of which the guest prepares. The first one can only be a console.
    ...['-device', 'virtio-serial-device,max_ports=2'],
    ...['-device', `virtserialport,chardev=agent,name=${GUEST_PORT}`],
    ...[GUEST_LAYER_DISK, GUEST_WRITABLE_DISK].flatMap(emptyDisk),
    ...['-device', 'virtio-rng-device'],
    ...['-device', 'virtio-balloon-device,free-page-reporting=on'],
    ...shareDevice(shares),
    ...Array.from({ length: cards }, (_, index) => card(index, origin)).flat(),
  ];
}

/**
 * A disk whose content comes later, larger than any that could come: microvm takes no new virtio-mmio devices while it
 * runs, and to find disks on a SCSI controller takes an emulated guest 40 ms each. What is behind a disk is no part of a
 * guest's state. The serial number names it for the guest.
 */
function emptyDisk(name: string): string[] {
  const content = {
    ...{ driver: 'null-co', 'node-name': `no-${name}`, size: EMPTY_DISK_SIZE, 'read-zeroes': true },
    'read-only': name === GUEST_LAYER_DISK,
  };
  return [
    ...['-blockdev', JSON.stringify(content)],
    ...['-device', `virtio-blk-device,id=${name}-disk,drive=no-${name},serial=${name}`],
  ];
}

function shareDevice(shares: ShareDevice): string[] {
  if (shares.kind === 'virtiofs') {
    return [
      ...['-chardev', `socket,id=shares,fd=${VM_FILE_SERVER_DESCRIPTOR}`],
      ...['-device', `vhost-user-fs-device,chardev=shares,tag=${GUEST_SHARE_TAG}`],
    ];
  }
  const folder = escaped(shares.folder);
  return [
    ...['-fsdev', `local,id=shares,path=${folder},security_model=passthrough,multidevs=remap`],
    ...['-device', `virtio-9p-device,fsdev=shares,mount_tag=${GUEST_SHARE_TAG}`],
  ];
}

/** What is behind a card is no part of a template's state. */
function card(index: number, origin: MachineOrigin): string[] {
  const end = origin.kind === 'template' ? `hubport,hubid=${index}` : `tap,fd=${VM_TAP_DESCRIPTOR + index}`;
  return [
    ...['-netdev', `${end},id=net${index}`],
    ...['-device', `virtio-net-device,netdev=net${index},mac=${cardAddress(index)}`],
  ];
}

/** The disks of a machine, as QEMU sees them; undefined: it has none of the kind. */
export interface MachineDisks {
  readonly layers: string | undefined;
  readonly writable: string | undefined;
}

/** What is said by QMP until a machine that boots runs. */
export function bootSteps(disks: MachineDisks): VmStep[] {
  return [command('qmp_capabilities'), ...diskSteps(disks), command('cont')];
}

/** The same for one that goes on from a template. The state has everything but the memory (x-ignore-shared). */
export function restoreSteps(disks: MachineDisks): VmStep[] {
  return [
    command('qmp_capabilities'),
    migrationCapabilities,
    command('migrate-incoming', { uri: `fd:${VM_STATE_DESCRIPTOR}` }),
    { event: 'MIGRATION', words: ['"completed"'] },
    ...diskSteps(disks),
    command('cont'),
  ];
}

export const migrationCapabilities: VmStep & { command: object } = command('migrate-set-capabilities', {
  capabilities: ['x-ignore-shared', 'events'].map((capability) => ({ capability, state: true })),
});

function diskSteps({ layers, writable }: MachineDisks): VmStep[] {
  const steps: VmStep[] = [];
  if (layers !== undefined) {
    const file = { driver: 'file', filename: layers, 'read-only': true };
    const disk = { driver: 'vmdk', 'read-only': true, file };
    steps.push(...fillDisk(GUEST_LAYER_DISK, disk));
  }
  if (writable !== undefined) {
    const file = { driver: 'file', filename: writable, discard: 'unmap' };
    const disk = { driver: 'raw', discard: 'unmap', file };
    steps.push(...fillDisk(GUEST_WRITABLE_DISK, disk));
  }
  return steps;
}

function fillDisk(name: string, content: Record<string, unknown>): VmStep[] {
  return [
    command('blockdev-add', { 'node-name': name, ...content }),
    command('qom-set', { path: `/machine/peripheral/${name}-disk`, property: 'drive', value: name }),
  ];
}
