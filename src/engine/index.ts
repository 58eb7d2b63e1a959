export * from './containers/index.ts';
export { type Engine, openEngine } from './engine.ts';
export { type EngineEvent, Events } from './events.ts';
export type { PullOptions, PullProgress, PushOptions, PushProgress, Removal } from './images/index.ts';
export { isBridge, type NetworkRecord, type NewNetwork } from './networks.ts';
export type { EngineLog, EngineParts, EngineSettings } from './parts.ts';
export type { NewVolume, Volume } from './volumes.ts';
