import { type FileHandle, open } from 'node:fs/promises';
import { formatBinarySize, invalid } from '../../../base/index.ts';
import { diskDevice } from '../arguments.ts';
import type { ComputerLayout, WantedComputer } from '../contract.ts';
import { diskId, diskNode } from '../disk-nodes.ts';
import { LARGEST_DISK, SECTOR } from '../disks/contract.ts';
import type { ComputerMonitor } from '../monitor.ts';
import { freePlace, placesOf } from '../places.ts';
import { numberIn, objectIn, objectsIn } from '../qmp-fields.ts';
import { changed, needsRestart, type Outcome } from './outcome.ts';
import { eventInTime } from './patience.ts';

type WantedDisk = WantedComputer['disks'][number];

/** Bytes of each disk that a computer has, by its name. */
export type DiskSizes = ReadonlyMap<string, number>;

export async function surveyDiskSizes(
  monitor: ComputerMonitor,
  { disks }: Pick<ComputerLayout, 'disks'>,
): Promise<DiskSizes> {
  const nodes = objectsIn(await monitor.execute('query-named-block-nodes', { flat: true }));
  const sizes = new Map(
    nodes.map((node) => [node['node-name'], numberIn(objectIn(node.image)['virtual-size'])] as const),
  );
  return new Map(disks.map(({ name }) => [name, sizes.get(diskId(name)) ?? 0]));
}

/** Throws `invalid` when a disk is to become smaller, or larger than any. */
export function requireDiskSizes(present: DiskSizes, wanted: readonly WantedDisk[]): void {
  for (const { name, size } of wanted) {
    const now = present.get(name);
    if (now !== undefined && size < now) {
      throw invalid(
        `the disk ${name} has ${formatBinarySize(now)} and cannot become smaller (${formatBinarySize(size)})`,
        { hint: 'What is at its end would be lost: make a smaller disk and copy inside the machine' },
      );
    }
    if (size <= LARGEST_DISK) continue;
    throw invalid(
      `the disk ${name} cannot have ${formatBinarySize(size)}: no disk is larger than ${formatBinarySize(LARGEST_DISK)}`,
    );
  }
}

/** Grows the disks that are there, adds those that are not, and removes those that are not wanted. */
export async function changeDisks(
  monitor: ComputerMonitor,
  layout: ComputerLayout,
  sizes: DiskSizes,
  wanted: readonly WantedDisk[],
  patience: number,
): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const disk of wanted) {
    const now = sizes.get(disk.name);
    if (now !== undefined && now < disk.size) outcomes.push(await grow(monitor, disk));
  }
  const names = new Set(wanted.map(({ name }) => name));
  for (const { name } of layout.disks) {
    if (!names.has(name)) outcomes.push(await remove(monitor, layout, name, patience));
  }
  const taken = [...layout.disks]; // a place that is given away is free at the next start
  for (const disk of wanted.filter(({ name }) => !sizes.has(name))) {
    const place = freePlace(layout.places.disks, taken);
    outcomes.push(await add(monitor, layout, disk, place));
    if (place !== undefined) taken.push({ name: disk.name, place });
  }
  return outcomes;
}

async function grow(monitor: ComputerMonitor, { name, size }: WantedDisk): Promise<Outcome> {
  const wholeSectors = Math.ceil(size / SECTOR) * SECTOR;
  await monitor.execute('block_resize', { 'node-name': diskId(name), size: wholeSectors });
  return changed(`the disk ${name} of ${formatBinarySize(size)}`);
}

async function add(
  monitor: ComputerMonitor,
  { model }: ComputerLayout,
  disk: WantedDisk,
  place: number | undefined,
): Promise<Outcome> {
  const what = `the disk ${disk.name} of ${formatBinarySize(disk.size)}`;
  if (!placesOf(model).live) return needsRestart(what, `a ${model} takes no new devices while it runs`);
  if (place === undefined) return needsRestart(what, 'all places for disks are taken');
  await using files = new HandedFiles(monitor);
  const path = await files.hand(disk.path, 'r+');
  const backing: WantedDisk['backing'][number][] = [];
  for (const image of disk.backing) backing.push({ ...image, path: await files.hand(image.path, 'r') });
  await monitor.execute('blockdev-add', diskNode({ name: disk.name, path, backing }));
  try {
    await monitor.execute('device_add', diskDevice(model, { name: disk.name, place }));
  } catch (error) {
    await monitor.execute('blockdev-del', { 'node-name': diskId(disk.name) });
    throw error;
  }
  return changed(what);
}

/** Files that are not in QEMU's root, handed to it as open ones: it has them as long as it uses them. */
class HandedFiles implements AsyncDisposable {
  readonly #monitor: ComputerMonitor;
  readonly #files: FileHandle[] = [];

  constructor(monitor: ComputerMonitor) {
    this.#monitor = monitor;
  }

  /** Its name for QEMU. */
  async hand(path: string, flags: 'r' | 'r+'): Promise<string> {
    const file = await open(path, flags);
    this.#files.push(file);
    const answer = await this.#monitor.execute('add-fd', {}, { descriptor: file.fd });
    return `/dev/fdset/${numberIn(objectIn(answer)['fdset-id'])}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const file of this.#files) await file.close();
  }
}

async function remove(
  monitor: ComputerMonitor,
  { model }: ComputerLayout,
  name: string,
  patience: number,
): Promise<Outcome> {
  const what = `no disk ${name}`;
  const id = diskId(name);
  if (!placesOf(model).live) return needsRestart(what, `a ${model} gives no device away while it runs`);
  await using events = await monitor.events();
  await monitor.execute('device_del', { id });
  const gone = await eventInTime(
    events,
    (event) => event.name === 'DEVICE_DELETED' && event.data.device === id,
    patience,
  );
  if (gone === undefined) return needsRestart(what, 'its system keeps it');
  await monitor.execute('blockdev-del', { 'node-name': id });
  return changed(what);
}
