export { type Builder, type BuilderParts, createBuilder, type SolvedBuild } from './builder.ts';
export { BuildKit } from './buildkit-entrance.ts';
export type { CachedLayer } from './cached-layers.ts';
export { changeConfig } from './config-changes.ts';
export type * from './contract.ts';
export type { FailedCommand } from './failures.ts';
export type { CachePrune, PrunedCache } from './prune-cache.ts';
export { sessionHeaders } from './session-headers.ts';
