import type { ContainerId, Digest, PortProtocol } from '../../base/index.ts';
import type { Endpoint, InterfaceOptions, Shape } from '../../network/index.ts';
import type { ConsoleSize, DeviceLimitKind, PortPlan } from '../../runtime/index.ts';
import type { ArchitectureName, MachineStart } from '../../vm/index.ts';
import type { ComputerDetails, MachineOptions } from './computer/options.ts';
import type { SentSignal } from './end-cause.ts';
import type { Healthcheck, HealthStatus } from './healthcheck.ts';
import type { LogConfig } from './logs/options.ts';

/**
 * A container as it is stored: what was asked for, and what became of it. A machine of the user's own (see
 * {@link isComputer}) is one too, so that it starts, ends, is restarted, named and connected as containers are.
 */
export interface ContainerRecord {
  readonly id: ContainerId;
  /** Without the leading slash that the API adds. */
  readonly name: string;
  readonly createdAt: string;
  /** Absent in machines, which have disks of their own. */
  readonly imageId?: Digest;
  readonly config: ContainerConfig;
  readonly host: HostOptions;
  /** Resolved at creation; named volumes exist from then on. */
  readonly mounts: readonly ContainerMount[];
  /** Networks to join at the next start, the default gateway's first. */
  readonly networks: readonly NetworkAttachment[];
  readonly state: ContainerState;
  /** Restarts by policy since the last start by a user. */
  readonly restartCount: number;
  /** The user asked for the stop, so that no restart policy applies. */
  readonly stoppedByUser: boolean;
  /** What the health check found last since the start; undefined before it found anything. */
  readonly health?: HealthStatus | undefined;
  /** The last signal that berth sent to PID 1, in whichever run. */
  readonly lastSignal?: SentSignal;
}

/** What runs, merged from the image and the request (Engine API, ContainerConfig). */
export interface ContainerConfig {
  /** The image as the user named it. */
  readonly image: string;
  readonly hostname: string;
  readonly domainname: string;
  readonly user: string;
  readonly env: readonly string[];
  readonly entrypoint: readonly string[] | undefined;
  readonly cmd: readonly string[] | undefined;
  readonly workingDir: string;
  readonly labels: Readonly<Record<string, string>>;
  /** "80/tcp" */
  readonly exposedPorts: readonly string[];
  /** Paths that get an anonymous volume. */
  readonly volumes: readonly string[];
  readonly tty: boolean;
  readonly openStdin: boolean;
  readonly stdinOnce: boolean;
  readonly attachStdin: boolean;
  readonly attachStdout: boolean;
  readonly attachStderr: boolean;
  readonly stopSignal: string | undefined;
  /** Seconds. */
  readonly stopTimeout: number | undefined;
  readonly healthcheck: Healthcheck | undefined;
  /** Runs a health check in shell form; undefined: /bin/sh -c. */
  readonly shell: readonly string[] | undefined;
}

