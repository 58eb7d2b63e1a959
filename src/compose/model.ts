import type { PortProtocol } from '../base/index.ts';
import type { MachineSource } from '../client/index.ts';

/** A Compose project: files merged, variables replaced, short forms made long (Compose Spec). */
export interface Project {
  readonly name: string;
  readonly directory: string;
  readonly files: readonly string[];
  /** Those whose profiles are active, in the order of their names. */
  readonly services: readonly Service[];
  /** The names of the others: their containers are no orphans. */
  readonly disabledServices: readonly string[];
  /** Those that services use, as the volumes. */
  readonly networks: readonly ProjectNetwork[];
  readonly volumes: readonly ProjectVolume[];
  /** For the user, once: what berth changed or ignored. */
  readonly warnings: readonly string[];
}

/** A service that is a machine: a whole computer, whose operating system is the user's. Sizes are bytes. */
export interface ServiceMachine {
  readonly source: MachineSource;
  readonly cpus: number | undefined;
  readonly memory: number | undefined;
  readonly model: 'q35' | 'pc' | 'microvm' | undefined;
  readonly firmware: 'bios' | 'uefi' | undefined;
  readonly disks: readonly { readonly Name: string; readonly Size: number }[];
  readonly iso: string | undefined;
  readonly user: string | undefined;
  /** Lines of authorized_keys. */
  readonly sshKeys: readonly string[];
  readonly packages: readonly string[];
  readonly run: readonly string[];
}

export interface Service {
  readonly name: string;
  readonly image: string | undefined;
  readonly build: ServiceBuild | undefined;
  readonly containerName: string | undefined;
  readonly command: readonly string[] | undefined;
  readonly entrypoint: readonly string[] | undefined;
  /** Files, the mapping and the caller's environment taken together. */
  readonly environment: ReadonlyMap<string, string>;
  readonly ports: readonly ServicePort[];
  readonly expose: readonly string[];
  readonly volumes: readonly ServiceVolume[];
  readonly volumesFrom: readonly VolumesFrom[];
  readonly networks: readonly ServiceNetwork[];
  readonly networkMode: string | undefined;
  readonly dependsOn: readonly Dependency[];
  readonly restart: string | undefined;
  readonly labels: ReadonlyMap<string, string | null>;
  readonly user: string | undefined;
  readonly workingDir: string | undefined;
  readonly hostname: string | undefined;
  readonly domainname: string | undefined;
  readonly stdinOpen: boolean;
  readonly tty: boolean;
  /** Run a small init as process 1; undefined: the engine's default. */
  readonly init: boolean | undefined;
  readonly privileged: boolean;
  readonly readOnly: boolean;
  readonly capAdd: readonly string[];
  readonly capDrop: readonly string[];
  readonly groupAdd: readonly string[];
  readonly securityOpt: readonly string[];
  readonly tmpfs: readonly string[];
  readonly extraHosts: readonly string[];
  readonly dns: readonly string[];
  readonly dnsSearch: readonly string[];
  readonly dnsOptions: readonly string[];
  readonly sysctls: ReadonlyMap<string, string | null>;
  readonly ulimits: readonly ServiceUlimit[];
  readonly devices: readonly ServiceDevice[];
  /** Bytes. */
  readonly memory: number | undefined;
  /** Bytes. */
  readonly memoryReservation: number | undefined;
  /** Memory and swap together in bytes; -1: unlimited swap. */
  readonly memorySwap: number | undefined;
  readonly cpus: number | undefined;
  readonly cpuShares: number | undefined;
  readonly cpuset: string | undefined;
  readonly pidsLimit: number | undefined;
  readonly oomScoreAdj: number | undefined;
  readonly oomKillDisable: boolean | undefined;
  /** "host", "shareable", "private", "service:NAME" or "container:NAME". */
  readonly ipc: string | undefined;
  /** "host", "service:NAME" or "container:NAME". */
  readonly pid: string | undefined;
  readonly uts: string | undefined;
  readonly usernsMode: string | undefined;
  readonly cgroup: string | undefined;
  readonly cgroupParent: string | undefined;
  readonly runtime: string | undefined;
  /** "default" or "vm". */
  readonly isolation: string | undefined;
  /** `size` of a virtual machine's disk. */
  readonly storageOpt: ReadonlyMap<string, string | null>;
  readonly platform: string | undefined;
  /** Bytes. */
  readonly shmSize: number | undefined;
  readonly stopSignal: string | undefined;
  /** Seconds. */
  readonly stopGracePeriod: number | undefined;
  readonly healthcheck: ServiceHealthcheck | undefined;
  readonly logging:
    | { readonly driver: string; readonly options: ReadonlyMap<string, string | null> }
    | undefined;
  readonly pullPolicy: string | undefined;
  readonly profiles: readonly string[];
  readonly scale: number;
  readonly annotations: ReadonlyMap<string, string | null>;
  readonly blockIo: ServiceBlockIo | undefined;
  /** Microseconds. */
  readonly cpuPeriod: number | undefined;
  readonly cpuQuota: number | undefined;
  readonly deviceRules: readonly string[];
  readonly gpus: readonly ServiceGpus[];
  /** 0 to 100. */
  readonly memorySwappiness: number | undefined;
  /** `x-berth.machine`; undefined: the service is containers. */
  readonly machine: ServiceMachine | undefined;
}

