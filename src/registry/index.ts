export { createRegistryClient } from './client.ts';
export * from './contract.ts';
export { parsePlatform, platformName, runsOn } from './platform.ts';
