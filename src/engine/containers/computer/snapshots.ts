import { link, rm } from 'node:fs/promises';
import type { ComputerResume, SnapshotSubject } from '../../../vm/index.ts';
import type { ContainerRecord } from '../container.ts';
import { type ContainerContext, containerDirectory } from '../context.ts';
import { disksOf } from './bundle.ts';
import { computerFiles } from './files.ts';

/** A machine as its snapshots see it. */
export async function snapshotSubject(
  context: ContainerContext,
  record: Pick<ContainerRecord, 'id' | 'host'>,
): Promise<SnapshotSubject> {
  const { snapshots, variables } = computerFiles(containerDirectory(context, record.id));
  return { folder: snapshots, disks: await disksOf(context, record), variables };
}

/**
 * Before a machine starts: finishes what a crash has left of its snapshots. What it goes on from, if it was restored, with a
 * state that it may use up: this is the one chance, and the next start boots from the snapshot's disks.
 */
export async function takeUpSnapshot(
  context: ContainerContext,
  record: Pick<ContainerRecord, 'id' | 'host'>,
): Promise<ComputerResume | undefined> {
  const { computerSnapshots } = context.parts;
  const files = computerFiles(containerDirectory(context, record.id));
  await computerSnapshots.settle(await snapshotSubject(context, record));
  await rm(files.state, { force: true });
  const resume = await computerSnapshots.resume(files.snapshots);
  if (resume === undefined) return undefined;
  await link(resume.state, files.state);
  await computerSnapshots.forgetResume(files.snapshots);
  return { ...resume, state: files.state };
}
