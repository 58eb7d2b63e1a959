export { type Builder, type BuilderParts, createBuilder } from './builder.ts';
export { changeConfig } from './config-changes.ts';
export type * from './contract.ts';
export type { FailedCommand } from './failures.ts';
