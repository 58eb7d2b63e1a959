/** GET /version. */
export interface EngineVersion {
  readonly Version: string;
  readonly ApiVersion: string;
  readonly MinAPIVersion: string;
  readonly GitCommit: string;
  readonly GoVersion?: string;
  readonly Os: string;
  readonly Arch: string;
  readonly KernelVersion?: string;
  readonly BuildTime?: string;
  readonly Experimental?: boolean;
  readonly Platform?: { readonly Name: string };
  readonly Components?: readonly {
    readonly Name: string;
    readonly Version: string;
    readonly Details?: Readonly<Record<string, string>> | null;
  }[];
}

/** GET /info: the fields that this client reads. */
/** What an engine's virtual machines run on; an extension of berth's. */
export interface MachineHostInfo {
  /** As images have it. */
  readonly Architecture: string;
  readonly Accelerator: string;
  /** Why nothing faster; empty where there is nothing to explain. */
  readonly AcceleratorReason: string;
  readonly Hypervisor: string;
  readonly Kernel: string;
  /** Where berth's own programs inside guests are, or what is missing. */
  readonly Programs: string;
}

/** Those of the engine's own architecture, and for each that its virtual machines can have, that one first. */
export interface MachineHostsInfo extends MachineHostInfo {
  /** Missing at an engine that has only its own. */
  readonly Architectures?: readonly MachineHostInfo[];
}

export interface EngineInfo {
  readonly Berth?: { readonly VirtualMachines: MachineHostsInfo };
  readonly ID: string;
  readonly Name: string;
  readonly Containers: number;
  readonly ContainersRunning: number;
  readonly ContainersPaused: number;
  readonly ContainersStopped: number;
  readonly Images: number;
  readonly ServerVersion: string;
  readonly Driver: string;
  readonly DriverStatus?: readonly (readonly [string, string])[] | null;
  readonly LoggingDriver?: string;
  readonly CgroupDriver?: string;
  readonly CgroupVersion?: string;
  readonly Plugins?: Readonly<Record<string, readonly string[] | null>>;
  readonly Runtimes?: Readonly<Record<string, object>>;
  readonly DefaultRuntime?: string;
  readonly InitBinary?: string;
  readonly SecurityOptions?: readonly string[] | null;
  readonly KernelVersion: string;
  readonly OperatingSystem: string;
  readonly OSType: string;
  readonly Architecture: string;
  readonly NCPU: number;
  readonly MemTotal: number;
  readonly DockerRootDir: string;
  readonly Debug?: boolean;
  readonly Labels?: readonly string[] | null;
  readonly ExperimentalBuild?: boolean;
  readonly LiveRestoreEnabled?: boolean;
  readonly HttpProxy?: string;
  readonly HttpsProxy?: string;
  readonly NoProxy?: string;
  readonly RegistryConfig?: {
    readonly InsecureRegistryCIDRs?: readonly string[] | null;
    readonly Mirrors?: readonly string[] | null;
  };
  readonly Warnings?: readonly string[] | null;
}

/** One event of GET /events. */
export interface EngineEvent {
  /** "container", "image", "network", "volume", … */
  readonly Type: string;
  /** "create", "start", "die", "exec_create: sh", … */
  readonly Action: string;
  readonly Actor: { readonly ID: string; readonly Attributes: Readonly<Record<string, string>> };
  readonly scope?: string;
  /** Unix seconds. */
  readonly time: number;
  readonly timeNano: number;
}
