import { chmod, chown, mkdtemp, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { invalid, systemErrorCode } from '../../../base/index.ts';
import { strangerId } from './confined-program.ts';
import type { DiskFormat } from './contract.ts';
import { imageName } from './node-options.ts';
import { QCOW2_HEADER_SIZE, readQcow2Header } from './qcow2-header.ts';
import { CHECK_LIMITS, type QemuImg, words } from './qemu-img.ts';
import { rawVirtualSize } from './raw-image.ts';

/** What is known of an image after it was looked into. */
export interface ImageFacts {
  readonly virtualSize: number;
  readonly snapshots: number;
}

/** In its folder, which is the one that programs run in. */
const FILE = 'image';

/** qemu-img check: found no error; found only clusters that nobody uses. */
const SOUND = [0, 3];

/** An image on its way into the store, in a folder of its own that is gone at the end, whatever happens. */
export class IncomingImage implements AsyncDisposable {
  readonly #folder: string;
  readonly path: string;

  private constructor(folder: string) {
    this.#folder = folder;
    this.path = join(folder, FILE);
  }

  /** `temporary` is emptied by each start of berthd. */
  static async begin(temporary: string): Promise<IncomingImage> {
    return new IncomingImage(await mkdtemp(join(temporary, 'disk-image-')));
  }

  /**
   * Looks into the file: first at what names other files, then, as a user who may do nothing but read it, at its tables.
   * Throws `invalid` for what a machine should not have.
   */
  async inspect(
    format: DiskFormat,
    subject: string,
    qemuImg: QemuImg,
    signal?: AbortSignal,
  ): Promise<ImageFacts> {
    const facts = await readFacts(this.path, format, subject);
    if (format === 'qcow2') await this.#check(subject, qemuImg, signal);
    return facts;
  }

  /** Puts it, durable and read-only, where it stays. */
  async moveTo(path: string): Promise<void> {
    await chmod(this.path, 0o400);
    const file = await open(this.path, 'r');
    try {
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(this.path, path);
  }

  /** Gives it away as a machine's own, which it writes to. */
  async release(path: string): Promise<void> {
    await chmod(this.path, 0o600);
    await rename(this.path, path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #check(subject: string, qemuImg: QemuImg, signal: AbortSignal | undefined): Promise<void> {
    const user = strangerId();
    await this.#giveTo(user, { folder: 0o710, file: 0o440 });
    const result = await qemuImg.run(['check', '-q', imageName({ path: FILE, format: 'qcow2' })], {
      ...{ subject, folder: this.#folder, signal },
      confinement: { limits: CHECK_LIMITS, user, writes: false },
    });
    await this.#giveTo(0, { folder: 0o700, file: 0o400 });
    if (SOUND.includes(result.code)) return;
    throw invalid(`${subject} is damaged or cut off: ${words(result)}`, {
      hint: 'Fetch it again, or repair a copy of it: qemu-img check -r all FILE',
    });
  }

  /** Its group may read it; root owns it all the time. */
  async #giveTo(group: number, modes: { readonly folder: number; readonly file: number }): Promise<void> {
    for (const [path, mode] of [
      [this.#folder, modes.folder],
      [this.path, modes.file],
    ] as const) {
      await chown(path, 0, group);
      await chmod(path, mode);
    }
  }
}

/** What an image says of itself, without any program. Throws `invalid` as {@link readQcow2Header} and {@link rawVirtualSize}. */
export async function readFacts(path: string, format: DiskFormat, subject: string): Promise<ImageFacts> {
  const file = await open(path, 'r');
  try {
    if (format === 'raw') return { virtualSize: await rawVirtualSize(file, subject), snapshots: 0 };
    const head = Buffer.alloc(QCOW2_HEADER_SIZE);
    const { bytesRead } = await file.read(head, 0, head.length, 0);
    return readQcow2Header(head.subarray(0, bytesRead), subject);
  } finally {
    await file.close();
  }
}

/** Moves a file that berth has made, also from another file system. */
export async function moveFile(from: string, to: string, copy: () => Promise<void>): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if (systemErrorCode(error) !== 'EXDEV') throw error;
    await copy();
    await rm(from, { force: true });
  }
}
