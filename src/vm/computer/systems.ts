import type { TakenImage, TakeOptions } from './disks/contract.ts';

/** Debian as berth makes it itself from Debian's packages, as a disk that firmware boots. */
export interface DebianSystems {
  /**
   * The image of a release, "bookworm" or "13"; "" for the newest that berth knows. It is made at first use and kept. Throws
   * `invalid` for a release that there is not, `unavailable` when packages or what they are put together with are missing.
   */
  provide(release: string, options?: TakeOptions): Promise<TakenImage>;
}

/** The medium that tells a fresh system what to make of itself (cloud-init's NoCloud). */
export interface FirstBootMedia {
  /** Throws `invalid` for data that cloud-init would not understand, with the line. */
  check(data: FirstBootData): void;
  /** Writes the medium, in the place of one that is there. `instance` is new for a copy of a machine that is to begin anew. */
  write(path: string, data: FirstBootData & { readonly instance: string }): Promise<void>;
}

export interface FirstBootData {
  readonly hostname: string;
  readonly user: string;
  /** Lines of authorized_keys. */
  readonly sshKeys: readonly string[];
  readonly packages: readonly string[];
  /** Lines for the system's shell. */
  readonly run: readonly string[];
  /** The user's own user-data in the place of all the above but the host name. */
  readonly userData?: string | undefined;
  /** How the system gets its addresses; undefined: as it does by itself, mostly by DHCP on its first card. */
  readonly cards?: readonly FirstBootCard[];
}

/** A network card as the system is to set it up at its first boot. */
export interface FirstBootCard {
  readonly macAddress: string;
  /** Domains in which names are looked for. */
  readonly search: readonly string[];
  readonly network: 'dhcp' | StaticAddresses;
}

export interface StaticAddresses {
  /** With prefix lengths: "10.0.0.2/24". */
  readonly addresses: readonly string[];
  /** Of the default routes, at most one of each family. */
  readonly gateways: readonly string[];
  readonly nameServers: readonly string[];
}
