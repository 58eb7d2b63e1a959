export { createRegistryClient } from './client.ts';
export * from './contract.ts';
export { type Download, Downloads } from './downloads.ts';
export { type Manifest, parseManifest } from './manifest.ts';
export { choosePlatform, parsePlatform, platformName, runsOn } from './platform.ts';
