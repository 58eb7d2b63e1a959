import { randomBytes } from 'node:crypto';
import { chmod, mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { invalid, KeyedLock, run, runChecked, systemErrorCode, unavailable } from '../base/index.ts';

/** Of a machine for which no size is asked: it takes only what is written. */
export const DEFAULT_DISK_SIZE = 10 * 1024 ** 3;

/** Below it a file system with a journal has hardly any room. */
const SMALLEST = 32 * 1024 ** 2;
const LARGEST = 16 * 1024 ** 4; // ext4 with blocks of 4 KiB

/** Whenever FORMAT changes, so that kept images of the old format are not used. */
const VERSION = 1;

/**
 * The journal is only for the file system's own records and grows the file by what it holds; nothing is reserved for
 * root, as a container's processes mostly are root, and no room to grow. mke2fs takes a hole for zeros, so no kernel writes them later.
 */
const FORMAT = [
  ...['-q', '-F', '-t', 'ext4', '-b', '4096', '-m', '0'],
  ...['-O', '^resize_inode', '-E', 'lazy_journal_init=1,root_owner=0:0'],
];
const JOURNAL = ['-J', 'size=16'];

/**
 * Empty ext4 file systems in sparse files. One of each size is made and kept; a machine's is a copy of what is not a
 * hole in it, a sixth of the time of making one.
 */
export class WritableDisks {
  readonly #directory: string;
  readonly #lock = new KeyedLock();

  /** `directory` is made when it is needed. */
  constructor(directory: string) {
    this.#directory = directory;
  }

  /** A disk of `size` bytes at `path`, whole or not at all. One that is there stays as it is. Throws `invalid` for sizes that no disk has. */
  async provide(path: string, size: number, signal?: AbortSignal): Promise<void> {
    requireSize(size);
    if (await exists(path)) return;
    const image = await this.#lock.run(String(size), () => this.#image(size, signal));
    const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
    try {
      const options = signal === undefined ? {} : { signal };
      await runChecked('cp', ['--sparse=always', '--reflink=auto', image, temporary], options);
      await chmod(temporary, 0o600); // the image is only read
      await rename(temporary, path);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
  }

  async #image(size: number, signal: AbortSignal | undefined): Promise<string> {
    const image = join(this.#directory, `ext4-${VERSION}-${size}`);
    if (await exists(image)) return image;
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    const temporary = `${image}.${randomBytes(6).toString('hex')}.tmp`;
    try {
      await makeSparse(temporary, size);
      await makeFileSystem(temporary, size, signal);
      await chmod(temporary, 0o400);
      await rename(temporary, image);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
    return image;
  }
}

function requireSize(size: number): void {
  if (Number.isSafeInteger(size) && size >= SMALLEST && size <= LARGEST) return;
  throw invalid(`a virtual machine's disk cannot have ${size} bytes`, {
    hint: `Give it a size from 32m to 16t (--storage-opt size=…)`,
  });
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (systemErrorCode(error) !== 'ENOENT') throw error;
    return false;
  }
}

async function makeSparse(path: string, size: number): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.truncate(size);
  } finally {
    await file.close();
  }
}

async function makeFileSystem(path: string, size: number, signal: AbortSignal | undefined): Promise<void> {
  const journal = size < 256 * 1024 ** 2 ? [] : JOURNAL; // a small one has the small journal that mke2fs chooses
  const options = signal === undefined ? {} : { signal };
  const { code, stderr } = await run('mkfs.ext4', [...FORMAT, ...journal, path], options).catch(
    (cause: unknown) => {
      throw unavailable('virtual machines need mkfs.ext4 for their disks', {
        hint: 'Install it: apt-get install e2fsprogs',
        cause,
      });
    },
  );
  if (code !== 0) throw unavailable(`mkfs.ext4 failed with exit code ${code}: ${stderr.trim()}`);
}
