/** A saved moment of a machine (GET /berth/machines/{id}/snapshots). Sizes are bytes. */
export interface MachineSnapshot {
  readonly Name: string;
  readonly Created: string;
  /** Taken while it ran: its memory is in it, and a restored machine goes on from there. */
  readonly Memory: boolean;
  /** On the host's disk, of memory and devices. */
  readonly StateSize: number;
  /** Milliseconds that the machine stood still for it. */
  readonly StoppedFor: number;
  /** Milliseconds for which nothing was written to its file systems; missing where they were not held still. */
  readonly HeldFor?: number;
  readonly Disks: readonly { readonly Name: string; readonly Size: number }[];
}

/** What became of a snapshot that was asked for or restored. */
export interface MachineSnapshotDone extends MachineSnapshot {
  /** What its user should know: one sentence each. */
  readonly Warnings: readonly string[];
}
