import { createHash } from 'node:crypto';
import { closeSync, fsyncSync, openSync } from 'node:fs';
import type { Readable } from 'node:stream';
import {
  type DiffId,
  digestFromHex,
  errorMessage,
  invalid,
  parseDiffId,
  systemErrorCode,
} from '../../base/index.ts';
import { ErofsWriter } from '../erofs/writer.ts';
import { TarReader } from '../tar/reader.ts';
import { decompress } from './decompress.ts';

export interface UnpackedLayer {
  readonly diffId: DiffId;
  /** Bytes of the files in it. */
  readonly size: number;
}

export interface UnpackOptions {
  /** The file to create. */
  readonly imagePath: string;
  /** Undefined where any content is right. */
  readonly expected: DiffId | undefined;
  /** Called now and then. */
  readonly onChunk?: () => void;
}

/**
 * Unpacks a layer's tar (compressed or not) into a new EROFS image file in one pass, and makes it durable.
 * Blocks the thread while it hashes and writes: for workers. Throws `invalid` for a broken or hostile tar and for a wrong diff
 * ID; what was written so far is the caller's to remove.
 */
export async function unpackLayer(
  source: Readable,
  { imagePath, expected, onChunk }: UnpackOptions,
): Promise<UnpackedLayer> {
  const fd = openSync(imagePath, 'wx', 0o600);
  try {
    const writer = new ErofsWriter(fd);
    const diffId = await readTar(source, new TarReader(writer), onChunk);
    if (expected !== undefined && diffId !== expected) {
      throw invalid(`the layer's content has the diff ID ${diffId}, but its image says ${expected}`);
    }
    const { size } = writer.finish(uuidFrom(diffId));
    fsyncSync(fd);
    return { diffId, size };
  } finally {
    closeSync(fd);
  }
}

async function readTar(source: Readable, reader: TarReader, onChunk = () => {}): Promise<DiffId> {
  const hash = createHash('sha256');
  try {
    for await (const chunk of decompress(source)) {
      hash.update(chunk);
      reader.push(chunk);
      onChunk();
    }
  } catch (error) {
    if (!isDecompressionError(error)) throw error;
    throw invalid(`the layer's compressed data is broken: ${errorMessage(error)}`, { cause: error });
  }
  reader.end();
  return parseDiffId(digestFromHex(hash.digest('hex')));
}

/** The image's UUID: the diff ID's first half, with the bits of a version 8 (custom) UUID. */
function uuidFrom(diffId: DiffId): Buffer {
  const uuid = Buffer.from(diffId.slice('sha256:'.length, 'sha256:'.length + 32), 'hex');
  uuid.writeUInt8((uuid.readUInt8(6) & 0x0f) | 0x80, 6);
  uuid.writeUInt8((uuid.readUInt8(8) & 0x3f) | 0x80, 8);
  return uuid;
}

function isDecompressionError(error: unknown): boolean {
  const code = systemErrorCode(error) ?? '';
  return /^(Z_|ZSTD_|ERR_ZLIB|ERR_ZSTD)/.test(code);
}
