export * from './contract.ts';
export { parseImageConfig } from './image-config.ts';
export type { LayerFormatName, PlaceTree } from './layer-format.ts';
export { openStore, type StoreOptions } from './open-store.ts';
export { type ArchiveEntry, tarEntries } from './tar/entries.ts';
