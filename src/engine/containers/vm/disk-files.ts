import { constants } from 'node:os';
import { unavailable } from '../../../base/index.ts';
import { type FileWorker, fileWorkerBehind } from '../../../runtime/index.ts';
import { BARE_SETUP, setupPayload, type WorkerPlace, waitPayload } from '../../../vm/index.ts';
import type { BriefMachine, BriefMachines } from './brief-machines.ts';

/** What a machine that does not run has written, above what it began with. */
export interface WrittenDisk {
  /** EROFS files, the bottom layer first. */
  readonly layers: readonly string[];
  /** The disk's file, which no machine uses meanwhile; it is made where it is missing, in a folder that exists. */
  readonly path: string;
  /** Bytes. */
  readonly size: number;
}

/** Enough for a kernel, its file systems and a file worker. */
const MEMORY = 128 * 1024 ** 2;

/**
 * File operations on the disk of a machine that does not run. Only a guest reads it, because to mount a file system that another
 * guest has written would be to trust it: so a machine without a process of its own starts over the same layers and the same
 * disk, and ends with the worker; `release` is called then. Disposing of the worker throws `unavailable` when the guest has not
 * brought everything to the disk.
 */
export async function openDiskFiles(
  machines: BriefMachines,
  { layers, path, size }: WrittenDisk,
  place: Exclude<WorkerPlace, 'root'>,
  { signal, release }: { readonly signal?: AbortSignal; readonly release?: () => Promise<void> } = {},
): Promise<FileWorker> {
  const wanted = { cpus: undefined, memory: MEMORY };
  await using stack = new AsyncDisposableStack();
  const machine = stack.use(await machines.open({ layers, wanted, openStdin: true }, signal));
  const setup = setupPayload({ ...BARE_SETUP, hostname: 'files', layers: layers.length, hasDisk: true });
  await machine.prepare({ disk: { path, size }, setup, process: waitPayload() }, signal);
  // Its input ends with berthd, and the machine with its input.
  stack.use(await machine.supervisor.attach({ stdin: true, stdout: false, stderr: false }));
  await machine.supervisor.run(signal);
  await machine.noteStart();
  const socket = await machine.control.openFiles(place, signal);
  const opened = stack.move();
  return fileWorkerBehind(socket, async () => {
    await using ending = opened;
    if (release !== undefined) ending.defer(release);
    await endWell(machine);
  });
}

/** By the signal that it was sent, and by no other way. */
async function endWell(machine: BriefMachine): Promise<void> {
  const status = await machine.end();
  machine.requireRoom("what is copied to the virtual machine's disk");
  if (status.kind === 'exited' && status.signal === constants.signals.SIGTERM) return;
  throw unavailable('the virtual machine that had the files ended before everything was on its disk', {
    hint: 'Copy them again',
  });
}