/** What has the volumes that a service mounts, too: another service, or a container of anybody's. */
export interface VolumesFrom {
  readonly kind: 'service' | 'container';
  readonly name: string;
  readonly readOnly: boolean;
}

/** Limits of block I/O: weights, bytes per second and operations per second, by device. */
export interface ServiceBlockIo {
  readonly weight: number | undefined;
  readonly weightDevices: readonly ServiceDeviceLimit[];
  readonly readBps: readonly ServiceDeviceLimit[];
  readonly writeBps: readonly ServiceDeviceLimit[];
  readonly readIops: readonly ServiceDeviceLimit[];
  readonly writeIops: readonly ServiceDeviceLimit[];
}

export interface ServiceDeviceLimit {
  readonly path: string;
  readonly value: number;
}

/** Devices that a driver provides; a `count` of -1 is all. */
export interface ServiceGpus {
  readonly driver: string;
  readonly count: number;
  readonly deviceIds: readonly string[];
  readonly capabilities: readonly string[];
}

/** How the engine finds out whether a service is healthy; what is undefined comes from the image. Durations: nanoseconds. */
export interface ServiceHealthcheck {
  /** `["NONE"]`, `["CMD", …]` or `["CMD-SHELL", command]`. */
  readonly test: readonly string[] | undefined;
  readonly interval: number | undefined;
  readonly timeout: number | undefined;
  readonly startPeriod: number | undefined;
  readonly startInterval: number | undefined;
  readonly retries: number | undefined;
}

export interface ServiceUlimit {
  readonly name: string;
  readonly soft: number;
  readonly hard: number;
}

export interface ServiceDevice {
  readonly source: string;
  readonly target: string;
  /** Some of "rwm". */
  readonly permissions: string;
}

export interface ServiceBuild {
  /** Absolute folder. */
  readonly context: string;
  readonly dockerfile: string;
  /** null: the Dockerfile's default. */
  readonly args: ReadonlyMap<string, string | null>;
  readonly target: string | undefined;
  readonly labels: ReadonlyMap<string, string | null>;
  readonly tags: readonly string[];
  readonly noCache: boolean;
  readonly pull: boolean;
  readonly network: string | undefined;
  readonly extraHosts: readonly string[];
  readonly cacheFrom: readonly string[];
  /** Bytes. */
  readonly shmSize: number | undefined;
  readonly isolation: string | undefined;
}

export interface ServicePort {
  readonly protocol: PortProtocol;
  readonly containerPort: number;
  readonly hostIp: string;
  /** "" lets the kernel choose. */
  readonly hostPort: string;
}

export type ServiceVolume =
  | {
      readonly type: 'bind';
      /** Absolute. */
      readonly source: string;
      readonly target: string;
      readonly readOnly: boolean;
      readonly createSource: boolean;
      readonly propagation: string | undefined;
      /** What becomes of the mounts below the source; undefined: brought along, and read-only where the mount is. */
      readonly recursive: 'disabled' | 'writable' | 'readonly' | undefined;
    }
  | {
      readonly type: 'image';
      readonly source: string;
      readonly target: string;
      readonly subpath: string | undefined;
    }
  | {
      readonly type: 'volume';
      /** A key of the project's volumes; "" for an anonymous one. */
      readonly source: string;
      readonly target: string;
      readonly readOnly: boolean;
      /** Do not fill a new volume from the image. */
      readonly noCopy: boolean;
      readonly subpath: string | undefined;
    }
  | {
      readonly type: 'tmpfs';
      readonly target: string;
      /** Bytes. */
      readonly size: number | undefined;
      readonly mode: number | undefined;
    };

export interface ServiceNetwork {
  /** A key of the project's networks. */
  readonly name: string;
  readonly aliases: readonly string[];
  readonly address: string | undefined;
  readonly address6: string | undefined;
  readonly macAddress: string | undefined;
}

export interface Dependency {
  readonly service: string;
  readonly condition: 'service_started' | 'service_healthy' | 'service_completed_successfully';
  /** Whether the service may not run without it; else a missing or failing one is only a warning. */
  readonly required: boolean;
  /** Whether the service is restarted after Compose has recreated or restarted the dependency. */
  readonly restart: boolean;
}

export interface ProjectNetwork {
  /** Its key in the file. */
  readonly key: string;
  /** Its name at the engine. */
  readonly name: string;
  readonly external: boolean;
  readonly driver: string | undefined;
  readonly internal: boolean;
  readonly attachable: boolean;
  readonly enableIpv6: boolean | undefined;
  readonly subnet: string | undefined;
  readonly ipRange: string | undefined;
  readonly gateway: string | undefined;
  readonly labels: ReadonlyMap<string, string | null>;
  readonly driverOptions: ReadonlyMap<string, string | null>;
}

export interface ProjectVolume {
  readonly key: string;
  readonly name: string;
  readonly external: boolean;
  readonly driver: string | undefined;
  readonly labels: ReadonlyMap<string, string | null>;
  readonly driverOptions: ReadonlyMap<string, string | null>;
}
