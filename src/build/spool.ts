import type { FileHandle } from 'node:fs/promises';
import { internal } from '../base/index.ts';
import type { ContextEntry } from './context-entry.ts';

/** Files up to this size are read and written together with their neighbours. */
export const PIECE = 1024 * 1024;

/** Joins small pieces, so that many small files cost few writes. */
export class SpoolWriter {
  /** Bytes that were added so far. */
  offset = 0;
  readonly #spool: FileHandle;
  #pieces: Uint8Array[] = [];
  #written = 0;

  constructor(spool: FileHandle) {
    this.#spool = spool;
  }

  /** Returns whether it is time to flush. */
  add(piece: Uint8Array): boolean {
    this.#pieces.push(piece);
    this.offset += piece.length;
    return this.offset - this.#written >= PIECE;
  }

  async flush(): Promise<void> {
    const data = Buffer.concat(this.#pieces);
    this.#pieces = [];
    for (let at = 0; at < data.length; ) {
      const { bytesWritten } = await this.#spool.write(data, at, data.length - at, this.#written);
      at += bytesWritten;
      this.#written += bytesWritten;
    }
  }
}

/** A piece of the spool in memory: files that lie one behind the other are read together. */
export class ReadAhead {
  readonly #spool: FileHandle;
  #start = 0;
  #data: Buffer = Buffer.alloc(0);

  constructor(spool: FileHandle) {
    this.#spool = spool;
  }

  has({ offset, size }: ContextEntry): boolean {
    return offset >= this.#start && offset + size <= this.#start + this.#data.length;
  }

  take({ offset, size }: ContextEntry): Buffer {
    return this.#data.subarray(offset - this.#start, offset - this.#start + size);
  }

  /** Reads on from a file that is no larger than a piece. */
  async load({ offset, size }: ContextEntry): Promise<void> {
    const { buffer, bytesRead } = await this.#spool.read(Buffer.alloc(PIECE), 0, PIECE, offset);
    if (bytesRead < size) throw internal('the received build context is shorter than its index says');
    this.#start = offset;
    this.#data = buffer.subarray(0, bytesRead);
  }
}
