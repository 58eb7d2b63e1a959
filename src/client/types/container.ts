import type { EndpointSettings } from './network.ts';
import type { MountPoint, MountRequest } from './volume.ts';

/** `"80/tcp"` → the host's addresses it is published on. */
export type PortMap = Readonly<Record<string, readonly PortBinding[] | null>>;

export interface PortBinding {
  readonly HostIp?: string;
  /** A port, or a range to choose from; "" or "0": any free one. */
  readonly HostPort?: string;
}

export interface HealthConfig {
  /** `["NONE"]`, `["CMD", …]` or `["CMD-SHELL", command]`. */
  readonly Test?: readonly string[];
  /** Nanoseconds, as all durations here. */
  readonly Interval?: number;
  readonly Timeout?: number;
  readonly StartPeriod?: number;
  readonly StartInterval?: number;
  readonly Retries?: number;
}

/** What a container runs, independent of the host. */
export interface ContainerConfig {
  readonly Image: string;
  readonly Hostname?: string;
  readonly Domainname?: string;
  readonly User?: string;
  readonly AttachStdin?: boolean;
  readonly AttachStdout?: boolean;
  readonly AttachStderr?: boolean;
  readonly Tty?: boolean;
  readonly OpenStdin?: boolean;
  /** Close stdin when the first attached client leaves. */
  readonly StdinOnce?: boolean;
  readonly Env?: readonly string[];
  readonly Cmd?: readonly string[] | null;
  readonly Entrypoint?: readonly string[] | null;
  readonly WorkingDir?: string;
  readonly Labels?: Readonly<Record<string, string>>;
  readonly ExposedPorts?: Readonly<Record<string, object>>;
  readonly Volumes?: Readonly<Record<string, object>>;
  readonly Healthcheck?: HealthConfig;
  readonly StopSignal?: string;
  readonly StopTimeout?: number;
}

export interface RestartPolicy {
  /** "on-unhealthy" is berth's own. */
  readonly Name: '' | 'no' | 'always' | 'unless-stopped' | 'on-failure' | 'on-unhealthy';
  readonly MaximumRetryCount?: number;
}

export interface Ulimit {
  readonly Name: string;
  readonly Soft: number;
  readonly Hard: number;
}

/** What a container may use at most. Sizes are bytes. */
export interface ContainerLimits {
  readonly Memory?: number;
  readonly MemoryReservation?: number;
  /** Memory and swap together; -1: unlimited swap. */
  readonly MemorySwap?: number;
  /** Billionths of a CPU. */
  readonly NanoCpus?: number;
  readonly CpuShares?: number;
  /** Microseconds. */
  readonly CpuPeriod?: number;
  readonly CpuQuota?: number;
  readonly CpusetCpus?: string;
  readonly CpusetMems?: string;
  readonly PidsLimit?: number;
  /** 10 to 1000. */
  readonly BlkioWeight?: number;
}

/** The body of POST /containers/{id}/update: what is left out stays as it is. */
export interface ContainerUpdate extends ContainerLimits {
  readonly RestartPolicy?: RestartPolicy;
  /** Ports to publish, and to withdraw (all places of a port whose list is empty): extensions of berth's. */
  readonly PublishAdd?: PortMap;
  readonly PublishRemove?: PortMap;
}

