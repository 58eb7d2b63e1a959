import type { ComputerModel, DiskFormat, Firmware, ImportedMachine } from '../../vm/index.ts';
import type {
  Healthcheck,
  LogConfig,
  NetworkAttachment,
  PortBinding,
  RestartPolicy,
} from '../containers/index.ts';

/** What a client asks for, parsed. Sizes are bytes, paths absolute on the host; undefined: the default. */
export interface NewMachine {
  /** "" for a generated one. */
  readonly name: string;
  readonly source: NewMachineSource;
  readonly cpus: number | undefined;
  readonly memory: number | undefined;
  readonly model: ComputerModel | undefined;
  readonly firmware: Firmware | undefined;
  /** Beside the first one, {@link ROOT_DISK}; that one may be among them, to be larger than its image. */
  readonly disks: readonly { readonly name: string; readonly size: number }[];
  readonly iso: string | undefined;
  /** None: the machine has no network. */
  readonly networks: readonly NetworkAttachment[];
  readonly ports: readonly PortBinding[];
  readonly firstBoot: NewFirstBoot;
  readonly restart: RestartPolicy;
  readonly labels: Readonly<Record<string, string>>;
  readonly healthcheck: Healthcheck | undefined;
  readonly log: LogConfig | undefined;
  /** Seconds between the power button and the end by force. */
  readonly stopTimeout: number | undefined;
}

/** What the first disk begins as. */
export type NewMachineSource =
  | { readonly kind: 'file'; readonly path: string; readonly format: DiskFormat | undefined }
  | {
      readonly kind: 'url';
      readonly url: URL;
      readonly sha256: string;
      readonly format: DiskFormat | undefined;
    }
  /** Made by berth from Debian's packages; "" for the newest release that it knows. */
  | { readonly kind: 'debian'; readonly release: string }
  /** Disks that came out of an archive; `description`: what the first one began as there. */
  | { readonly kind: 'archive'; readonly description: string; readonly machine: ImportedMachine }
  | { readonly kind: 'empty' };

/** What a system that knows cloud-init is to make of itself. */
export interface NewFirstBoot {
  readonly hostname: string | undefined;
  readonly user: string | undefined;
  readonly sshKeys: readonly string[];
  readonly packages: readonly string[];
  readonly run: readonly string[];
  readonly userData: string | undefined;
}

/** The name of the disk that a machine's source becomes. */
export const ROOT_DISK = 'root';
