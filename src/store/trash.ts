import { randomBytes } from 'node:crypto';
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { systemErrorCode } from '../base/index.ts';
import type { DataRoot } from './data-root.ts';

/**
 * Deletes files without keeping anybody waiting: freeing the blocks of a large one takes the kernel tens of
 * milliseconds. A file is out of the way at once; what a crash leaves lies in tmp/, which each start empties.
 */
export class Trash implements AsyncDisposable {
  readonly #root: DataRoot;
  #discarded: string[] = [];
  #emptying: Promise<void> = Promise.resolve();

  constructor(root: DataRoot) {
    this.#root = root;
  }

  /** Takes a file or folder out of its place; it may be gone already. {@link empty} frees its space. */
  async discard(path: string): Promise<void> {
    const discarded = join(this.#root.temporary, `removed-${randomBytes(8).toString('hex')}`);
    try {
      await rename(path, discarded);
      this.#discarded.push(discarded);
    } catch (error) {
      if (systemErrorCode(error) !== 'ENOENT') throw error;
    }
  }

  /** Resolves (never rejects) when the space of all that was discarded so far is free. */
  empty(): Promise<void> {
    const paths = this.#discarded;
    this.#discarded = [];
    this.#emptying = this.#emptying.then(async () => {
      // One at a time, as others want the disk, too. What cannot be deleted now is deleted by the next start.
      for (const path of paths) await rm(path, { recursive: true, force: true }).catch(() => {});
    });
    return this.#emptying;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.empty();
  }
}
