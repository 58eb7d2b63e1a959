import { pipeline, Readable } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { notImplemented } from '../base/index.ts';

/** An archive without its compression, which its first bytes tell: gzip, zstd or none. Throws `not-implemented` for others. */
export async function plainTar(archive: Readable): Promise<Readable> {
  const chunks = archive[Symbol.asyncIterator]();
  const first: Buffer = (await chunks.next()).value ?? Buffer.alloc(0);
  const whole = Readable.from(
    (async function* () {
      yield first;
      yield* { [Symbol.asyncIterator]: () => chunks };
    })(),
    { objectMode: false },
  );
  const starts = (...bytes: number[]) => bytes.every((byte, index) => first[index] === byte);
  if (starts(0x1f, 0x8b)) return through(whole, createGunzip());
  if (starts(0x28, 0xb5, 0x2f, 0xfd)) return through(whole, createZstdDecompress());
  if (starts(0x42, 0x5a, 0x68) || starts(0xfd, 0x37, 0x7a, 0x58, 0x5a)) {
    throw notImplemented('archives compressed by bzip2 or xz are not there yet', {
      hint: 'Send it plain, or compressed by gzip or zstd',
    });
  }
  return whole;
}

/** A failure on either side destroys both; the reader is told by the stream it reads. */
function through<T extends NodeJS.ReadWriteStream & Readable>(source: Readable, decompressor: T): Readable {
  pipeline(source, decompressor, () => {});
  return decompressor;
}
