export type * from './contract.ts';
export { QemuSnapshots } from './qemu-snapshots.ts';
export { goOnWithRoom, letGoOn } from './take-live.ts';
