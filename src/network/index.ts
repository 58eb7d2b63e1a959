export { type NetworkFilesInput, networkFiles } from './container-files.ts';
export type * from './contract.ts';
export { createNetworkDriver, type NetworkDriverOptions } from './driver.ts';
export * from './ports.ts';
