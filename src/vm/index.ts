export * from './contract.ts';
export * from './control.ts';
export * from './from-spec.ts';
export * from './virtual-machines.ts';
export { DEFAULT_DISK_SIZE } from './writable-disk.ts';