/** How it runs here (Engine API, HostConfig); only what berth does, parsed. */
export interface HostOptions {
  readonly mounts: readonly MountRequest[];
  readonly volumesFrom: readonly string[];
  /** "default", "bridge", "host", "none", "container:ID", or a network's name. */
  readonly networkMode: string;
  /** "container" or "container:alias", on the default network: lines of /etc/hosts. */
  readonly links?: readonly string[];
  readonly ports: readonly PortBinding[];
  readonly publishAllPorts: boolean;
  readonly autoRemove: boolean;
  /** Of its terminal, from its start on; absent: none was asked for. */
  readonly consoleSize?: ConsoleSize | undefined;
  readonly restart: RestartPolicy;
  readonly privileged: boolean;
  readonly readonlyRootfs: boolean;
  readonly capAdd: readonly string[];
  readonly capDrop: readonly string[];
  readonly securityOpt: readonly string[];
  readonly groupAdd: readonly string[];
  /** Path → options ("size=64m,mode=1777"). */
  readonly tmpfs: Readonly<Record<string, string>>;
  /** Bytes. */
  readonly shmSize: number;
  readonly resources: ResourceLimits;
  readonly ulimits: readonly { readonly name: string; readonly soft: number; readonly hard: number }[];
  readonly sysctls: Readonly<Record<string, string>>;
  readonly devices: readonly { readonly host: string; readonly container: string; readonly access: string }[];
  readonly extraHosts: readonly string[];
  readonly dns: readonly string[];
  readonly dnsSearch: readonly string[];
  readonly dnsOptions: readonly string[];
  readonly pidMode: string;
  readonly ipcMode: string;
  readonly utsMode: string;
  readonly log: LogConfig;
  readonly runtime: string | undefined;
  /**
   * "vm": a virtual machine with a kernel of its own, which runs the image's program; "machine": a whole computer, see
   * {@link machine}. Absent: namespaces of the host's kernel.
   */
  readonly isolation?: 'vm' | 'machine';
  /** Of the isolation "machine". */
  readonly machine?: MachineOptions;
  /** Bytes of a virtual machine's disk for what it writes; absent: the default. */
  readonly diskSize?: number;
  readonly oomScoreAdj: number;
  /** Whether an init becomes PID 1, before the command; undefined: not asked for, so none. */
  readonly init: boolean | undefined;
  // Absent from records that older versions wrote:
  readonly annotations?: Readonly<Record<string, string>>;
  /** As after `--device-cgroup-rule`: "c 42:* rmw". */
  readonly deviceRules?: readonly string[];
  readonly deviceRequests?: readonly DeviceRequest[];
  /** "" and absent: the instance's own. */
  readonly cgroupParent?: string;
  /** "" and absent: private on the unified hierarchy, the host's on version 1. */
  readonly cgroupnsMode?: '' | 'host' | 'private';
  /** "host", which all containers have while berth maps no users. */
  readonly usernsMode?: string;
  /** Of the volumes that the container names and that are not there yet. */
  readonly volumeDriver?: string;
  /** Undefined: Docker's. */
  readonly maskedPaths?: readonly string[] | undefined;
  readonly readonlyPaths?: readonly string[] | undefined;
}

/** Devices that a driver provides (Engine API, DeviceRequest). */
export interface DeviceRequest {
  readonly driver: string;
  /** -1: all. */
  readonly count: number;
  readonly deviceIds: readonly string[];
  /** Alternatives, each a list of what the devices must be able to do. */
  readonly capabilities: readonly (readonly string[])[];
}

/** 0 means no limit of its own. */
export interface ResourceLimits {
  readonly memory: number;
  readonly memorySwap: number;
  readonly memoryReservation: number;
  readonly nanoCpus: number;
  readonly cpuShares: number;
  readonly cpuPeriod: number;
  readonly cpuQuota: number;
  readonly cpusetCpus: string;
  readonly cpusetMems: string;
  readonly pidsLimit: number;
  readonly blkioWeight: number;
  // Absent from records that older versions wrote:
  /** 0 to 100; absent: the kernel's. */
  readonly memorySwappiness?: number | undefined;
  readonly oomKillDisable?: boolean;
  readonly deviceLimits?: readonly DeviceLimit[];
}

/** A limit of the block I/O on one device of the host. */
export interface DeviceLimit {
  readonly kind: DeviceLimitKind;
  /** As "/dev/sda". */
  readonly path: string;
  /** A weight, bytes per second, or operations per second. */
  readonly value: number;
}

export type RestartPolicy =
  | { readonly name: 'no' }
  | { readonly name: 'always' }
  | { readonly name: 'unless-stopped' }
  /** 0 retries: without end. */
  | { readonly name: 'on-failure'; readonly maximumRetries: number }
  /** An extension: as on-failure, and also when its health check finds it unhealthy. */
  | { readonly name: 'on-unhealthy'; readonly maximumRetries: number };

