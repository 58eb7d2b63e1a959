export {
  type ArchitectureName,
  hostArchitecture,
  isArchitectureName,
} from './architecture.ts';
export { changeMemory, memoryNow } from './balloon.ts';
export * from './computer/contract.ts';
export * from './computer/control.ts';
export { BuiltDebian, MmdebstrapBuilder } from './computer/debian/index.ts';
export * from './computer/disks/index.ts';
export * from './computer/events.ts';
export { noCloudMedia } from './computer/first-boot/index.ts';
export * from './computer/guest-agent/index.ts';
export { type GuestMemory, GuestMemoryReaders } from './computer/guest-memory.ts';
export { nameServerOf } from './computer/leases.ts';
export { QemuComputers } from './computer/qemu-computers.ts';
export * from './computer/snapshots/index.ts';
export type * from './computer/systems.ts';
export * from './contract.ts';
export * from './control.ts';
export * from './from-spec.ts';
export { MACHINE_DISK } from './machine-folder.ts';
export { goOnWithRoom, standsStillForRoom } from './room.ts';
export * from './virtual-machines.ts';
export { DEFAULT_DISK_SIZE } from './writable-disk.ts';
