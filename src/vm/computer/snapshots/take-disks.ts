import { crashPoint, errorMessage } from '../../../base/index.ts';
import type { ComputerMonitor } from '../monitor.ts';
import type { FreezableGuest } from './contract.ts';
import { requireRunning, snapshotInDisks } from './take-live.ts';

export interface DiskSnapshotRequest {
  /** How the snapshot is called inside the disks. */
  readonly tag: string;
  /** QEMU's names of all disks. */
  readonly nodes: readonly string[];
  /** Undefined: its system has no agent that could hold its file systems still. */
  readonly guest: FreezableGuest | undefined;
  readonly signal: AbortSignal;
}

/** What became of the guest's file systems: milliseconds for which nothing was written to them, or why they were not held still. */
export type TakenDisks =
  | { readonly kind: 'frozen'; readonly heldFor: number }
  | { readonly kind: 'running'; readonly why: string };

/**
 * Saves the disks of one moment while the guest runs, with its file systems whole where its agent goes along. Whatever happens, they
 * are let go at the end. Throws `conflict` when the guest stands still, `unavailable` when it ends meanwhile, the reason of `signal`
 * when that was aborted.
 */
export async function takeDiskSnapshot(
  control: ComputerMonitor,
  { tag, nodes, guest, signal }: DiskSnapshotRequest,
): Promise<TakenDisks> {
  signal.throwIfAborted();
  await requireRunning(control);
  if (guest === undefined) {
    await snapshotInDisks(control, nodes, tag);
    return { kind: 'running', why: "QEMU's guest agent does not run in it" };
  }
  await guest.writeOut(signal);
  signal.throwIfAborted();
  const begunAt = performance.now();
  let refusal: string | undefined;
  try {
    refusal = await guest.freeze(signal).then(() => undefined, errorMessage);
    signal.throwIfAborted();
    crashPoint('snapshot.frozen');
    await snapshotInDisks(control, nodes, tag);
  } finally {
    await guest.thaw(); // a freeze that was given up may come yet
  }
  if (refusal !== undefined) return { kind: 'running', why: refusal };
  return { kind: 'frozen', heldFor: Math.round(performance.now() - begunAt) };
}