export interface PortBinding {
  readonly protocol: PortProtocol;
  readonly containerPort: number;
  /** "" is every address. */
  readonly hostIp: string;
  /** 0: the kernel chooses. */
  readonly hostPort: number;
  /** The first free port from `hostPort` on, up to this one, is taken; unset: that port and no other. */
  readonly lastHostPort?: number;
}

export type MountRequest =
  | {
      readonly type: 'bind';
      readonly source: string;
      readonly target: string;
      readonly readOnly: boolean;
      readonly propagation: string;
      /** -v makes a missing source folder, --mount refuses it. */
      readonly createSource: boolean;
      readonly submounts?: Submounts;
      /** As in HostConfig.Binds, where it was asked for there. */
      readonly bind?: string;
    }
  | {
      readonly type: 'volume';
      /** "" makes an anonymous volume. */
      readonly source: string;
      readonly target: string;
      readonly readOnly: boolean;
      readonly noCopy: boolean;
      /** A folder in the volume that is mounted in its place, as "a/b"; "" and absent: the whole. */
      readonly subpath?: string;
      /** For a volume that is not there yet. */
      readonly driver?: string;
      readonly driverOptions?: Readonly<Record<string, string>>;
      readonly labels?: Readonly<Record<string, string>>;
      readonly bind?: string;
    }
  | { readonly type: 'tmpfs'; readonly target: string; readonly options: string }
  | {
      readonly type: 'image';
      /** The image's name. */
      readonly source: string;
      readonly target: string;
      readonly readOnly: true;
      /** A folder in the image that is mounted in its place; "": the whole. */
      readonly subpath: string;
    };

/** What becomes of the mounts below the source of a bind: brought along or not, and read-only with it or not. */
export type Submounts = 'none' | 'writable' | 'read-only';

/** A mount with its source settled. */
export type ContainerMount =
  | {
      readonly type: 'bind';
      readonly source: string;
      readonly target: string;
      readonly readOnly: boolean;
      readonly propagation: string;
      /** Absent: brought along, and read-only where the mount is. */
      readonly submounts?: Submounts;
      /** The words behind the target, of one that was asked for by HostConfig.Binds. */
      readonly mode?: string;
    }
  | {
      readonly type: 'volume';
      readonly volume: string;
      readonly source: string;
      readonly target: string;
      readonly readOnly: boolean;
      readonly noCopy: boolean;
      readonly subpath?: string;
      readonly mode?: string;
      /** Removed with the container by `rm -v` and `--rm`. */
      readonly anonymous: boolean;
    }
  | {
      readonly type: 'image';
      /** As it was named. */
      readonly image: string;
      readonly imageId: Digest;
      /** Where the image is mounted on the host while containers use it. */
      readonly source: string;
      readonly target: string;
      readonly readOnly: true;
      readonly subpath?: string;
    }
  | {
      readonly type: 'tmpfs';
      readonly target: string;
      readonly options: string;
      /** Whether it was asked for as a mount, and so is listed as one. */
      readonly listed?: boolean;
    };

export interface NetworkAttachment {
  /** Name or id of the network. */
  readonly network: string;
  readonly aliases: readonly string[];
  readonly address: string | undefined;
  readonly ipv6Address: string | undefined;
  readonly macAddress: string | undefined;
  /** "container" or "container:alias": names for this container only. */
  readonly links?: readonly string[];
  /** The highest one's gateway is the default one; 0 when it is not given. */
  readonly gatewayPriority?: number;
  /** An extension of berth's. */
  readonly shape?: Shape;
  readonly interface?: InterfaceOptions;
}

/** What the kernel holds for a container that runs. */
export interface RunningDetails {
  readonly pid: number;
  readonly startedAt: string;
  readonly endpoints: readonly Endpoint[];
  readonly ports: readonly PortPlan[];
  /** Of a virtual machine. */
  readonly machine?: MachineDetails;
  /** Of a machine that is a whole computer. */
  readonly computer?: ComputerDetails;
}

