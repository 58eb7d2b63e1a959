import { pipeline, Readable } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { invalid, notImplemented } from '../../base/index.ts';
import { fromGrpc } from './grpc-errors.ts';
import { Upload } from './protocol/upload_pb.ts';
import type { Session } from './session.ts';

/** Where a client says that it has a context itself, as a tar: `docker build - <context.tar`. */
const UPLOADS = 'http://buildkit-session/';

/** The tar that a client has for its build's context, unpacked; undefined where the attribute is no such place. */
export function uploadedTar(
  context: string | undefined,
  session: Session,
  signal: AbortSignal,
): Readable | undefined {
  if (context === undefined || !context.startsWith(UPLOADS)) return undefined;
  const { pathname, host } = new URL(context);
  return Readable.from(decompressed(pulled(session, { urlpath: pathname, urlhost: host }, signal)), {
    objectMode: false,
  });
}

async function* pulled(
  session: Session,
  headers: Record<string, string>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const nothing = async function* () {};
  try {
    for await (const { data } of session.client(Upload).pull(nothing(), { headers, signal }))
      if (data.length > 0) yield data;
  } catch (error) {
    signal.throwIfAborted();
    throw fromGrpc(error, 'the client does not send the build context');
  }
}

/** Compression is told by the first bytes. */
async function* decompressed(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const iterator = chunks[Symbol.asyncIterator]();
  const first = await iterator.next();
  if (first.done === true) throw invalid('the build context is empty');
  const starts = (...bytes: number[]) => bytes.every((byte, index) => first.value[index] === byte);
  const whole = async function* () {
    yield first.value;
    yield* { [Symbol.asyncIterator]: () => iterator };
  };
  if (starts(0x42, 0x5a, 0x68) || starts(0xfd, 0x37, 0x7a, 0x58, 0x5a))
    throw notImplemented('build contexts compressed with bzip2 or xz are not there yet', {
      hint: 'Compress it with gzip or zstd',
    });
  const isGzip = starts(0x1f, 0x8b);
  if (!isGzip && !starts(0x28, 0xb5, 0x2f, 0xfd)) return yield* whole();
  const output = isGzip ? createGunzip() : createZstdDecompress();
  yield* pipeline(Readable.from(whole(), { objectMode: false }), output, () => {}); // an error reaches the reader
}
