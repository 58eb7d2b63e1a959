import type { ContainerId, Timeline } from '../../base/index.ts';
import type { Allotment, MachineControlGroup, MachineNetwork } from '../contract.ts';
import type { ComputerMonitor } from './monitor.ts';

/**
 * What the engine asks of computers: virtual machines with firmware and disks of their own, whose operating system is the
 * user's (`berth vm`). Sizes are bytes, paths are absolute host paths.
 */
export interface Computers {
  /** The OCI runtime of computers, for {@link ComputerRequest.directory} as bundle. */
  readonly runtime: { readonly path: string; readonly args: readonly string[] };
  /** Throws `invalid` for hardware that does not go together, `unavailable` when a part is not installed, with what to install. */
  check(hardware: Hardware, devices: DeviceCounts, signal?: AbortSignal): Promise<void>;
  /**
   * Puts the plan that `berth-vm run` carries out into the bundle. Called before each start that berthd makes; restarts by
   * the supervisor use the same plan. Throws like {@link check}.
   */
  prepare(request: ComputerRequest, timeline: Timeline, signal?: AbortSignal): Promise<PreparedComputer>;
  /**
   * Makes a computer that runs what is wanted now, as far as it can be changed while it runs; {@link prepare} does the rest
   * at the next start. A disk that is wanted and not there must have its file. Throws like {@link check}, and `invalid` for
   * a disk that is to become smaller; nothing is changed then. Media stay as they are.
   */
  change(wanted: WantedComputer, monitor: ComputerMonitor, signal?: AbortSignal): Promise<ComputerChanges>;
  /** The layout of a computer that runs: what a snapshot of it is to keep. */
  survey(monitor: ComputerMonitor): Promise<ComputerLayout>;
  /** Throws `conflict`, naming what differs, when a computer that was saved with `layout` cannot go on as this one. */
  checkResume(layout: ComputerLayout, computer: LaidOutComputer, signal?: AbortSignal): Promise<void>;
  /** Gives back what a computer has outside its bundle folder. Nothing happens for one that has nothing. */
  release(id: ContainerId): Promise<void>;
}

/** QEMU's machine types. */
export type ComputerModel = 'q35' | 'pc' | 'microvm';

export type Firmware = 'bios' | 'uefi';

export interface Hardware {
  readonly model: ComputerModel;
  readonly firmware: Firmware;
  readonly allotment: Allotment;
}

/** How many devices of a kind a computer is to have. */
export interface DeviceCounts {
  readonly disks: number;
  readonly media: number;
  readonly cards: number;
}

/** A disk as the guest has it; `name` is its serial number, so /dev/disk/by-id/virtio-NAME. At most 20 letters, digits, `-`, `_` and `.`. */
export interface ComputerDisk {
  readonly name: string;
  /** A qcow2 file of the machine's own, written to. */
  readonly path: string;
  /** The files behind it, which are only read: each with the format that it was taken in with, never probed. */
  readonly backing: readonly { readonly path: string; readonly format: 'qcow2' | 'raw' }[];
}

export interface ComputerRequest {
  readonly id: ContainerId;
  readonly directory: string;
  readonly hardware: Hardware;
  /** In the order of booting. */
  readonly disks: readonly ComputerDisk[];
  /** Behind the disks in the order of booting. */
  readonly media: readonly ComputerMedium[];
  /** Of UEFI: the file that keeps its variables; made from the firmware's own when it is missing. */
  readonly variables: string;
  readonly network: MachineNetwork | undefined;
  /** In the order of the network's interfaces. */
  readonly cards: readonly ComputerCard[];
  /** That the guest is told by DHCP. */
  readonly hostname?: string;
  readonly controlGroups: readonly MachineControlGroup[];
  /** A snapshot to go on from; undefined: it boots. */
  readonly resume: ComputerResume | undefined;
}

/** What is only read. */
export interface ComputerMedium {
  readonly name: string;
  readonly path: string;
  /**
   * `cdrom`: in a drive, as installers expect, which a kernel without drivers for real hardware (Debian's cloud kernel) does
   * not see. `disk`: as the disks are, so whoever sees those sees it.
   */
  readonly kind: 'cdrom' | 'disk';
}

/** What decides a computer's layout. */
export interface LaidOutComputer extends Pick<ComputerRequest, 'hardware' | 'disks' | 'media'> {
  readonly cards: readonly Pick<ComputerCard, 'macAddress' | 'mtu'>[];
}

export interface ComputerResume {
  /** The file of QEMU's state, which is removed when QEMU has it: the disks are others afterwards. */
  readonly state: string;
  /** Of the computer that was saved. */
  readonly layout: ComputerLayout;
}

/**
 * A computer's devices and their places, as plain data for a snapshot to keep: a state goes on in the same ones only.
 * Changes of a computer that runs make its layout another one than a start with the same options would give it.
 */
export interface ComputerLayout {
  /** Of this type: another one is refused. */
  readonly version: 1;
  /** QEMU's version. */
  readonly hypervisor: string;
  readonly accelerator: 'kvm' | 'tcg';
  readonly model: ComputerModel;
  readonly firmware: Firmware;
  /** How many there are of each kind. */
  readonly places: DeviceCounts;
  /** `most`: that there are places for. */
  readonly processors: { readonly present: number; readonly most: number };
  /** Bytes that it has from the start, and that can be added while it runs. */
  readonly memory: { readonly start: number; readonly more: number };
  readonly disks: readonly Placed[];
  /** Media of the kind `disk`. */
  readonly readOnlyDisks: readonly Placed[];
  readonly drives: readonly string[];
  readonly cards: readonly (Placed & { readonly mtu: number })[];
}

/** A device by its name (of a card: its MAC address), and which of the places for its kind it has. */
export interface Placed {
  readonly name: string;
  readonly place: number;
}

/** A network card, and what its guest is told when it asks for its place in the network (DHCP). */
export interface ComputerCard {
  /** The same at each start. */
  readonly macAddress: string;
  readonly mtu: number;
  /** IPv4, without prefix length. */
  readonly address: string;
  readonly prefixLength: number;
  /** Undefined: no way out through this card. */
  readonly gateway: string | undefined;
  /** Where it is known, the guest finds names at the gateway's address; otherwise at one of berth's own on the card's link. */
  readonly gatewayMacAddress?: string;
  /** Domains in which names are looked for. */
  readonly search: readonly string[];
  /** The default routes go by the first card that has a gateway. */
  readonly ipv6?: {
    readonly address: string;
    readonly prefixLength: number;
    readonly gateway: string | undefined;
  };
}

/** What a computer that runs is to become. */
export interface WantedComputer {
  readonly hardware: Hardware;
  readonly disks: readonly (ComputerDisk & { readonly size: number })[];
  readonly cards: readonly Pick<ComputerCard, 'macAddress'>[];
}

export interface ComputerChanges {
  /** What is done, in words: "2 processors", "the disk data of 10GiB". */
  readonly changed: readonly string[];
  /** What a restart is to bring: the same words, and why: "the disk data is in use". */
  readonly needsRestart: readonly { readonly what: string; readonly why: string }[];
  /** What it has now, which is not what was wanted where its system did not take or give it. */
  readonly allotment: Allotment;
}

export interface PreparedComputer {
  readonly accelerator: 'kvm' | 'tcg';
}