/** What a virtual machine got at its start. Sizes are bytes. */
export interface MachineDetails {
  /** Missing where an earlier berth started it, which had only the host's. */
  readonly architecture?: ArchitectureName;
  readonly processors: number;
  readonly memory: number;
  /** Of the disk for what it writes. */
  readonly diskSize: number;
  readonly accelerator: 'kvm' | 'tcg';
  /** The guest's, as uname(1) says it. */
  readonly kernel: string;
  readonly start: MachineStart;
}

export type ContainerState =
  | { readonly status: 'created'; readonly error?: StartError }
  | ({ readonly status: 'running'; readonly noRoom?: never } & RunningDetails)
  | ({
      readonly status: 'paused';
      /** Nobody has paused it: a virtual machine whose disk has no room on the host, which goes on when there is. */
      readonly noRoom?: true;
    } & RunningDetails)
  | ({ readonly status: 'restarting' } & Ended & KeptNetwork)
  | ({ readonly status: 'exited' } & Ended);

/** What stays while a supervisor waits for the next run; empty when berthd itself is to start it. */
export interface KeptNetwork {
  readonly endpoints: readonly Endpoint[];
  readonly ports: readonly PortPlan[];
  /** Of a virtual machine, whose next run begins from the same plan. */
  readonly machine?: MachineDetails;
  readonly computer?: ComputerDetails;
}

/** How the last run ended. */
export interface Ended {
  readonly exitCode: number;
  readonly oomKilled: boolean;
  readonly startedAt: string;
  readonly finishedAt: string;
  readonly error?: string;
  /** Why, in a few words, where the exit code does not say it. */
  readonly reason?: string;
}

/** A start that never came to a process. */
export interface StartError {
  readonly message: string;
  readonly exitCode: number;
}

export type AliveState = Extract<ContainerState, KeptNetwork>;

export type ActiveState = Extract<ContainerState, RunningDetails>;

/** Whether a process of the container exists now. */
export function isActive(state: ContainerState): state is ActiveState {
  return state.status === 'running' || state.status === 'paused';
}

/** Whether a process of the container exists now, or its restart policy will make one. */
export function isAlive(state: ContainerState): state is AliveState {
  return isActive(state) || state.status === 'restarting';
}

/** Why a container stands still that nobody has paused, in a few words; undefined for others. */
export function standstillReason(state: ContainerState): string | undefined {
  if (state.status !== 'paused' || !state.noRoom) return undefined;
  return "the host's disk has no room for what it writes";
}

/** How a container that stands still goes on. */
export function goingOnHint({ name, state }: Pick<ContainerRecord, 'name' | 'state'>): string {
  const reason = standstillReason(state);
  if (reason === undefined) return `Let it go on first: berth unpause ${name}`;
  return `It stands still, as ${reason}: free space there, and it goes on`;
}

/** Whether it runs an image's program in a virtual machine (`--isolation vm`). */
export function isMachine({ host }: Pick<ContainerRecord, 'host'>): boolean {
  return host.isolation === 'vm';
}

/** Whether it is a whole computer, whose operating system is the user's (`berth vm`). */
export function isComputer({ host }: Pick<ContainerRecord, 'host'>): boolean {
  return host.isolation === 'machine';
}

/** Whether its processes and sockets are another kernel's, where the host sees none of them. */
export function hasOwnKernel(record: Pick<ContainerRecord, 'host'>): boolean {
  return isMachine(record) || isComputer(record);
}

/** The arguments of PID 1: entrypoint, then command. */
export function commandOf(config: ContainerConfig): string[] {
  return [...(config.entrypoint ?? []), ...(config.cmd ?? [])];
}

/** The image that a container was made from, and those that it mounts. */
export function imagesOf({
  imageId,
  mounts,
}: Pick<ContainerRecord, 'imageId' | 'mounts'>): readonly Digest[] {
  const own = imageId === undefined ? [] : [imageId];
  return [...own, ...mounts.flatMap((mount) => (mount.type === 'image' ? mount.imageId : []))];
}
