export * from './containers/index.ts';
export type {
  ContainerSizes,
  ContainerUsage,
  DataRootCategory,
  DataRootUsage,
  DiskUsage,
  DiskUse,
  ImageUsage,
  VolumeUsage,
} from './disk-usage/index.ts';
export { type Engine, openEngine } from './engine.ts';
export { type EngineEvent, Events } from './events.ts';
export type { Damage } from './images/check/index.ts';
export type {
  LoadProgress,
  PullOptions,
  PullProgress,
  PushOptions,
  PushProgress,
  Removal,
} from './images/index.ts';
export { LayerShares } from './images/layer-shares.ts';
export type { ListedManifest } from './images/listed-manifests.ts';
export type {
  CreatedMachine,
  CreationProgress,
  MachineChange,
  MachineChanged,
  MachineDiskUse,
  Machines,
  NewFirstBoot,
  NewMachine,
  NewMachineSource,
} from './machines/index.ts';
export { isBridge, isLinked, NETWORK_DRIVERS, type NetworkRecord, type NewNetwork } from './networks.ts';
export type { EngineLog, EngineParts, EngineSettings } from './parts.ts';
export type { Pruned, PruneSelection } from './prune.ts';
export type { NewVolume, Volume } from './volumes.ts';
