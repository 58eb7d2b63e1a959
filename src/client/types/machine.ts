import type { ContainerEnd, HealthConfig, HealthState, PortMap, RestartPolicy } from './container.ts';
import type { EndpointSettings } from './network.ts';

/** What a machine's first disk begins as. */
export type MachineSource =
  | { readonly Kind: 'image'; readonly Path: string; readonly Format?: 'qcow2' | 'raw' | undefined }
  | {
      readonly Kind: 'image';
      readonly Url: string;
      /** Of what is downloaded: 64 hexadecimal digits. */
      readonly Sha256: string;
      readonly Format?: 'qcow2' | 'raw' | undefined;
    }
  /** Made by the engine from Debian's packages; without a release, of the newest that it knows. */
  | { readonly Kind: 'debian'; readonly Release?: string | undefined }
  | { readonly Kind: 'empty' };

/** The body of POST /berth/machines/create. Sizes are bytes; what is left out is the default. */
export interface MachineCreateRequest {
  readonly Source: MachineSource;
  readonly Cpus?: number | undefined;
  readonly Memory?: number | undefined;
  readonly Model?: 'q35' | 'pc' | 'microvm' | undefined;
  readonly Firmware?: 'bios' | 'uefi' | undefined;
  /** "root" is the one that the source becomes. */
  readonly Disks?: readonly MachineDiskRequest[] | undefined;
  /** A file on the engine's host: an installer, say. */
  readonly Iso?: string | undefined;
  /** By their names; left out: the default network. `{none: {}}`: no network at all. */
  readonly Networks?: Readonly<Record<string, EndpointSettings>> | undefined;
  readonly Ports?: PortMap | undefined;
  readonly CloudInit?: CloudInit | undefined;
  readonly RestartPolicy?: RestartPolicy | undefined;
  readonly Labels?: Readonly<Record<string, string>> | undefined;
  /** Its command is a URL: `tcp://:5432`, `http://:80/health`, `ssh://`. */
  readonly Healthcheck?: HealthConfig | undefined;
  /** Seconds between the power button and the end by force. */
  readonly StopTimeout?: number | undefined;
  /** How what comes from its console is kept: at most five files of 20 MB by default. */
  readonly LogConfig?: MachineLogConfig | undefined;
}

export interface MachineLogConfig {
  /** As of containers: "json-file" and others. */
  readonly Type: string;
  readonly Config: Readonly<Record<string, string>>;
}

/** The body of POST /berth/machines/{id}/set: what is to be otherwise. */
export interface MachineChange
  extends Pick<
    MachineCreateRequest,
    'Cpus' | 'Memory' | 'Model' | 'Firmware' | 'Disks' | 'RestartPolicy' | 'StopTimeout'
  > {
  /** "": none any more. */
  readonly Iso?: string | undefined;
  readonly PublishAdd?: PortMap | undefined;
  /** A port without places means all that it is published at. */
  readonly PublishRemove?: PortMap | undefined;
}

/** What of a change is felt by now, and what from the next start on: "memory", "disk data". */
export interface MachineChanged {
  readonly Changed: readonly string[];
  readonly NeedsRestart: readonly string[];
}

export interface MachineDiskRequest {
  readonly Name: string;
  readonly Size: number;
}

/** What a system that knows cloud-init makes of itself at its first boot. */
export interface CloudInit {
  readonly Hostname?: string | undefined;
  readonly User?: string | undefined;
  /** Lines of authorized_keys. */
  readonly SshKeys?: readonly string[] | undefined;
  readonly Packages?: readonly string[] | undefined;
  /** Lines for its shell, run once. */
  readonly Run?: readonly string[] | undefined;
  /** One's own user-data, in the place of the others but Hostname. */
  readonly UserData?: string | undefined;
}

export interface MachineCreated {
  readonly Id: string;
  readonly Name: string;
  readonly Warnings: readonly string[];
}

export interface MachinePort {
  readonly IP?: string;
  readonly PrivatePort: number;
  readonly PublicPort?: number;
  readonly Type: string;
}

/** One row of GET /berth/machines/json. */
export interface MachineSummary {
  readonly Id: string;
  readonly Name: string;
  /** In the user's words: a path, a URL, "debian:bookworm"; "" for a disk that began empty. */
  readonly Source: string;
  /** RFC 3339. */
  readonly Created: string;
  readonly State: string;
  readonly Status: string;
  /** Why it does not run, where there is something to say. */
  readonly Reason?: string;
  readonly Cpus: number;
  readonly Memory: number;
  readonly Networks: Readonly<Record<string, EndpointSettings>>;
  readonly Ports: readonly MachinePort[];
  readonly Labels: Readonly<Record<string, string>>;
}

/** One row of GET /berth/machines/images: an image that disks of machines stand on, or could. */
export interface MachineImage {
  readonly Name: string;
  readonly Digest: string;
  readonly Source: string;
  readonly Format: 'qcow2' | 'raw';
  readonly VirtualSize: number;
  /** Bytes of the host's disk that it takes. */
  readonly Size: number;
  readonly Created: string;
  /** A machine stands on it. */
  readonly Used: boolean;
}

/** GET /berth/machines/{id}/json. */
export interface MachineInspect {
  readonly Id: string;
  readonly Name: string;
  readonly Created: string;
  readonly Source: string;
  readonly State: MachineState;
  readonly Hardware: {
    readonly Cpus: number;
    readonly Memory: number;
    readonly Model: string;
    readonly Firmware: string;
    /** While it runs: what carries out its instructions. */
    readonly Accelerator?: 'kvm' | 'tcg';
  };
  readonly Disks: readonly MachineDisk[];
  readonly Iso: string | null;
  readonly CloudInit: CloudInit | null;
  readonly Networks: Readonly<Record<string, EndpointSettings>>;
  readonly Ports: readonly MachinePort[];
  readonly RestartPolicy: RestartPolicy;
  readonly RestartCount: number;
  readonly StopTimeout: number;
  readonly Healthcheck: HealthConfig | null;
  readonly Labels: Readonly<Record<string, string>>;
  readonly LogConfig: MachineLogConfig;
  readonly LogPath: string;
  readonly Ends: readonly ContainerEnd[];
}

export interface MachineState {
  readonly Status: 'created' | 'running' | 'paused' | 'restarting' | 'exited';
  readonly Running: boolean;
  readonly Restarting: boolean;
  /** Of its monitor on the host; 0 while it does not run. */
  readonly Pid: number;
  readonly ExitCode: number;
  readonly Error: string;
  readonly StartedAt: string;
  readonly FinishedAt: string;
  readonly Health?: HealthState;
}

export interface MachineDisk {
  readonly Name: string;
  readonly Size: number;
  /** Bytes of the host's disk that it takes. */
  readonly Allocated: number;
  /** The image that it stands on, which other machines share. */
  readonly Backing: string | null;
}
