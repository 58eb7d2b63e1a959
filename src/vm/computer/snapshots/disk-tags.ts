import { basename, dirname } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { errorMessage, internal } from '../../../base/index.ts';
import type { ComputerDisk } from '../contract.ts';
import type { Confinement } from '../disks/confined-program.ts';
import { imageName } from '../disks/node-options.ts';
import { CHECK_LIMITS, COPY_LIMITS, type QemuImg } from '../disks/qemu-img.ts';
import { isObject } from '../qmp-answer.ts';

/** The snapshots inside disks, by their tags: of disks that no QEMU has open, but for {@link copy}. */
export class DiskTags {
  readonly #qemuImg: QemuImg;

  constructor(qemuImg: QemuImg) {
    this.#qemuImg = qemuImg;
  }

  async add(disk: ComputerDisk, tag: string, signal?: AbortSignal): Promise<void> {
    await this.#snapshot('-c', disk, tag, signal);
  }

  /** Makes the disk, its size too, what it was. */
  async apply(disk: ComputerDisk, tag: string): Promise<void> {
    await this.#snapshot('-a', disk, tag);
  }

  /** Nothing happens where there is no such tag. */
  async remove(disk: ComputerDisk, tag: string): Promise<void> {
    if ((await this.#tagsOf(disk)).has(tag)) await this.#snapshot('-d', disk, tag);
  }

  /**
   * What the disk has, or had under a tag, into the disk `target`, which stands on the same images and is empty. Without a tag
   * no QEMU has it open; what is under a tag nobody writes to.
   */
  async copy(
    disk: ComputerDisk,
    tag: string | undefined,
    target: string,
    signal: AbortSignal,
  ): Promise<void> {
    const [behind] = disk.backing;
    await this.#run(
      [
        ...['convert', '-q', '-n', '-O', 'qcow2'],
        ...(tag === undefined ? [] : ['-U', '-l', `snapshot.name=${tag}`]),
        // Only says that what is not in the disk's own file is not to be copied: with -n it is not opened.
        ...(behind === undefined ? [] : ['-B', behind.path, '-F', behind.format]),
        imageName({ path: basename(disk.path), format: 'qcow2' }, disk.backing),
        imageName({ path: target, format: 'qcow2' }, disk.backing),
      ],
      disk,
      { limits: COPY_LIMITS, user: undefined, writes: true },
      signal,
    );
  }

  async #snapshot(
    flag: '-a' | '-c' | '-d',
    disk: ComputerDisk,
    tag: string,
    signal?: AbortSignal,
  ): Promise<void> {
    const image = imageName({ path: basename(disk.path), format: 'qcow2' }, disk.backing);
    const confinement: Confinement = { limits: CHECK_LIMITS, user: undefined, writes: true };
    await whenReleased(() => this.#run(['snapshot', flag, tag, image], disk, confinement, signal));
  }

  async #tagsOf(disk: ComputerDisk): Promise<Set<string>> {
    const file = basename(disk.path);
    const args = ['info', '-U', '--output=json', '-f', 'qcow2', file];
    const { stdout } = await this.#run(args, disk, { limits: CHECK_LIMITS, user: undefined, writes: false });
    const about: unknown = JSON.parse(stdout.toString());
    if (!isObject(about)) throw internal(`qemu-img says what is no object of ${disk.path}`);
    const snapshots: readonly unknown[] = Array.isArray(about.snapshots) ? about.snapshots : [];
    return new Set(snapshots.map((snapshot) => (isObject(snapshot) ? String(snapshot.name) : '')));
  }

  #run(args: readonly string[], disk: ComputerDisk, confinement: Confinement, signal?: AbortSignal) {
    const place = { subject: `the disk ${disk.name}`, folder: dirname(disk.path) };
    return this.#qemuImg.runChecked(args, { ...place, confinement, signal });
  }
}

const FIRST_PAUSE_MS = 20;
const LONGEST_PAUSE_MS = 5000;

/**
 * The QEMU of a machine that was killed lets go of its disks some moments after the machine's end, and nothing tells when: its
 * locks are looked at more and more seldom, for ten seconds at most.
 */
async function whenReleased(work: () => Promise<unknown>): Promise<void> {
  for (let pause = FIRST_PAUSE_MS; ; pause *= 2) {
    try {
      await work();
      return;
    } catch (error) {
      if (pause > LONGEST_PAUSE_MS || !/another process using/.test(errorMessage(error))) throw error;
      await wait(pause);
    }
  }
}
