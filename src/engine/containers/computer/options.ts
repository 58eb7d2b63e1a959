import type { ComputerModel, Firmware, FirstBootData } from '../../../vm/index.ts';

/** What a machine is, beside what it has in common with containers. Sizes are bytes, paths absolute. */
export interface MachineOptions {
  /** What its first disk began as, in the user's words: "debian:bookworm", a file, a URL; "" for an empty one. */
  readonly source: string;
  readonly model: ComputerModel;
  readonly firmware: Firmware;
  /** In the order of booting. */
  readonly disks: readonly MachineDisk[];
  /** A read-only optical medium, as an installer's; it is booted when no disk can be. */
  readonly iso?: string | undefined;
  /** What a fresh system makes of itself at its first boot; undefined: nothing is told to it. */
  readonly firstBoot?: FirstBoot | undefined;
}

/** A disk of a machine's own. */
export interface MachineDisk {
  readonly name: string;
  readonly size: number;
  /** The image that it stands on, by its name in the instance's store; undefined: it began empty. */
  readonly backing?: string | undefined;
}

/** What cloud-init is told (https://cloudinit.readthedocs.io, NoCloud), but for the cards, which are known at a start. */
export type FirstBoot = Omit<FirstBootData, 'cards'>;

/** What a machine got at its start. */
export interface ComputerDetails {
  readonly processors: number;
  /** Bytes. */
  readonly memory: number;
  readonly accelerator: 'kvm' | 'tcg';
}
