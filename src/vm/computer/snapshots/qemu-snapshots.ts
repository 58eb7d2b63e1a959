import { randomBytes } from 'node:crypto';
import { constants, copyFile, open, rm } from 'node:fs/promises';
import { asBerthError, crashPoint, systemErrorCode } from '../../../base/index.ts';
import type { ComputerDisk, ComputerLayout, ComputerResume } from '../contract.ts';
import { diskId } from '../disk-nodes.ts';
import type { MachineDisks } from '../disks/contract.ts';
import { explainNoSpace, type QemuImg } from '../disks/qemu-img.ts';
import type { ComputerMonitor } from '../monitor.ts';
import type {
  ComputerSnapshots,
  FreezableGuest,
  RunningSubject,
  Snapshot,
  SnapshotSubject,
  TakenSnapshot,
} from './contract.ts';
import { DiskTags } from './disk-tags.ts';
import { SnapshotFiles } from './snapshot-files.ts';
import { takeDiskSnapshot } from './take-disks.ts';
import { takeLiveSnapshot } from './take-live.ts';

/** Snapshots inside qcow2 disks, with the state of QEMU beside them. */
export class QemuSnapshots implements ComputerSnapshots {
  readonly #tags: DiskTags;
  readonly #disks: Pick<MachineDisks, 'create' | 'size' | 'remove'>;

  constructor(qemuImg: QemuImg, disks: Pick<MachineDisks, 'create' | 'size' | 'remove'>) {
    this.#tags = new DiskTags(qemuImg);
    this.#disks = disks;
  }

  list(folder: string): Promise<readonly Snapshot[]> {
    return new SnapshotFiles(folder).list();
  }

  get(folder: string, name: string): Promise<Snapshot> {
    return new SnapshotFiles(folder).get(name);
  }

  requireFree(folder: string, name: string): Promise<void> {
    return new SnapshotFiles(folder).requireFree(name);
  }

