import { Readable } from 'node:stream';
import { BerthError, invalid, unavailable } from '../base/index.ts';
import { discard, type Response } from './transport.ts';

/** So many connections in a row may break off without having brought a byte. */
const MAX_FRUITLESS = 3;
/** And so many in all. */
const MAX_CONNECTIONS = 50;

/** What comes, in words for messages, and how large it must be. */
export interface ExpectedBlob {
  /** "blob sha256:…", or a URL. */
  readonly subject: string;
  readonly size: number;
  /** Who says so: "its manifest says". */
  readonly said: string;
}

export interface BlobSource {
  /** Asks for the blob from a byte on; throws where the registry does not have it. */
  request(from: number): Promise<Response>;
  /** A failure while the body is read, in words. */
  failure(response: Response, error: unknown): unknown;
  /** Waits before the attempt of that number, from 1, that follows one which brought nothing. */
  pause(attempt: number): Promise<void>;
}

/** A blob's bytes from the first answer on; when the connection breaks off, the rest is asked for by Range. */
export function blobStream(blob: ExpectedBlob, first: Response, source: BlobSource): Readable {
  return Readable.from(resumingChunks(blob, first, source), { objectMode: false });
}

async function* resumingChunks(
  blob: ExpectedBlob,
  first: Response,
  source: BlobSource,
): AsyncGenerator<Buffer> {
  const { subject, size, said } = blob;
  let response: Response | undefined = first;
  let position = 0;
  let fruitless = 0;
  for (let connections = 1; ; connections += 1) {
    const start = position;
    let failure: unknown;
    try {
      response ??= await source.request(position);
      requireSize(response, position, blob);
      for await (const chunk of bodyFrom(response, position)) {
        position += chunk.length;
        if (position > size) throw invalid(`${subject} is longer than the ${size} bytes ${said}`);
        yield chunk;
      }
    } catch (error) {
      // A registry that is just being started again comes back.
      const isLasting =
        error instanceof BerthError && (response !== undefined || error.kind !== 'unavailable');
      if (isLasting || isAbort(error)) throw error;
      failure = response === undefined ? error : source.failure(response, error);
    } finally {
      if (response !== undefined) await discard(response);
    }
    if (position === size) return;
    fruitless = position > start ? 0 : fruitless + 1;
    if (fruitless >= MAX_FRUITLESS || connections >= MAX_CONNECTIONS) {
      throw failure ?? unavailable(`${subject} ended after ${position} of ${size} bytes`);
    }
    if (fruitless > 0) await source.pause(fruitless);
    response = undefined;
  }
}

/** Refuses a blob that is not as long as was said, as soon as that can be known. */
function requireSize(response: Response, position: number, { subject, size, said }: ExpectedBlob): void {
  const actual = response.status === 416 ? position : sizeOf(response);
  if (actual === undefined || actual === size) return;
  throw invalid(`${subject} has ${actual} bytes instead of the ${size} ${said}`);
}

/** A blob's size by its first answer, or by the answer to a Range; undefined where that does not tell. */
function sizeOf(response: Response): number | undefined {
  if (response.header('content-encoding') !== undefined) return undefined;
  const text =
    response.status === 206
      ? /\/([0-9]+)$/.exec(response.header('content-range') ?? '')?.[1]
      : response.header('content-length');
  return text === undefined ? undefined : Number(text);
}

/** The body from a byte of the blob on, whether the server obeyed the Range or sent everything again. */
async function* bodyFrom(response: Response, position: number): AsyncGenerator<Buffer> {
  let skip = position - startOf(response);
  if (skip < 0) throw unavailable(`${new URL(response.url).host} sent another range than it was asked for`);
  for await (const chunk of response.body) {
    const kept: Buffer = skip > 0 ? chunk.subarray(Math.min(skip, chunk.length)) : chunk;
    skip -= chunk.length - kept.length;
    if (kept.length > 0) yield kept;
  }
}

function startOf(response: Response): number {
  if (response.status !== 206) return 0;
  return Number(
    /^bytes ([0-9]+)-/.exec(response.header('content-range') ?? '')?.[1] ?? Number.MAX_SAFE_INTEGER,
  );
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError';
}
