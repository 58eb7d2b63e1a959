import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runChecked, unavailable } from '../../../../base/index.ts';
import type { Download } from '../contract.ts';
import { ImageStore } from '../image-store.ts';
import { QcowDisks } from '../machine-disks.ts';
import { QemuImg } from '../qemu-img.ts';

/** A store of disk images in a folder of its own, and what tests make images with. */
export class DiskWorkshop implements AsyncDisposable {
  readonly folder: string;
  readonly images: string;
  readonly temporary: string;
  readonly store: ImageStore;
  readonly disks: QcowDisks;

  readonly #isMount: boolean;

  private constructor(folder: string, download: Download, qemuImg: QemuImg, isMount: boolean) {
    this.#isMount = isMount;
    this.folder = folder;
    this.images = join(folder, 'vm', 'images');
    this.temporary = join(folder, 'tmp');
    this.store = new ImageStore({ images: this.images, temporary: this.temporary }, { qemuImg, download });
    this.disks = new QcowDisks(qemuImg);
  }

  /** In memory: a disk that others write to makes each fsync wait for theirs. `folder`: one that is there, instead. */
  static async open(
    download: Download = noNetwork,
    qemuImg = new QemuImg(process.env.PATH ?? ''),
    folder?: string,
  ): Promise<DiskWorkshop> {
    if (folder !== undefined) return new DiskWorkshop(folder, download, qemuImg, false);
    const own = await mkdtemp(join(tmpdir(), 'disk-images-'));
    await runChecked('mount', ['-t', 'tmpfs', '-o', 'mode=700', 'disk-images', own]);
    return new DiskWorkshop(own, download, qemuImg, true);
  }

  file(name: string): string {
    return join(this.folder, name);
  }

  async qemuImg(...args: readonly string[]): Promise<string> {
    return this.run('qemu-img', ...args);
  }

  async run(program: string, ...args: readonly string[]): Promise<string> {
    return (await runChecked(program, args, { cwd: this.folder })).stdout.toString();
  }

  /** A qcow2 image with a pattern in its first MiB. */
  async qcow2(name: string, size = '64M', ...options: readonly string[]): Promise<string> {
    await this.qemuImg('create', '-q', '-f', 'qcow2', ...options, name, size);
    await this.write(name, 0xa5, '0 1M');
    return this.file(name);
  }

  /** Fills a range ("OFFSET LENGTH") of a qcow2 image with a byte. */
  async write(name: string, byte: number, range: string): Promise<void> {
    await runChecked('qemu-io', ['-f', 'qcow2', '-c', `write -P ${byte} ${range}`, name], {
      cwd: this.folder,
    });
  }

  /** What is on its way, which is nothing once all is done. */
  async leftovers(): Promise<string[]> {
    await mkdir(this.temporary, { recursive: true });
    return readdir(this.temporary);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isMount) await runChecked('umount', ['--lazy', this.folder]);
    await rm(this.folder, { recursive: true, force: true });
  }
}

const noNetwork: Download = async (url) => {
  throw unavailable(`${url.host} cannot be reached`);
};
