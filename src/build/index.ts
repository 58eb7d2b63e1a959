export { type Builder, type BuilderParts, createBuilder } from './builder.ts';
export type * from './contract.ts';
