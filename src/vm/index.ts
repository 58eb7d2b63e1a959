export * from './contract.ts';
export * from './control.ts';
export * from './from-spec.ts';
export * from './unavailable.ts';
