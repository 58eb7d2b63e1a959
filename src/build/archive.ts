import { pipeline, type Readable } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import type { BuildContext } from './context.ts';
import type { ContextEntry } from './context-entry.ts';
import type { CopyStep } from './copy-step.ts';
import { notThereYet } from './dockerfile/wrong.ts';

const BLOCK = 512;

/** A local archive that ADD unpacks, as a plain tar; undefined for any other file, compressed or not. */
export async function archiveIn(
  step: CopyStep,
  context: BuildContext,
  entry: ContextEntry,
): Promise<Readable | undefined> {
  const head = await context.read(entry, BLOCK);
  if (isTarHeader(head)) return context.stream(entry);
  const starts = (...bytes: number[]) => bytes.every((byte, index) => head[index] === byte);
  if (starts(0x42, 0x5a, 0x68) || starts(0xfd, 0x37, 0x7a, 0x58, 0x5a)) {
    throw notThereYet(
      step,
      `ADD of bzip2 and xz files (${entry.path}) is`,
      'Compress it with gzip or zstd, or COPY it and unpack it in a RUN step',
    );
  }
  const isGzip = starts(0x1f, 0x8b);
  if (!isGzip && !starts(0x28, 0xb5, 0x2f, 0xfd)) return undefined;
  const decompressed = () => {
    const output = isGzip ? createGunzip() : createZstdDecompress();
    return pipeline(context.stream(entry), output, () => {}); // an error reaches whoever reads the output
  };
  return isTarHeader(await firstBlock(decompressed())) ? decompressed() : undefined;
}

/** The first bytes of a stream, fewer where it ends or breaks. */
async function firstBlock(stream: Readable): Promise<Buffer> {
  let block: Buffer = Buffer.alloc(0);
  try {
    for await (const chunk of stream) {
      block = Buffer.concat([block, chunk]);
      if (block.length >= BLOCK) break;
    }
  } catch {
    // broken data is no tar
  }
  return block.subarray(0, BLOCK);
}

/** A tar header has the sum of its own bytes in it (POSIX ustar; the same in older and GNU forms). */
function isTarHeader(block: Buffer): boolean {
  if (block.length < BLOCK || block[0] === 0) return false;
  const stored = Number.parseInt(block.toString('latin1', 148, 156).replace(/[\0 ]/g, ''), 8);
  const sum = block.reduce((total, byte, index) => total + (index >= 148 && index < 156 ? 32 : byte), 0);
  return stored === sum;
}
