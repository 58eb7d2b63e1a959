export type * from './contract.ts';
export { QemuSnapshots } from './qemu-snapshots.ts';
export { letGoOn } from './take-live.ts';
