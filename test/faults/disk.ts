import { mkdir, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { runChecked } from '../../src/base/index.ts';

export type FileSystem = 'ext4' | 'btrfs';

/** A file system on a disk of its own, whose power can be cut. */
export interface Disk extends AsyncDisposable {
  /** Where it is mounted. */
  readonly path: string;
  /**
   * The disk as it is now, without what is still in memory only, takes the place of the one that is mounted: as after a loss
   * of power. Whoever has files of the old one open must have ended.
   */
  cutPower(): Promise<void>;
}

/** btrfs wants more, and both want room for their journals. */
const DISK_BYTES = 320 * 1024 * 1024;

/** Written back only when somebody asks: what was not synced is in memory for ten minutes. */
const MOUNT_OPTIONS = 'loop,commit=600';

/**
 * Makes and mounts a disk. It is an image file behind a loop device: all that the file system has sent to the disk is in that
 * file, and what is not in it would be gone with the power. (Linux offers dm-log-writes and dm-flakey for this, but not every
 * kernel has the device mapper.)
 */
export async function makeDisk(fileSystem: FileSystem): Promise<Disk> {
  const folder = await mkdtemp('/tmp/berth-power-');
  const path = `${folder}/mounted`;
  let cuts = 0;
  const image = () => `${folder}/disk-${cuts}`;
  const mount = () => runChecked('mount', ['-t', fileSystem, '-o', MOUNT_OPTIONS, image(), path]);
  await mkdir(path);
  await writeFile(image(), '');
  await truncate(image(), DISK_BYTES);
  const quiet = fileSystem === 'ext4' ? ['-q', '-F'] : ['-q', '-f'];
  await runChecked(`mkfs.${fileSystem}`, [...quiet, image()]);
  await mount();
  return {
    path,
    async cutPower() {
      const before = image();
      cuts += 1;
      await runChecked('cp', ['--sparse=always', before, image()]);
      await runChecked('umount', [path]);
      await mount();
    },
    async [Symbol.asyncDispose]() {
      await runChecked('umount', [path]);
      await rm(folder, { recursive: true });
    },
  };
}
