import type { ComputerDisk, ComputerLayout, ComputerResume } from '../contract.ts';
import type { ComputerMonitor } from '../monitor.ts';

/** A saved moment of a machine: its disks, and of one that ran then, its memory and devices. Sizes are bytes. */
export interface Snapshot {
  /** Of this record: another one is refused. */
  readonly version: 1;
  readonly name: string;
  /** How it is called inside the disks. */
  readonly tag: string;
  /** ISO 8601. */
  readonly createdAt: string;
  readonly disks: readonly { readonly name: string; readonly size: number }[];
  /** Of a machine that ran: what its state can go on in. Undefined: its disks alone were saved, and it boots from them. */
  readonly running: RunningState | undefined;
  /** Of the disks of a machine that ran, for which its file systems were held still: for how long, in milliseconds. */
  readonly heldFor?: number;
}

export interface RunningState {
  /** Of memory and devices. */
  readonly size: number;
  /** How long the guest stood still for it: milliseconds. */
  readonly stoppedFor: number;
  readonly layout: ComputerLayout;
}

/** A machine as its snapshots see it. */
export interface SnapshotSubject {
  /** Of snapshots, the machine's own; made when it is missing. */
  readonly folder: string;
  readonly disks: readonly ComputerDisk[];
  /** Of UEFI; there may be no such file. */
  readonly variables: string;
}

/** A machine that runs, and its QEMU. */
export interface RunningSubject extends SnapshotSubject {
  readonly control: ComputerMonitor;
}

export interface TakenSnapshot {
  readonly snapshot: Snapshot;
  /** What its user should know: one sentence each. */
  readonly warnings: readonly string[];
}

/** A guest whose file systems can be held still, each whole: its agent (GuestAgent). */
export interface FreezableGuest {
  /** So that a freeze takes little time. Never fails. */
  writeOut(signal: AbortSignal): Promise<void>;
  freeze(signal: AbortSignal): Promise<void>;
  /** Nothing happens when they are not. Throws when they may still be. */
  thaw(): Promise<void>;
}

/**
 * The snapshots of machines: inside their disks, with a folder that tells of them. A snapshot exists when its record has
 * its name; what is not finished is undone by {@link settle}. The caller keeps two changes of one machine apart.
 */
export interface ComputerSnapshots {
  /** The oldest first. Throws `invalid` for a record of another version. */
  list(folder: string): Promise<readonly Snapshot[]>;
  /** Throws `not-found`, `invalid` for a record of another version. */
  get(folder: string, name: string): Promise<Snapshot>;
  /** Throws `invalid` for what is no name, `conflict` for one that is taken. */
  requireFree(folder: string, name: string): Promise<void>;
  /** Of a machine that runs and goes on. `layout` is kept. Throws as {@link requireFree}, `unavailable` without space. */
  takeLive(
    subject: RunningSubject,
    wanted: { readonly name: string; readonly layout: ComputerLayout; readonly signal: AbortSignal },
  ): Promise<Snapshot>;
  /**
   * Of the disks alone of a machine that runs, while it does. `guest`: what holds its file systems still meanwhile. Throws as
   * {@link takeLive}.
   */
  takeDisks(
    subject: RunningSubject,
    wanted: {
      readonly name: string;
      readonly guest: FreezableGuest | undefined;
      readonly signal: AbortSignal;
    },
  ): Promise<TakenSnapshot>;
  /** Whether one was being taken or removed when berthd ended: file systems of the guest may be held still since. */
  isInterrupted(folder: string): Promise<boolean>;
  /** Of a stopped machine. */
  takeStopped(subject: SnapshotSubject, name: string, signal: AbortSignal): Promise<Snapshot>;
  /** Also of a machine that runs, by its control. */
  remove(subject: SnapshotSubject | RunningSubject, name: string): Promise<void>;
  /**
   * Makes the disks of a stopped machine those of a snapshot. From here on it is done, also after a crash: {@link settle}
   * finishes it. Of one that ran, its state is to follow ({@link resume}), unless `what` is its disks alone.
   */
  restore(subject: SnapshotSubject, name: string, what?: 'all' | 'disks'): Promise<Snapshot>;
  /** Of a stopped machine, before it starts and before its disks are changed: finishes or undoes what a crash has left. */
  settle(subject: SnapshotSubject): Promise<void>;
  /**
   * What the machine is to go on from, with the state's file in the folder, which is not to be removed: after {@link restore} of one that ran,
   * until {@link forgetResume}.
   */
  resume(folder: string): Promise<ComputerResume | undefined>;
  forgetResume(folder: string): Promise<void>;
  /** A disk like that of a snapshot (undefined: of a stopped machine as it is) in a new file that stands on the same images. */
  copyDisk(
    disk: ComputerDisk,
    snapshot: Snapshot | undefined,
    path: string,
    signal: AbortSignal,
  ): Promise<void>;
}