  async takeLive(
    subject: RunningSubject,
    {
      name,
      layout,
      signal,
    }: { readonly name: string; readonly layout: ComputerLayout; readonly signal: AbortSignal },
  ): Promise<Snapshot> {
    const files = new SnapshotFiles(subject.folder);
    await this.#undoLive(files, subject);
    return this.#take(
      files,
      subject,
      name,
      () => this.#undoLive(files, subject),
      async (tag) => {
        // A snapshot in a disk waits for what is written to it; the guest is not to stand still for that.
        await Promise.all(subject.disks.map(({ path }) => syncFile(path)));
        const nodes = subject.disks.map((disk) => diskId(disk.name));
        const request = { tag, nodes, state: files.statePath(name), signal };
        const { size, stoppedFor } = await takeLiveSnapshot(subject.control, request);
        return { running: { size, stoppedFor: Math.round(stoppedFor), layout } };
      },
    );
  }

  async takeDisks(
    subject: RunningSubject,
    {
      name,
      guest,
      signal,
    }: {
      readonly name: string;
      readonly guest: FreezableGuest | undefined;
      readonly signal: AbortSignal;
    },
  ): Promise<TakenSnapshot> {
    const files = new SnapshotFiles(subject.folder);
    const undo = () => this.#undoLive(files, subject);
    await undo();
    const warnings: string[] = [];
    const snapshot = await this.#take(files, subject, name, undo, async (tag) => {
      await Promise.all(subject.disks.map(({ path }) => syncFile(path)));
      const nodes = subject.disks.map((disk) => diskId(disk.name));
      const taken = await takeDiskSnapshot(subject.control, { tag, nodes, guest, signal });
      if (taken.kind === 'frozen') return { running: undefined, heldFor: taken.heldFor };
      warnings.push(
        `its file systems were not held still (${taken.why}): what begins from it finds them as after a power cut`,
      );
      return { running: undefined };
    });
    return { snapshot, warnings };
  }

  async isInterrupted(folder: string): Promise<boolean> {
    return (await new SnapshotFiles(folder).pending()).length > 0;
  }

  async takeStopped(subject: SnapshotSubject, name: string, signal: AbortSignal): Promise<Snapshot> {
    const files = new SnapshotFiles(subject.folder);
    await this.settle(subject);
    return this.#take(
      files,
      subject,
      name,
      () => this.#undoStopped(files, subject),
      async (tag) => {
        for (const disk of subject.disks) await this.#tags.add(disk, tag, signal);
        return { running: undefined };
      },
    );
  }

  async remove(subject: SnapshotSubject | RunningSubject, name: string): Promise<void> {
    const files = new SnapshotFiles(subject.folder);
    await files.get(name);
    await files.beginRemoval(name);
    if ('control' in subject) await this.#undoLive(files, subject);
    else await this.#undoStopped(files, subject);
  }

  async restore(subject: SnapshotSubject, name: string, what: 'all' | 'disks' = 'all'): Promise<Snapshot> {
    await this.settle(subject);
    const files = new SnapshotFiles(subject.folder);
    const snapshot = await files.get(name);
    await files.beginRestore(what === 'all' ? snapshot : { ...snapshot, running: undefined });
    crashPoint('restore.begun');
    await this.settle(subject);
    crashPoint('restore.done');
    return snapshot;
  }

  async settle(subject: SnapshotSubject): Promise<void> {
    const files = new SnapshotFiles(subject.folder);
    await this.#undoStopped(files, subject);
    const snapshot = await files.restoring();
    if (snapshot === undefined) return;
    for (const disk of subject.disks) await this.#tags.apply(disk, snapshot.tag);
    await replaceIfThere(files.variablesPath(snapshot.name), subject.variables);
    await files.finishRestore(snapshot);
  }

  async resume(folder: string): Promise<ComputerResume | undefined> {
    const files = new SnapshotFiles(folder);
    const snapshot = await files.resuming();
    if (snapshot?.running === undefined) return undefined;
    return { state: files.statePath(snapshot.name), layout: snapshot.running.layout };
  }

  forgetResume(folder: string): Promise<void> {
    return new SnapshotFiles(folder).forgetResume();
  }

  async copyDisk(
    disk: ComputerDisk,
    snapshot: Snapshot | undefined,
    path: string,
    signal: AbortSignal,
  ): Promise<void> {
    const size =
      snapshot?.disks.find(({ name }) => name === disk.name)?.size ?? (await this.#disks.size(disk));
    await this.#disks.create(path, { size, backing: undefined }, signal);
    try {
      await this.#tags.copy(disk, snapshot?.tag, path, signal);
    } catch (error) {
      await this.#disks.remove({ path });
      throw error;
    }
  }

  /** `save` has done its part when it returns: the rest is the record. */
  async #take(
    files: SnapshotFiles,
    { disks, variables }: SnapshotSubject,
    name: string,
    undo: () => Promise<void>,
    save: (tag: string) => Promise<Pick<Snapshot, 'running' | 'heldFor'>>,
  ): Promise<Snapshot> {
    await files.requireFree(name);
    const tag = `berth-${randomBytes(6).toString('hex')}`;
    try {
      await files.begin({ name, tag });
      crashPoint('snapshot.begun');
      const saved = await save(tag);
      await replaceIfThere(variables, files.variablesPath(name));
      const sizes = disks.map(async (disk) => ({ name: disk.name, size: await this.#disks.size(disk) }));
      const createdAt = new Date().toISOString();
      const snapshot: Snapshot = {
        version: 1,
        name,
        tag,
        createdAt,
        disks: await Promise.all(sizes),
        ...saved,
      };
      crashPoint('snapshot.saved');
      await files.finish(snapshot);
      return snapshot;
    } catch (error) {
      await undo().catch(() => {}); // the next start does it
      throw explainNoSpace(error, `the snapshot ${name}`);
    }
  }

  async #undoStopped(files: SnapshotFiles, { disks }: SnapshotSubject): Promise<void> {
    for (const { name, tag } of await files.pending()) {
      for (const disk of disks) await this.#tags.remove(disk, tag);
      await files.undone(name);
    }
  }

  async #undoLive(files: SnapshotFiles, { disks, control }: RunningSubject): Promise<void> {
    for (const { name, tag } of await files.pending()) {
      for (const disk of disks) await removeLive(control, diskId(disk.name), tag);
      await files.undone(name);
    }
  }
}

/** Nothing happens where there is no such tag, or the disk came later. */
async function removeLive(control: ComputerMonitor, device: string, name: string): Promise<void> {
  try {
    await control.execute('blockdev-snapshot-delete-internal-sync', { device, name });
  } catch (error) {
    if (!/does not exist|Cannot find device/.test(asBerthError(error).message)) throw error;
  }
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r');
  await file.datasync().finally(() => file.close());
}

async function replaceIfThere(from: string, to: string): Promise<void> {
  try {
    await rm(to, { force: true });
    await copyFile(from, to, constants.COPYFILE_EXCL);
  } catch (error) {
    if (systemErrorCode(error) !== 'ENOENT') throw error;
  }
}
