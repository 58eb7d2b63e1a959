import { type FileHandle, open } from 'node:fs/promises';
import { Readable } from 'node:stream';

/** Read in pieces of this size. */
const PIECE = 256 * 1024;

/**
 * Reads a file while it is being written, at its own pace: who writes tells how far it is, and does not wait. The file may be
 * renamed or deleted meanwhile.
 */
export class GrowingFile extends Readable {
  #handle: FileHandle | undefined;
  #at = 0;
  #size = 0;
  #isWhole = false;
  #isWanted = false;
  #isReading = false;

  constructor() {
    super({ highWaterMark: 4 * PIECE });
  }

  /** Opens the file for reading, before anything of it is told. */
  async follow(path: string): Promise<void> {
    const handle = await open(path, 'r');
    if (this.destroyed) await handle.close();
    else this.#handle = handle;
  }

  /** So many bytes of it are there. */
  grow(size: number): void {
    this.#size = size;
    void this.#advance();
  }

  /** No more will come. */
  complete(): void {
    this.#isWhole = true;
    void this.#advance();
  }

  override _read(): void {
    this.#isWanted = true;
    void this.#advance();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    const closed = this.#handle?.close() ?? Promise.resolve();
    closed.then(
      () => callback(error),
      (failure: Error) => callback(error ?? failure),
    );
  }

  async #advance(): Promise<void> {
    if (!this.#isWanted || this.#isReading || this.destroyed) return;
    if (this.#at === this.#size) {
      if (this.#isWhole) this.push(null);
      return;
    }
    this.#isReading = true;
    try {
      const length = Math.min(PIECE, this.#size - this.#at);
      const piece = await this.#handle?.read(Buffer.allocUnsafe(length), 0, length, this.#at);
      if (piece === undefined || this.destroyed) return;
      this.#at += piece.bytesRead;
      this.#isReading = false;
      this.#isWanted = false;
      this.push(piece.buffer.subarray(0, piece.bytesRead)); // asks for more, if there is room
      void this.#advance();
    } catch (error) {
      this.destroy(error instanceof Error ? error : new Error(String(error)));
    }
  }
}
