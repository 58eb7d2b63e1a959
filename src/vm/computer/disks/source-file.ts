import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { conflict, denied, invalid, notFound, runChecked, systemErrorCode } from '../../../base/index.ts';

/** A change within this time before a file is read may be followed by one that its times do not show. */
const UNSETTLED_MS = 2000;

/** A regular file of the host's, open for reading. */
export class SourceFile implements AsyncDisposable {
  readonly path: string;
  readonly size: number;
  /** Changes when the file does. */
  readonly identity: string;
  readonly handle: FileHandle;
  readonly #isSettled: boolean;

  private constructor(path: string, handle: FileHandle, state: FileState) {
    this.path = path;
    this.handle = handle;
    this.size = state.size;
    this.identity = state.identity;
    this.#isSettled = Date.now() - state.changedAt > UNSETTLED_MS;
  }

  /**
   * Throws `not-found`, or `invalid` for a folder, device, pipe or socket: those may never end, or belong to something else.
   * What a symbolic link leads to is judged as itself.
   */
  static async open(path: string): Promise<SourceFile> {
    const handle = await openForReading(path);
    try {
      return new SourceFile(path, handle, await stateOf(handle, path));
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** What tells, later on, that the file is the same; undefined if it was changed so lately that its times do not tell. */
  get lasting(): string | undefined {
    return this.#isSettled ? this.identity : undefined;
  }

  /** The file that was opened, whatever its path leads to by now; for programs that berth starts as root. */
  get opened(): string {
    return `/proc/${process.pid}/fd/${this.handle.fd}`;
  }

  /**
   * Copies it: by reference where the file system can, and zeros as holes. Ends with berthd, whose next start takes the copy away.
   * Throws `conflict` when somebody wrote to it meanwhile.
   */
  async copyTo(path: string, signal?: AbortSignal): Promise<void> {
    const options = signal === undefined ? {} : { signal };
    const copy = ['cp', '--reflink=auto', '--sparse=always', '--', this.opened, path];
    await runChecked('setpriv', ['--pdeathsig=KILL', '--', ...copy], {
      ...options,
      env: { ...process.env, LC_ALL: 'C' },
    });
    await this.requireUnchanged();
  }

  /** Throws `conflict` when somebody wrote to it since it was opened. */
  async requireUnchanged(): Promise<void> {
    const { identity } = await stateOf(this.handle, this.path);
    if (identity === this.identity) return;
    throw conflict(`${this.path} was changed while it was read`, {
      hint: 'Stop what writes to it, then try again',
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.handle.close();
  }
}

/** Without waiting for a pipe's writer, and without becoming a terminal's owner. */
async function openForReading(path: string): Promise<FileHandle> {
  try {
    return await open(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch (cause) {
    switch (systemErrorCode(cause)) {
      case 'ENOENT':
      case 'ENOTDIR':
        throw notFound(`the disk image ${path} does not exist`, { cause });
      case 'EACCES':
      case 'EPERM':
        throw denied(`the disk image ${path} may not be read`, { cause });
      case 'ENXIO':
      case 'ELOOP':
        throw invalid(`${path} is no regular file, so no disk image`, { cause });
      default:
        throw cause;
    }
  }
}

interface FileState {
  readonly size: number;
  readonly identity: string;
  /** Milliseconds since the epoch. */
  readonly changedAt: number;
}

async function stateOf(handle: FileHandle, path: string): Promise<FileState> {
  const found = await handle.stat({ bigint: true });
  if (found.isDirectory()) throw invalid(`${path} is a folder, not a disk image`);
  if (!found.isFile()) {
    throw invalid(`${path} is no regular file, so no disk image`, {
      hint: 'Copy a device into a file first: qemu-img convert -f raw -O qcow2 DEVICE FILE',
    });
  }
  const { dev, ino, size, mtimeNs, ctimeNs } = found;
  const identity = [dev, ino, size, mtimeNs, ctimeNs].join('-');
  return { size: Number(size), identity, changedAt: Number(ctimeNs / 1_000_000n) };
}
