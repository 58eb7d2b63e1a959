import { randomBytes } from 'node:crypto';
import { chmod, link, readdir, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import {
  conflict,
  crashPoint,
  formatBinarySize,
  invalid,
  notFound,
  systemErrorCode,
} from '../../../base/index.ts';
import type { ComputerDisk } from '../contract.ts';
import type { Confinement, Limits } from './confined-program.ts';
import { type BackingImage, LARGEST_DISK, type MachineDisks, SECTOR } from './contract.ts';
import { allocatedSize } from './image-store.ts';
import { readFacts } from './incoming-image.ts';
import { imageName } from './node-options.ts';
import { CHECK_LIMITS, COPY_LIMITS, explainNoSpace, type QemuImg } from './qemu-img.ts';

/** Of a disk for which no size is asked, if that of its image is not more: it takes only what is written. */
const DEFAULT_SIZE = 8 * 1024 ** 3;

/** A fifth of the time that zlib takes, and no larger. */
const COMPRESSION = 'compression_type=zstd';

const SMALLEST = 1024 ** 2;

/** Disks as qcow2 files, of which none names another file: what is behind them is said whenever they are opened. */
export class QcowDisks implements MachineDisks {
  readonly #qemuImg: QemuImg;

  constructor(qemuImg: QemuImg) {
    this.#qemuImg = qemuImg;
  }

  async create(
    path: string,
    { size, backing }: { readonly size: number | undefined; readonly backing: BackingImage | undefined },
    signal?: AbortSignal,
  ): Promise<{ readonly size: number }> {
    const least = backing?.virtualSize ?? SMALLEST;
    const bytes = wholeSectors(size ?? Math.max(least, DEFAULT_SIZE));
    requireSize(bytes, least, backing);
    await this.#write(path, (file) =>
      this.#run(['create', '-q', '-f', 'qcow2', file, String(bytes)], path, CHECK_LIMITS, signal),
    );
    return { size: bytes };
  }

  async size(disk: Pick<ComputerDisk, 'path'>): Promise<number> {
    return (await readFacts(disk.path, 'qcow2', `the disk ${disk.path}`)).virtualSize;
  }

  async grow(disk: ComputerDisk, size: number, signal?: AbortSignal): Promise<void> {
    const present = await this.size(disk);
    const bytes = wholeSectors(size);
    if (bytes < present) {
      throw invalid(
        `the disk ${disk.name} has ${formatBinarySize(present)} and cannot become smaller (${formatBinarySize(bytes)})`,
        { hint: 'What is at its end would be lost: make a smaller disk and copy inside the machine' },
      );
    }
    requireSize(bytes, present, undefined);
    if (bytes === present) return;
    const file = imageName({ path: basename(disk.path), format: 'qcow2' }, disk.backing);
    await this.#run(['resize', '-q', file, String(bytes)], disk.path, CHECK_LIMITS, signal);
  }

  async allocated(disk: Pick<ComputerDisk, 'path'>): Promise<number> {
    const size = await allocatedSize(disk.path);
    if (size === undefined) throw notFound(`the disk ${disk.path} is missing`);
    return size;
  }

  async flatten(disk: ComputerDisk, path: string, signal?: AbortSignal): Promise<void> {
    await this.size(disk); // judges the header
    const source = imageName({ path: disk.path, format: 'qcow2' }, disk.backing);
    await this.#write(path, (file) =>
      this.#run(
        ['convert', '-q', '-c', '-o', COMPRESSION, '-O', 'qcow2', source, file],
        path,
        COPY_LIMITS,
        signal,
        `a copy of the disk ${disk.name}`,
      ),
    );
  }

  async remove(disk: Pick<ComputerDisk, 'path'>): Promise<void> {
    await rm(disk.path, { force: true });
  }

  async removeOthers(
    folder: string,
    kept: readonly Pick<ComputerDisk, 'path'>[],
  ): Promise<readonly string[]> {
    const known = new Set(kept.map(({ path }) => path));
    const others = (await filesIn(folder)).filter((path) => !known.has(path));
    for (const path of others) await rm(path, { force: true });
    return others;
  }

  /** In the folder of `path`; without capabilities, as the files are berth's own. `subject`: what it is about, for messages. */
  async #run(
    args: readonly string[],
    path: string,
    limits: Limits,
    signal: AbortSignal | undefined,
    subject = path,
  ): Promise<void> {
    const confinement: Confinement = { limits, user: undefined, writes: true };
    await this.#qemuImg.runChecked(args, { subject, folder: dirname(path), confinement, signal });
  }

  /** A file that is at `path` when it is whole; `fill` gets its name in that folder. */
  async #write(path: string, fill: (name: string) => Promise<void>): Promise<void> {
    const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
    try {
      await fill(basename(temporary));
      await chmod(temporary, 0o600);
      crashPoint('disk.written');
      await link(temporary, path); // not rename, which would replace a disk
      crashPoint('disk.placed');
    } catch (error) {
      if (systemErrorCode(error) === 'EEXIST') throw conflict(`the disk ${path} exists already`);
      throw explainNoSpace(error, `the disk ${path}`);
    } finally {
      await rm(temporary, { force: true });
    }
  }
}

async function filesIn(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).map((name) => join(folder, name));
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return [];
    throw error;
  }
}

const wholeSectors = (size: number) => Math.ceil(size / SECTOR) * SECTOR;

function requireSize(size: number, least: number, backing: BackingImage | undefined): void {
  if (Number.isSafeInteger(size) && size >= least && size <= LARGEST_DISK) return;
  if (backing !== undefined && size < least) {
    throw invalid(
      `a disk of ${formatBinarySize(size)} is too small for ${backing.source}, which has ${formatBinarySize(least)}`,
    );
  }
  throw invalid(`a machine's disk cannot have ${size} bytes`, { hint: 'Give it a size from 1m to 64t' });
}
