import { ftruncateSync, writeSync } from 'node:fs';
import { invalid } from '../../base/index.ts';
import { BLOCK_SIZE, MAX_BLOCKS } from './format.ts';

const BUFFER_SIZE = 1024 * 1024;

/** A hole longer than this is left out of the file; writing shorter ones is cheaper. */
const MIN_HOLE = 64 * 1024;

/**
 * Appends to an image file through one large buffer. Synchronous: for worker threads. Block 0 is left for
 * {@link BlockOutput.finish}.
 */
export class BlockOutput {
  readonly #fd: number;
  readonly #buffer = Buffer.alloc(BUFFER_SIZE);
  #filled = 0;
  /** Where the buffer goes. */
  #flushed = BLOCK_SIZE;

  constructor(fd: number) {
    this.#fd = fd;
  }

  get position(): number {
    return this.#flushed + this.#filled;
  }

  append(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#filled === BUFFER_SIZE) this.flush();
      const length = chunk.copy(this.#buffer, this.#filled, at);
      this.#filled += length;
      at += length;
    }
  }

  /** Appends zeros, long runs of them without using space. */
  appendZeros(length: number): void {
    if (this.position + length > MAX_BLOCKS * BLOCK_SIZE) throw invalid('the layer is larger than 16 TiB');
    if (length >= MIN_HOLE) {
      this.flush();
      this.#flushed += length;
      return;
    }
    for (let left = length; left > 0; ) {
      if (this.#filled === BUFFER_SIZE) this.flush();
      const part = Math.min(left, BUFFER_SIZE - this.#filled);
      this.#buffer.fill(0, this.#filled, this.#filled + part);
      this.#filled += part;
      left -= part;
    }
  }

  /** Fills the block with zeros; returns the address of the next one. */
  alignToBlock(): number {
    this.appendZeros(-this.position & (BLOCK_SIZE - 1));
    return this.position / BLOCK_SIZE;
  }

  /** Writes what is buffered, then the first block. */
  finish(firstBlock: Buffer): void {
    this.alignToBlock();
    this.flush();
    ftruncateSync(this.#fd, this.#flushed);
    writeAll(this.#fd, firstBlock, 0);
  }

  /** Writes what is buffered. */
  flush(): void {
    writeAll(this.#fd, this.#buffer.subarray(0, this.#filled), this.#flushed);
    this.#flushed += this.#filled;
    this.#filled = 0;
  }
}

function writeAll(fd: number, data: Buffer, position: number): void {
  for (let at = 0; at < data.length; ) at += writeSync(fd, data, at, data.length - at, position + at);
}
