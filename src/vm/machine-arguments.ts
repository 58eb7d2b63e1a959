import { type ArchitectureName, architectureNamed } from './architecture.ts';
import type { Accelerator, ShareTransport } from './contract.ts';
import {
  GUEST_LAYER_DISK,
  GUEST_PORT,
  GUEST_SHARE_TAG,
  GUEST_SHARES_ANY,
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
  VM_MEMORY_DESCRIPTOR,
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
  /**
   * A template goes on: the memory is a copy of the file's on write, or where a server of files must see it, descriptor 8; the rest comes
   * by {@link restoreSteps}.
   */
  | { readonly kind: 'warm'; readonly memoryFile: string };

/** The kernel of a guest and how it is told about its machine. Paths are those that QEMU sees. */
export interface Boot {
  readonly kernel: string;
  readonly initramfs: string;
  /** Of the host's time stamp counter; undefined: the guest has none, or finds out, which takes its time. */
  readonly counterKilohertz: number | undefined;
}

/** By what the guest can mount the host's folders: QEMU shows this folder itself, or a server of files beside it shows its own. */
export interface ShareDevice {
  readonly kind: ShareTransport;
  /** Of QEMU's root; an empty one where the server shows them. */
  readonly folder: string;
}

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
  if (shares.kind === 'virtiofs') {
    const kind = origin.kind === 'warm' ? `file,mem-path=/proc/self/fd/${VM_MEMORY_DESCRIPTOR}` : 'memfd';
    return ['-object', `memory-backend-${kind},id=ram,size=${memory},share=on`];
  }
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
  const shares = origin.kind === 'template' ? GUEST_SHARES_ANY : origin.shares;
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
    ...shareDevice(origin, shares),
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

/**
 * QEMU can keep no state of a device whose server is another program. So a template has the device of QEMU's own server, and a
 * machine that goes on from it has the other put in its place: {@link replaceShareDevice}.
 */
function shareDevice(origin: MachineOrigin, { kind, folder }: ShareDevice): string[] {
  const server =
    kind === 'virtiofs' ? ['-chardev', `socket,id=${SERVER_CHANNEL},fd=${VM_FILE_SERVER_DESCRIPTOR}`] : [];
  if (kind === 'virtiofs' && origin.kind === 'cold') {
    return [...server, '-device', `vhost-user-fs-device,chardev=${SERVER_CHANNEL},tag=${GUEST_SHARE_TAG}`];
  }
  return [
    ...server,
    ...['-fsdev', `local,id=shares,path=${escaped(folder)},security_model=passthrough,multidevs=remap`],
    ...[
      '-device',
      `virtio-9p-device,id=${SHARE_DEVICE},fsdev=shares,mount_tag=${GUEST_SHARE_TAG},bus=${SHARE_SLOT}`,
    ],
    ...['-device', `virtio-scsi-device,id=${SLOT_KEEPER}`],
  ];
}

/** The bus of virtio-mmio that the shares' device is on, its name there, and its server's channel. */
const SHARE_SLOT = 'virtio-mmio-bus.9';
const SHARE_DEVICE = 'shares-device';
const SERVER_CHANNEL = 'shares-server';

/** A controller without disks: its own bus knows how devices come and go, which those of virtio-mmio do not. */
const SLOT_KEEPER = 'keeper';

/**
 * A device of virtio-mmio can come while the guest stands still, as long as its bus has somebody to take it (the property
 * `hotplug-handler` of every bus of QEMU's): a SCSI bus takes all, and has nothing to do for those that are not its own. The
 * guest looks at the slot again when it mounts the shares.
 */
function replaceShareDevice(): VmStep[] {
  const keeper = `/machine/peripheral/${SLOT_KEEPER}/${SLOT_KEEPER}.0`;
  return [
    command('qom-set', { path: SHARE_SLOT, property: 'hotplug-handler', value: keeper }),
    command('device_del', { id: SHARE_DEVICE }),
    command('device_add', {
      ...{ driver: 'vhost-user-fs-device', id: SHARE_DEVICE, bus: SHARE_SLOT },
      ...{ chardev: SERVER_CHANNEL, tag: GUEST_SHARE_TAG },
    }),
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
export function restoreSteps(disks: MachineDisks, shares: ShareTransport): VmStep[] {
  return [
    command('qmp_capabilities'),
    migrationCapabilities,
    command('migrate-incoming', { uri: `fd:${VM_STATE_DESCRIPTOR}` }),
    { event: 'MIGRATION', words: ['"completed"'] },
    ...diskSteps(disks),
    ...(shares === 'virtiofs' ? replaceShareDevice() : []),
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
