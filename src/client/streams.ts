import type { Readable, Writable } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';
import { type ErrorKind, unavailable } from '../base/index.ts';
import { streamBreak, streamFailure } from './failures.ts';
import type { ProgressMessage } from './types/progress.ts';

/** A container's output as the engine sends it. */
export interface OutputStream {
  readonly body: Readable;
  /** Whether stdout and stderr share the stream in frames; else the bytes are a terminal's, all stdout. */
  readonly multiplexed: boolean;
}

/** A piece of output and where the process wrote it. */
export interface OutputChunk {
  readonly source: 'stdout' | 'stderr';
  readonly data: Buffer;
}

const FRAME_HEADER = 8;

/**
 * Splits a container's output into pieces. Frames: u8 stream (1 stdout, 2 stderr, 3 an error of the engine's), three
 * zero bytes, u32 big-endian length (Engine API, ContainerAttach "Stream format"). Throws when the engine reports an error.
 */
export async function* outputChunks({ body, multiplexed }: OutputStream): AsyncGenerator<OutputChunk> {
  for await (const batch of outputBatches({ body, multiplexed })) yield* batch;
}

/** The same, all pieces of one read together: many short lines come in one. */
async function* outputBatches({ body, multiplexed }: OutputStream): AsyncGenerator<OutputChunk[]> {
  if (!multiplexed) {
    for await (const data of received(body)) yield [{ source: 'stdout', data }];
    return;
  }
  const header = Buffer.alloc(FRAME_HEADER);
  let headerBytes = 0;
  let source = 0;
  let remaining = 0;
  const failure: Buffer[] = [];
  for await (const chunk of received(body)) {
    let at = 0;
    const batch: OutputChunk[] = [];
    while (at < chunk.length) {
      if (remaining === 0) {
        const taken = chunk.copy(header, headerBytes, at, at + FRAME_HEADER - headerBytes);
        headerBytes += taken;
        at += taken;
        if (headerBytes < FRAME_HEADER) break;
        headerBytes = 0;
        source = header.readUInt8(0);
        remaining = header.readUInt32BE(4);
        continue;
      }
      // Frames are passed on in parts: a long one must not wait for its end.
      const data = chunk.subarray(at, at + remaining);
      at += data.length;
      remaining -= data.length;
      if (source === 3) failure.push(data);
      else batch.push({ source: source === 2 ? 'stderr' : 'stdout', data });
    }
    if (batch.length > 0) yield batch;
  }
  if (failure.length > 0) throw unavailable(Buffer.concat(failure).toString().trim());
}

/** Copies a container's output to two writers until it ends, waiting where a writer is slow. */
export async function copyOutput(output: OutputStream, stdout: Writable, stderr: Writable): Promise<void> {
  for await (const batch of outputBatches(output)) {
    for (let from = 0; from < batch.length; ) {
      const source = batch[from]?.source;
      let to = from + 1;
      while (to < batch.length && batch[to]?.source === source) to += 1;
      const data = Buffer.concat(batch.slice(from, to).map((piece) => piece.data));
      const target = source === 'stderr' ? stderr : stdout;
      if (!target.write(data)) await drained(target);
      from = to;
    }
  }
}

/** The JSON values of a stream that has one per line, each as soon as its line is complete. */
export async function* jsonLines<T>(body: Readable): AsyncGenerator<T> {
  const decoder = new StringDecoder('utf8');
  let pending = '';
  for await (const chunk of received(body)) {
    const lines = (pending + decoder.write(chunk)).split('\n');
    pending = lines.pop() ?? '';
    for (const line of lines) if (line.trim() !== '') yield JSON.parse(line) as T;
  }
  pending += decoder.end();
  if (pending.trim() !== '') yield JSON.parse(pending) as T;
}

/** Progress messages until the stream ends; an error message in it is thrown, of the kind `otherwise` unless it has a status. */
export async function* progressMessages<
  Message extends Pick<ProgressMessage, 'error' | 'errorDetail'> = ProgressMessage,
>(body: Readable, otherwise: ErrorKind): AsyncGenerator<Message> {
  for await (const message of jsonLines<Message>(body)) {
    if (message.errorDetail !== undefined) {
      const { code, message: text = message.error ?? 'unknown error' } = message.errorDetail;
      throw streamFailure({ code, message: text }, otherwise);
    }
    if (message.error !== undefined) throw streamFailure({ message: message.error }, otherwise);
    yield message;
  }
}

async function* received(body: Readable): AsyncGenerator<Buffer> {
  try {
    yield* body as AsyncIterable<Buffer>;
  } catch (error) {
    throw streamBreak(error);
  }
}

function drained(target: Writable): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const done = () => {
    target.off('drain', done).off('close', done);
    resolve();
  };
  target.once('drain', done).once('close', done);
  return promise;
}
