import {
  accelerationArguments,
  bareMachine,
  confinement,
  escaped,
  processorModel,
  qmpCommand,
} from '../qemu-arguments.ts';
import type { VmStep } from '../vm-plan.ts';
import {
  VM_AGENT_DESCRIPTOR,
  VM_GUEST_AGENT_DESCRIPTOR,
  VM_QMP_DESCRIPTOR,
  VM_STATE_DESCRIPTOR,
  VM_TAP_DESCRIPTOR,
} from '../vm-plan.ts';
import type { ComputerDisk, ComputerLayout, ComputerMedium, Placed } from './contract.ts';
import { type BlockNode, diskId, diskNode, mediumId, mediumNode } from './disk-nodes.ts';
import { nodeOptions } from './disks/node-options.ts';
import { MICROVM_BIOS } from './firmware.ts';
import { placeOptions, portArguments } from './places.ts';

/** The files that a layout's devices are made of; paths are those that QEMU sees. */
export interface ComputerFiles {
  readonly disks: readonly ComputerDisk[];
  readonly media: readonly ComputerMedium[];
  /** Of UEFI. */
  readonly flash: { readonly code: string; readonly variables: string } | undefined;
}

/** How a computer is known to its guest for good (SMBIOS, RFC 4122). */
export function guestUuid(id: string): string {
  const digits = `${id.slice(0, 12)}4${id.slice(13, 16)}8${id.slice(17, 32)}`;
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/** QEMU's arguments: the same layout gives the same devices, whether it boots or goes on from a snapshot's state. */
export function computerArguments(
  layout: ComputerLayout,
  files: ComputerFiles,
  uuid: string,
  begin: 'boot' | 'resume',
): string[] {
  return [
    ...bareMachine,
    ...board(layout, files.flash),
    ...accelerationArguments(layout.accelerator),
    ...processors(layout),
    ...memory(layout),
    ...['-uuid', uuid, '-rtc', 'base=utc'],
    ...channels(),
    ...portArguments(layout.model, layout.places),
    ...commonDevices(layout),
    ...layout.cards.flatMap((card, index) => cardArguments(layout, card, index)),
    ...diskArguments(layout, files),
    ...(begin === 'resume' ? ['-incoming', 'defer'] : ['-S']),
    ...confinement,
  ];
}

/** Without graphics, the BIOS and what it boots speak on the serial console. */
function board({ model }: ComputerLayout, flash: ComputerFiles['flash']): string[] {
  if (model === 'microvm') {
    return [
      ...['-M', 'microvm,acpi=on,isa-serial=on,rtc=on,graphics=off', '-bios', MICROVM_BIOS],
      ...['-global', 'virtio-mmio.force-legacy=false'],
    ];
  }
  if (flash === undefined) return ['-M', `${model},graphics=off`];
  const node = (name: string, path: string) => ({
    'node-name': name,
    ...nodeOptions({ path, format: 'raw' }, []),
  });
  const code = { ...node('firmware', flash.code), 'read-only': true };
  const variables = node('variables', flash.variables);
  return [
    ...[...blockdev(code), ...blockdev(variables)],
    ...['-M', `${model},graphics=off,pflash0=firmware,pflash1=variables`],
  ];
}

/** All but the first are devices of the same kind as those that come later, so that each can be taken out. */
function processors({ accelerator, processors: { present, most } }: ComputerLayout): string[] {
  if (most === present) return ['-smp', `${present},sockets=1,cores=${present},threads=1`];
  return [
    ...['-smp', `1,maxcpus=${most},sockets=1,cores=${most},threads=1`],
    ...Array.from({ length: present - 1 }, (_, index) => {
      return ['-device', deviceOptions(processorDevice(accelerator, index + 1))];
    }).flat(),
  ];
}

/** A device as `device_add` takes it. */
export type Device = { readonly driver: string; readonly id: string } & Readonly<
  Record<string, string | number>
>;

export function processorDevice(accelerator: ComputerLayout['accelerator'], index: number): Device {
  return {
    driver: `${processorModel(accelerator)}-x86_64-cpu`,
    id: processorId(index),
    ...{ 'socket-id': 0, 'core-id': index, 'thread-id': 0 },
  };
}

export function processorId(index: number): string {
  return `cpu${index}`;
}

/** The device that more memory comes by, whose amount is changed (virtio-mem). */
export const MEMORY_DEVICE = 'more-memory';

/** More memory takes nothing until the guest is given it. (reserve=off would need a file of /proc that is not in QEMU's root.) */
function memory({ memory: { start, more } }: ComputerLayout): string[] {
  if (more === 0) return ['-m', mebibytes(start)];
  return [
    ...['-m', `${mebibytes(start)},maxmem=${mebibytes(start + more)}`],
    ...['-object', `memory-backend-ram,id=more,size=${more}`],
  ];
}

function mebibytes(bytes: number): string {
  return `${bytes / 1024 ** 2}M`;
}

function channels(): string[] {
  return [
    ...['-chardev', `socket,id=console,fd=${VM_AGENT_DESCRIPTOR}`, '-serial', 'chardev:console'],
    ...['-chardev', `socket,id=qmp,fd=${VM_QMP_DESCRIPTOR}`, '-mon', 'chardev=qmp,mode=control'],
    ...['-chardev', `socket,id=agent,fd=${VM_GUEST_AGENT_DESCRIPTOR}`],
  ];
}

function commonDevices({ model, memory: { more } }: ComputerLayout): string[] {
  const on = model === 'microvm' ? 'device' : 'pci';
  return [
    ...['-device', `virtio-serial-${on},id=channels`],
    ...['-device', 'virtserialport,bus=channels.0,chardev=agent,name=org.qemu.guest_agent.0'],
    ...['-device', `virtio-rng-${on}`],
    ...['-device', `virtio-balloon-${on},id=balloon,free-page-reporting=on`],
    ...(more === 0 ? [] : ['-device', `virtio-mem-pci,id=${MEMORY_DEVICE},memdev=more,requested-size=0`]),
    ...(model === 'microvm' ? [] : ['-device', 'pvpanic']),
  ];
}

function cardArguments(
  layout: ComputerLayout,
  card: ComputerLayout['cards'][number],
  index: number,
): string[] {
  const end = cardId(card.name);
  return [
    ...['-netdev', `tap,fd=${VM_TAP_DESCRIPTOR + index},id=${end}-end`],
    ...['-device', deviceOptions(cardDevice(layout.model, card))],
  ];
}

/** No firmware boots from a network. */
export function cardDevice(model: ComputerLayout['model'], card: ComputerLayout['cards'][number]): Device {
  const id = cardId(card.name);
  return {
    driver: model === 'microvm' ? 'virtio-net-device' : 'virtio-net-pci',
    id,
    ...{ netdev: `${id}-end`, mac: card.name, host_mtu: card.mtu },
    ...(model === 'microvm' ? {} : { romfile: '' }),
    ...placeOptions(model, 'card', card.place),
  };
}

export function cardId(macAddress: string): string {
  return `card-${macAddress.replaceAll(':', '')}`;
}

/** Booted in their order: disks, then media, so that an installer's system boots when it is there. */
function diskArguments(layout: ComputerLayout, { disks, media }: ComputerFiles): string[] {
  const { model, readOnlyDisks, drives } = layout;
  const nodes = new Map<string, BlockNode>([
    ...disks.map((disk) => [diskId(disk.name), diskNode(disk)] as const),
    ...media.map((medium) => [mediumId(medium.name), mediumNode(medium)] as const),
  ]);
  const devices: Device[] = [
    ...layout.disks.map((disk) => diskDevice(model, disk)),
    ...readOnlyDisks.map(({ name, place }) => {
      return { ...blockDevice(model, mediumId(name), name), ...placeOptions(model, 'read-only-disk', place) };
    }),
    ...drives.map((name, index) => driveDevice(model, mediumId(name), index)),
  ];
  const controller = model === 'microvm' && drives.length > 0 ? ['-device', 'virtio-scsi-device'] : [];
  return [
    ...controller,
    ...devices.flatMap((device, bootindex) => [
      ...blockdev(nodes.get(device.id)),
      ...['-device', deviceOptions({ ...device, bootindex })],
    ]),
  ];
}

export function diskDevice(model: ComputerLayout['model'], { name, place }: Placed): Device {
  return { ...blockDevice(model, diskId(name), name), ...placeOptions(model, 'disk', place) };
}

function blockDevice(model: ComputerLayout['model'], id: string, serial: string): Device {
  return { driver: model === 'microvm' ? 'virtio-blk-device' : 'virtio-blk-pci', id, drive: id, serial };
}

function driveDevice(model: ComputerLayout['model'], id: string, index: number): Device {
  if (model === 'microvm') return { driver: 'scsi-cd', id, drive: id, lun: index };
  return { driver: 'ide-cd', id, drive: id, bus: `ide.${index}` };
}

function blockdev(node: BlockNode | undefined): string[] {
  return node === undefined ? [] : ['-blockdev', JSON.stringify(node)];
}

function deviceOptions({ driver, ...options }: Device): string {
  const words = Object.entries(options).map(([name, value]) => `${name}=${escaped(String(value))}`);
  return [driver, ...words].join(',');
}

/** What is said by QMP until a computer runs. */
export function beginSteps(begin: 'boot' | 'resume'): VmStep[] {
  if (begin === 'boot') return [qmpCommand('qmp_capabilities'), qmpCommand('cont')];
  return [
    qmpCommand('qmp_capabilities'),
    qmpCommand('migrate-set-capabilities', { capabilities: [{ capability: 'events', state: true }] }),
    qmpCommand('migrate-incoming', { uri: `fd:${VM_STATE_DESCRIPTOR}` }),
    { event: 'MIGRATION', words: ['"completed"'] },
    qmpCommand('cont'),
  ];
}
