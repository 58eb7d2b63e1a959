import { createReadStream } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { createGunzip } from 'node:zlib';
import { systemErrorCode } from '../../../base/index.ts';

/** Bytes that are read at once. */
const PIECE = 256 * 1024;
const NEWLINE = 0x0a;
/** Bytes that have the time of the first entry, by which a file is known. */
const BEGINNING = 64 * 1024;

/** One file of a log, held open: rotation may move or remove it while it is read. */
export class LogFile implements AsyncDisposable {
  readonly inode: number;
  /** Of the last change, in milliseconds; a compressed file has that of the original. */
  readonly changedAt: number;
  readonly hasGzip: boolean;
  readonly #handle: FileHandle;
  #position = 0;

  /** Undefined when there is no such file. */
  static async open(path: string): Promise<LogFile | undefined> {
    try {
      const handle = await open(path, 'r');
      const { ino, mtimeMs } = await handle.stat();
      return new LogFile(handle, ino, mtimeMs, path.endsWith('.gz'));
    } catch (error) {
      if (systemErrorCode(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  private constructor(handle: FileHandle, inode: number, changedAt: number, hasGzip: boolean) {
    this.#handle = handle;
    this.inode = inode;
    this.changedAt = changedAt;
    this.hasGzip = hasGzip;
  }

  /** What is there from the current position on, in pieces that the caller may keep. */
  async *read(): AsyncGenerator<Buffer> {
    if (this.hasGzip) {
      if (this.#position > 0) return;
      this.#position = 1;
      yield* this.#unpack();
      return;
    }
    // The next piece is on its way while somebody works on this one.
    let coming = this.#pieceAt(this.#position);
    for (;;) {
      const piece = await coming;
      if (piece.length === 0) return;
      this.#position += piece.length;
      coming = this.#pieceAt(this.#position);
      coming.catch(() => {}); // where nobody asks for it any more
      yield piece;
    }
  }

  /** Empty at the end of the file. */
  async #pieceAt(position: number): Promise<Buffer> {
    const piece = Buffer.allocUnsafe(PIECE);
    const { bytesRead } = await this.#handle.read(piece, 0, PIECE, position);
    return piece.subarray(0, bytesRead);
  }

  /** The whole content; the position stays. */
  async *contents(): AsyncGenerator<Buffer> {
    if (this.hasGzip) {
      yield* this.#unpack();
      return;
    }
    for (let at = 0; ; ) {
      const piece = await this.#pieceAt(at);
      if (piece.length === 0) return;
      at += piece.length;
      yield piece;
    }
  }

  /** Whether this is what became of the other file when it was compressed: each log begins at its own nanosecond. */
  async isCompressionOf(original: LogFile): Promise<boolean> {
    if (!this.hasGzip || this.changedAt !== (await original.#handle.stat()).mtimeMs) return false;
    return (await this.#beginning()).equals(await original.#beginning());
  }

  async #beginning(): Promise<Buffer> {
    for await (const piece of this.contents()) return piece.subarray(0, BEGINNING);
    return Buffer.alloc(0);
  }

  async *#unpack(): AsyncGenerator<Buffer> {
    const packed = createReadStream('', { fd: this.#handle.fd, autoClose: false, start: 0 });
    const unpacked = createGunzip({ chunkSize: PIECE });
    packed.once('error', (error) => unpacked.destroy(error));
    for await (const piece of packed.pipe(unpacked)) yield Buffer.from(piece);
  }

  /** Moves to where the last `count` whole lines begin; returns how many there are, at most `count`. */
  async seekLines(count: number): Promise<number> {
    let lines = -1; // the newline that is met first only ends the last line
    for await (const newline of this.#newlinesFromEnd()) {
      lines += 1;
      if (lines < count) continue;
      this.#position = newline + 1;
      return count;
    }
    this.#position = 0;
    return lines + 1;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close();
  }

  async *#newlinesFromEnd(): AsyncGenerator<number> {
    let { size: end } = await this.#handle.stat();
    while (end > 0) {
      const start = Math.max(0, end - PIECE);
      const piece = Buffer.allocUnsafe(end - start);
      await this.#handle.read(piece, 0, piece.length, start);
      for (let at = piece.length; at > 0; ) {
        at = piece.lastIndexOf(NEWLINE, at - 1);
        if (at < 0) break;
        yield start + at;
      }
      end = start;
    }
  }
}

/** The files of a log as they are at one moment, the oldest first. The caller disposes of them. */
export async function openLogFiles(path: string): Promise<LogFile[]> {
  for (;;) {
    const newest = await LogFile.open(path);
    const files = newest === undefined ? [] : [newest];
    let hasGap = false;
    for await (const { number, file } of rotatedFiles(path)) {
      hasGap ||= number !== files.length + (newest === undefined ? 1 : 0);
      files.unshift(file);
    }
    // A rotation meanwhile would have given a file twice, or not at all.
    if (!hasGap && (newest === undefined || (await inodeOf(path)) === newest.inode)) return files;
    await closeAll(files);
  }
}

/** The rotated files, the newest first. While they are moved on, one by one, a number in the middle is missing. */
export async function* rotatedFiles(path: string): AsyncGenerator<{ number: number; file: LogFile }> {
  for (let number = 1, missing = 0; missing < 2; number += 1) {
    const file = await openNumber(path, number);
    missing = file === undefined ? missing + 1 : 0;
    if (file !== undefined) yield { number, file };
  }
}

/** A file by its number, as it was written or compressed. */
export async function openNumber(path: string, number: number): Promise<LogFile | undefined> {
  const name = number === 0 ? path : `${path}.${number}`;
  return (await LogFile.open(name)) ?? (number === 0 ? undefined : await LogFile.open(`${name}.gz`));
}

/** The inode that a path has now; undefined when nothing is there. */
export async function inodeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).ino;
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

export async function closeAll(files: readonly LogFile[]): Promise<void> {
  for (const file of files) await file[Symbol.asyncDispose]();
}
