import type { MessagePort } from 'node:worker_threads';
import { asBerthError, BerthError, type DiffId, type ErrorKind } from '../../base/index.ts';
import type { UnpackedLayer, UnpackOutput } from './unpack-layer.ts';

/** What a worker thread is asked: unpack one layer. */
export interface UnpackRequest {
  /** A file, or a port that {@link sendStream} feeds. */
  readonly input: { readonly path: string } | { readonly port: MessagePort };
  readonly output: UnpackOutput;
  readonly expected: DiffId | undefined;
}

/** What a worker thread answers: progress any number of times, then one of the others. */
export type UnpackReply =
  | { readonly type: 'progress'; readonly bytes: number }
  | { readonly type: 'done'; readonly layer: UnpackedLayer }
  | { readonly type: 'failed'; readonly error: PlainError };

/** An error as it crosses threads. */
export interface PlainError {
  readonly kind: ErrorKind;
  readonly message: string;
  readonly hint: string | undefined;
}

export function toPlainError(error: unknown): PlainError {
  const { kind, message, hint } = asBerthError(error);
  return { kind, message, hint };
}

export function fromPlainError({ kind, message, hint }: PlainError): BerthError {
  return new BerthError(kind, message, hint === undefined ? {} : { hint });
}