/** What the host gives a container. Sizes are bytes. */
export interface HostConfig extends ContainerLimits {
  readonly Binds?: readonly string[];
  readonly Mounts?: readonly MountRequest[];
  readonly Tmpfs?: Readonly<Record<string, string>>;
  readonly NetworkMode?: string;
  readonly PortBindings?: PortMap;
  readonly PublishAllPorts?: boolean;
  readonly AutoRemove?: boolean;
  readonly RestartPolicy?: RestartPolicy;
  readonly Privileged?: boolean;
  readonly ReadonlyRootfs?: boolean;
  readonly CapAdd?: readonly string[];
  readonly CapDrop?: readonly string[];
  readonly SecurityOpt?: readonly string[];
  readonly Init?: boolean;
  readonly ShmSize?: number;
  readonly Dns?: readonly string[];
  readonly DnsSearch?: readonly string[];
  readonly DnsOptions?: readonly string[];
  readonly ExtraHosts?: readonly string[];
  readonly Links?: readonly string[];
  readonly VolumesFrom?: readonly string[];
  readonly GroupAdd?: readonly string[];
  readonly PidMode?: string;
  readonly IpcMode?: string;
  readonly UTSMode?: string;
  readonly UsernsMode?: string;
  readonly CgroupnsMode?: string;
  readonly CgroupParent?: string;
  readonly Isolation?: string;
  readonly Annotations?: Readonly<Record<string, string>>;
  readonly DeviceCgroupRules?: readonly string[];
  readonly DeviceRequests?: readonly DeviceRequest[];
  readonly StorageOpt?: Readonly<Record<string, string>>;
  readonly VolumeDriver?: string;
  /** Unset: the engine's own; empty: none. */
  readonly MaskedPaths?: readonly string[];
  readonly ReadonlyPaths?: readonly string[];
  readonly MemorySwappiness?: number;
  /** Microseconds. */
  readonly CpuRealtimePeriod?: number;
  readonly CpuRealtimeRuntime?: number;
  readonly BlkioWeightDevice?: readonly { readonly Path: string; readonly Weight: number }[];
  readonly BlkioDeviceReadBps?: readonly DeviceRate[];
  readonly BlkioDeviceWriteBps?: readonly DeviceRate[];
  readonly BlkioDeviceReadIOps?: readonly DeviceRate[];
  readonly BlkioDeviceWriteIOps?: readonly DeviceRate[];
  readonly Runtime?: string;
  readonly OomScoreAdj?: number;
  readonly OomKillDisable?: boolean;
  readonly Sysctls?: Readonly<Record<string, string>>;
  readonly Ulimits?: readonly Ulimit[];
  readonly Devices?: readonly DeviceMapping[];
  readonly LogConfig?: { readonly Type: string; readonly Config?: Readonly<Record<string, string>> };
}

/** Bytes or operations per second on a device of the host. */
export interface DeviceRate {
  readonly Path: string;
  readonly Rate: number;
}

/** Devices that a driver provides; `Count` -1: all. */
export interface DeviceRequest {
  readonly Driver?: string;
  readonly Count?: number;
  readonly DeviceIDs?: readonly string[];
  readonly Capabilities?: readonly (readonly string[])[];
}

export interface DeviceMapping {
  readonly PathOnHost: string;
  readonly PathInContainer: string;
  readonly CgroupPermissions: string;
}

/** The body of POST /containers/create. */
export interface ContainerCreateRequest extends ContainerConfig {
  readonly HostConfig?: HostConfig;
  readonly NetworkingConfig?: { readonly EndpointsConfig: Readonly<Record<string, EndpointSettings>> };
}

export interface ContainerCreated {
  readonly Id: string;
  readonly Warnings: readonly string[] | null;
}

export type ContainerStatus =
  | 'created'
  | 'running'
  | 'paused'
  | 'restarting'
  | 'removing'
  | 'exited'
  | 'dead';

/** One row of GET /containers/json. */
export interface ContainerSummary {
  readonly Id: string;
  /** Each with a leading "/". */
  readonly Names: readonly string[];
  readonly Image: string;
  readonly ImageID: string;
  readonly Command: string;
  /** Unix seconds. */
  readonly Created: number;
  readonly State: ContainerStatus;
  /** In words: "Up 3 minutes", "Exited (0) 2 hours ago". */
  readonly Status: string;
  readonly Ports: readonly PublishedPort[];
  readonly Labels: Readonly<Record<string, string>>;
  readonly SizeRw?: number;
  readonly SizeRootFs?: number;
  readonly HostConfig?: { readonly NetworkMode?: string };
  readonly NetworkSettings?: { readonly Networks: Readonly<Record<string, EndpointSettings>> };
  readonly Mounts: readonly MountPoint[];
  /** An extension of berth's: why it ended or was not started, where the status does not say it. */
  readonly Berth?: { readonly Reason: string };
}

export interface PublishedPort {
  readonly IP?: string;
  readonly PrivatePort: number;
  readonly PublicPort?: number;
  readonly Type: string;
}

export interface ContainerState {
  readonly Status: ContainerStatus;
  readonly Running: boolean;
  readonly Paused: boolean;
  readonly Restarting: boolean;
  readonly OOMKilled: boolean;
  readonly Dead: boolean;
  readonly Pid: number;
  readonly ExitCode: number;
  readonly Error: string;
  readonly StartedAt: string;
  readonly FinishedAt: string;
  readonly Health?: HealthState;
}

