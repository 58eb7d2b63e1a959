export * from './computer/contract.ts';
export { missingComputers } from './computer/missing-computers.ts';
export * from './contract.ts';
export * from './control.ts';
export * from './from-spec.ts';
export { MACHINE_DISK } from './machine-folder.ts';
export * from './virtual-machines.ts';
export { DEFAULT_DISK_SIZE } from './writable-disk.ts';
