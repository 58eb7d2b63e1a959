import type { NameDirectory, NetworkDriver } from '../network/index.ts';
import type { Downloads, RegistryClient } from '../registry/index.ts';
import type { CgroupGracePeriod, HostFacts, Launcher, OciRuntimes, SeccompCache } from '../runtime/index.ts';
import type { Store } from '../store/index.ts';
import type {
  ComputerSnapshots,
  Computers,
  DebianSystems,
  DiskImages,
  FirstBootMedia,
  MachineArchives,
  MachineDisks,
  VirtualMachines,
} from '../vm/index.ts';

/** What the engine is built from; made in the composition root (`daemon/compose-engine.ts`). */
export interface EngineParts {
  readonly settings: EngineSettings;
  readonly store: Store;
  readonly registry: RegistryClient;
  readonly downloads: Downloads;
  readonly network: NetworkDriver;
  readonly names: NameDirectory;
  readonly launcher: Launcher;
  readonly hostFacts: HostFacts;
  readonly runtimes: OciRuntimes;
  readonly seccomp: SeccompCache;
  readonly machines: VirtualMachines;
  readonly computers: Computers;
  readonly diskImages: DiskImages;
  readonly machineDisks: MachineDisks;
  readonly machineArchives: MachineArchives;
  readonly computerSnapshots: ComputerSnapshots;
  readonly debianSystems: DebianSystems;
  readonly firstBootMedia: FirstBootMedia;
  readonly gracePeriod: CgroupGracePeriod;
  readonly log: EngineLog;
}

export interface EngineSettings {
  /** Short name of this instance, in the names of all that it makes on the host. */
  readonly instance: string;
  readonly dataRoot: string;
  readonly execRoot: string;
  readonly nativeDirectory: string;
  readonly mirrors: readonly string[];
  readonly insecureRegistries: readonly string[];
  /** Keep layers only unpacked, without their compressed blobs. */
  readonly discardBlobs: boolean;
  /** Layers of one image that are on their way at the same time. */
  readonly transfers: { readonly downloads: number; readonly uploads: number };
  /** Where CDI specifications are. */
  readonly cdiFolders: readonly string[];
  readonly version: string;
}

/** The engine's log; pino satisfies it. */
export interface EngineLog {
  info(details: object, message: string): void;
  warn(details: object, message: string): void;
  error(details: object, message: string): void;
}
