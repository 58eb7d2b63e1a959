import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { type Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { crashPoint, type Digest, digestFromHex, invalid } from '../../../base/index.ts';
import type {
  BuiltSource,
  DiskFormat,
  Download,
  FileSource,
  TakeOptions,
  TakeProgress,
  UrlSource,
} from './contract.ts';
import { chooseFormat } from './format.ts';
import { type IncomingImage, moveFile } from './incoming-image.ts';
import { type Compression, HEAD_SIZE, receive, splitCompression } from './receive.ts';
import { SourceFile } from './source-file.ts';

/** An image's bytes, which are there, and what they are said to be. */
export interface BroughtImage {
  readonly digest: Digest;
  readonly format: DiskFormat;
}

/** Copies a file of this host, or decompresses it where its name ends so. */
export async function bringFile(
  file: SourceFile,
  source: FileSource,
  incoming: IncomingImage,
  options: TakeOptions,
): Promise<BroughtImage> {
  const named = splitCompression(basename(source.path));
  if (named.compression !== undefined) {
    const wanted = { ...named, ...source, subject: source.path };
    const brought = await bringStream(
      createReadStream(file.opened),
      incoming,
      wanted,
      'copying',
      file.size,
      options,
    );
    await file.requireUnchanged();
    return brought;
  }
  const head = Buffer.alloc(HEAD_SIZE);
  const { bytesRead } = await file.handle.read(head, 0, HEAD_SIZE, 0);
  const beginning = { subject: source.path, name: named.name, head: head.subarray(0, bytesRead) };
  const format = source.format ?? chooseFormat(beginning);
  await file.copyTo(incoming.path, options.signal);
  const digest = await digestOfCopy(incoming, file.size, options);
  requireDigest(source.path, digest, source.sha256);
  return { digest, format };
}

/** Downloads an image. */
export async function bringUrl(
  source: UrlSource,
  incoming: IncomingImage,
  download: Download,
  options: TakeOptions,
): Promise<BroughtImage> {
  const { body, size } = await download(source.url, options.signal ?? new AbortController().signal);
  const wanted = { ...splitCompression(fileNameOf(source.url)), ...source, subject: source.url.href };
  return bringStream(body, incoming, wanted, 'downloading', size, options);
}

/** Takes over a file that berth has made. */
export async function bringBuilt(
  { path, format }: BuiltSource,
  incoming: IncomingImage,
  options: TakeOptions,
): Promise<BroughtImage> {
  await moveFile(path, incoming.path, async () => {
    await using file = await SourceFile.open(path);
    await file.copyTo(incoming.path, options.signal);
  });
  const { size } = await stat(incoming.path);
  return { digest: await digestOfCopy(incoming, size, options), format };
}

/** The last part of a URL's path: what a browser would call the file. */
export function fileNameOf(url: URL): string {
  const name = basename(url.pathname);
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}

/** Throws `invalid` unless it is the one that was promised. */
export function requireDigest(subject: string, digest: Digest, promised: Digest | undefined): void {
  if (promised === undefined || digest === promised) return;
  throw invalid(`${subject} has another content than was promised: ${digest} instead of ${promised}`, {
    hint: 'Compare the sha256 with the one that its publisher names',
  });
}

interface Wanted {
  readonly subject: string;
  readonly name: string;
  readonly compression?: Compression;
  readonly format: DiskFormat | undefined;
  readonly sha256?: Digest;
}

async function bringStream(
  body: Readable,
  incoming: IncomingImage,
  wanted: Wanted,
  stage: TakeProgress['stage'],
  total: number | undefined,
  { signal, onProgress = () => {} }: TakeOptions,
): Promise<BroughtImage> {
  const { subject, compression, sha256 } = wanted;
  let { format } = wanted;
  const file = await open(incoming.path, 'wx', 0o600);
  try {
    const { received, written } = await receive(body, file, {
      ...{ subject, compression, signal },
      onHead: (head) => {
        format ??= chooseFormat({ ...wanted, head });
        crashPoint('image.receiving');
      },
      onBytes: (done) => onProgress({ stage, done, total }),
    });
    requireDigest(subject, received, sha256);
    if (format === undefined) throw invalid(`${subject} is empty`);
    return { digest: written, format };
  } finally {
    await file.close();
  }
}

async function digestOfCopy(incoming: IncomingImage, total: number, options: TakeOptions): Promise<Digest> {
  const { signal, onProgress = () => {} } = options;
  const tell = (done: number) => onProgress({ stage: 'copying', done, total });
  return (await digestOfFile(incoming.path, signal, tell)).digest;
}

/** Of a file on the disk, and its length. */
export async function digestOfFile(
  path: string,
  signal?: AbortSignal,
  onBytes = (_bytes: number) => {},
): Promise<{ readonly digest: Digest; readonly size: number }> {
  const hash = createHash('sha256');
  let size = 0;
  const hashing = new Writable({
    write(chunk: Buffer, _, done) {
      hash.update(chunk);
      size += chunk.length;
      onBytes(size);
      done();
    },
  });
  const options = signal === undefined ? {} : { signal };
  await pipeline(createReadStream(path, { highWaterMark: 1024 ** 2 }), hashing, options);
  return { digest: digestFromHex(hash.digest('hex')), size };
}
