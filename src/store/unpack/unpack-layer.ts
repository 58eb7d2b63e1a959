import { createHash } from 'node:crypto';
import { closeSync, fsyncSync, openSync } from 'node:fs';
import {
  type DiffId,
  digestFromHex,
  errorMessage,
  invalid,
  isDecompressionError,
  parseDiffId,
} from '../../base/index.ts';
import { BlockOutput } from '../erofs/block-output.ts';
import { writeImage } from '../erofs/image.ts';
import { EROFS_XATTRS } from '../erofs/xattrs.ts';
import { FOLDER_XATTRS, writeEntries } from '../folder/entries.ts';
import { LayerCollector } from '../layer-tree/collector.ts';
import type { DirectoryNode } from '../layer-tree/tree.ts';
import { TarReader } from '../tar/reader.ts';
import { decompress } from './decompress.ts';

export interface UnpackedLayer {
  readonly diffId: DiffId;
  /** Bytes of the files in it. */
  readonly size: number;
}

/** What an unpacked layer is written as; files to create. */
export type UnpackOutput =
  | { readonly format: 'erofs'; readonly imagePath: string }
  /** The contents of files, and their names and attributes as {@link encodeEntries} writes them: a folder is made of both. */
  | { readonly format: 'folder'; readonly contentsPath: string; readonly entriesPath: string };

export interface UnpackOptions {
  readonly output: UnpackOutput;
  /** Undefined where any content is right. */
  readonly expected: DiffId | undefined;
}

/**
 * Unpacks a layer's tar (compressed or not) in one pass: into an EROFS image file, made durable, or into what a folder is
 * made of. Blocks the thread while it hashes and writes: for workers. Throws `invalid` for a broken or hostile tar and for a
 * wrong diff ID; what was written so far is the caller's to remove. A chunk of the source is needed until the next one is
 * asked for.
 */
export function unpackLayer(source: AsyncIterable<Buffer>, options: UnpackOptions): Promise<UnpackedLayer> {
  const { output } = options;
  return output.format === 'erofs'
    ? unpackImage(source, options, output.imagePath)
    : unpackParts(source, options, output);
}

async function unpackImage(
  source: AsyncIterable<Buffer>,
  options: UnpackOptions,
  imagePath: string,
): Promise<UnpackedLayer> {
  using image = createFile(imagePath);
  const output = new BlockOutput(image.fd);
  const { diffId, root } = await collect(source, new LayerCollector(output, EROFS_XATTRS), options);
  const size = writeImage(root, output, uuidFrom(diffId));
  fsyncSync(image.fd);
  return { diffId, size };
}

async function unpackParts(
  source: AsyncIterable<Buffer>,
  options: UnpackOptions,
  { contentsPath, entriesPath }: UnpackOutput & { format: 'folder' },
): Promise<UnpackedLayer> {
  using contents = createFile(contentsPath);
  using entries = createFile(entriesPath);
  const output = new BlockOutput(contents.fd);
  const { diffId, root } = await collect(source, new LayerCollector(output, FOLDER_XATTRS), options);
  output.flush();
  return { diffId, size: writeEntries(entries.fd, root) };
}

function createFile(path: string): Disposable & { readonly fd: number } {
  const fd = openSync(path, 'wx', 0o600);
  return { fd, [Symbol.dispose]: () => closeSync(fd) };
}

/** Reads the tar; returns its digest and the layer's root. */
async function collect(
  source: AsyncIterable<Buffer>,
  collector: LayerCollector,
  { expected }: UnpackOptions,
): Promise<{ readonly diffId: DiffId; readonly root: DirectoryNode }> {
  const diffId = await readTar(source, new TarReader(collector));
  if (expected !== undefined && diffId !== expected) {
    throw invalid(`the layer's content has the diff ID ${diffId}, but its image says ${expected}`);
  }
  return { diffId, root: collector.finish() };
}

async function readTar(source: AsyncIterable<Buffer>, reader: TarReader): Promise<DiffId> {
  const hash = createHash('sha256');
  try {
    for await (const chunk of decompress(source)) {
      hash.update(chunk);
      reader.push(chunk);
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