/** What the checks of a container or a machine have found. */
export interface HealthState {
  readonly Status: string;
  readonly FailingStreak: number;
  /** The last ones, the newest last. */
  readonly Log: readonly {
    readonly Start: string;
    readonly End: string;
    readonly ExitCode: number;
    readonly Output: string;
  }[];
}

/** GET /containers/{id}/json: the fields that this client reads. */
export interface ContainerInspect {
  readonly Id: string;
  readonly Created: string;
  readonly Path: string;
  readonly Args: readonly string[];
  readonly State: ContainerState;
  readonly Image: string;
  /** With a leading "/". */
  readonly Name: string;
  readonly RestartCount: number;
  readonly Config: ContainerConfig;
  readonly HostConfig: HostConfig;
  readonly NetworkSettings: {
    readonly Ports?: PortMap;
    readonly Networks: Readonly<Record<string, EndpointSettings>>;
  };
  readonly Mounts: readonly MountPoint[];
}

export interface WaitResult {
  readonly StatusCode: number;
  readonly Error?: { readonly Message: string } | null;
}

/** GET /berth/containers/{id}/ends, and the same of machines. */
export interface ContainerEnds {
  readonly Id: string;
  readonly Name: string;
  readonly State: ContainerStatus;
  readonly Status: string;
  /** Why it does not run or stands still, in a few words; "" and absent where there is no reason. */
  readonly Reason?: string;
  readonly LogDriver: string;
  /** The newest first. */
  readonly Ends: readonly ContainerEnd[];
}

/** GET /berth/ports: one published port of a running container, and who gets to it. */
export interface PortReport {
  readonly Container: { readonly Id: string; readonly Name: string };
  readonly Protocol: string;
  readonly ContainerPort: number;
  readonly HostIp: string;
  readonly HostPort: number;
  /** Whether something in the container listens on it; null: not known. */
  readonly Listening: boolean | null;
  /** Programs of the host itself. */
  readonly Host: PortPassage;
  /** Other machines; null: the port is on loopback. */
  readonly Neighbours: PortPassage | null;
}

/** Whether connections get through the host's own firewall rules. */
export interface PortPassage {
  /** "perhaps": some do, or a rule looks at what cannot be known beforehand. */
  readonly Reached: 'yes' | 'no' | 'perhaps';
  /** Rule null: the chain's policy. */
  readonly StoppedBy?: { readonly Table: string; readonly Chain: string; readonly Rule: string | null };
}

/** How a container ended once, or why a start of it failed. */
export interface ContainerEnd {
  /** Missing where nothing ran. */
  readonly StartedAt?: string;
  readonly FinishedAt: string;
  readonly ExitCode: number;
  /** Of machines alone: power-off, when they were switched off from inside, and machine-failure. */
  readonly Cause:
    | 'exit'
    | 'out-of-memory'
    | 'signal'
    | 'start-failure'
    | 'power-off'
    | 'machine-failure'
    | 'unknown';
  /** A few words; "" where the exit code says it all. */
  readonly Reason: string;
  /** Whole sentences. */
  readonly Explanation: readonly string[];
  readonly Signal?: { readonly Number: number; readonly Sender: string; readonly Time?: string };
  /** Bytes; null: not known, or no limit. */
  readonly Memory?: { readonly Peak: number | null; readonly Limit: number | null };
  readonly Restarted: boolean;
  readonly Log: readonly { readonly Stream: string; readonly Text: string; readonly Time: string }[];
}

export interface ContainersPruned {
  readonly ContainersDeleted: readonly string[] | null;
  readonly SpaceReclaimed: number;
}

/** The body of POST /containers/{id}/exec. */
export interface ExecCreateRequest {
  readonly Cmd: readonly string[];
  readonly AttachStdin?: boolean;
  readonly AttachStdout?: boolean;
  readonly AttachStderr?: boolean;
  readonly Tty?: boolean;
  readonly User?: string;
  readonly WorkingDir?: string;
  readonly Env?: readonly string[];
  readonly Privileged?: boolean;
  readonly DetachKeys?: string;
  /** Rows and columns. */
  readonly ConsoleSize?: readonly [number, number];
}

export interface ExecInspect {
  readonly ID: string;
  readonly Running: boolean;
  /** Null while it runs. */
  readonly ExitCode: number | null;
  readonly Pid: number;
  readonly ContainerID: string;
}
