export { createRegistryClient } from './client.ts';
export * from './contract.ts';
