export * from './contract.ts';
export { parseImageConfig } from './image-config.ts';
export { openStore, type StoreOptions } from './open-store.ts';
