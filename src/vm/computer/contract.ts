import type { ContainerId, Timeline } from '../../base/index.ts';
import type { Allotment, MachineControlGroup, MachineNetwork } from '../contract.ts';

/**
 * What the engine asks of computers: virtual machines with firmware and disks of their own, whose operating system is the
 * user's (`berth vm`). Sizes are bytes, paths are absolute host paths.
 */
export interface Computers {
  /** The OCI runtime of computers, for {@link ComputerRequest.directory} as bundle. */
  readonly runtime: { readonly path: string; readonly args: readonly string[] };
  /** Throws `invalid` for hardware that does not go together, `unavailable` when a part is not installed, with what to install. */
  check(hardware: Hardware, signal?: AbortSignal): Promise<void>;
  /**
   * Puts the plan that `berth-vm run` carries out into the bundle. Called before each start that berthd makes; restarts by
   * the supervisor use the same plan. Throws like {@link check}.
   */
  prepare(request: ComputerRequest, timeline: Timeline, signal?: AbortSignal): Promise<PreparedComputer>;
  /** Gives back what a computer has outside its bundle folder. Nothing happens for one that has nothing. */
  release(id: ContainerId): Promise<void>;
}

/** QEMU's machine types. microvm has no firmware, so its disk is to bring a kernel (see docs/guide/machines.md). */
export type ComputerModel = 'q35' | 'pc' | 'microvm';

export type Firmware = 'bios' | 'uefi';

export interface Hardware {
  readonly model: ComputerModel;
  readonly firmware: Firmware;
  readonly allotment: Allotment;
}

/** A disk as the guest has it; `name` is its serial number, so /dev/disk/by-id/virtio-NAME. */
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
  /** Read-only optical media: an installer, the first-boot data. */
  readonly media: readonly { readonly name: string; readonly path: string }[];
  /** Of UEFI: the file that keeps its variables; made from the firmware's own when it is missing. */
  readonly variables: string;
  readonly network: MachineNetwork | undefined;
  /** In the order of the network's interfaces. */
  readonly cards: readonly ComputerCard[];
  /** That the guest is told by DHCP. */
  readonly hostname?: string;
  readonly controlGroups: readonly MachineControlGroup[];
  /** A snapshot's state to go on from; undefined: it boots. */
  readonly state: string | undefined;
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
  readonly search?: readonly string[];
  /** The default routes go by the first card that has a gateway. */
  readonly ipv6?: {
    readonly address: string;
    readonly prefixLength: number;
    readonly gateway: string | undefined;
  };
}

export interface PreparedComputer {
  readonly accelerator: 'kvm' | 'tcg';
}
