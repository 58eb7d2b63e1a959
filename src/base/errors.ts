/**
 * What kind of failure an error is. The server maps a kind to an HTTP status in one place
 * (`server/http-errors.ts`), the CLI maps it to an exit code; nobody else decides by status.
 */
export type ErrorKind =
  | 'invalid' // the request is wrong and will stay wrong (400)
  | 'unauthorized' // credentials are missing or refused (401)
  | 'denied' // not allowed, whoever asks (403)
  | 'not-found' // the named thing does not exist (404)
  | 'conflict' // the state of the thing forbids it now (409)
  | 'unavailable' // something berth depends on does not answer (503)
  | 'not-implemented' // understood, refused by name: berth does not have it (501)
  | 'cancelled' // the caller went away or asked to stop (499)
  | 'internal'; // a bug or a broken host (500)

/** Details beside the message of a {@link BerthError}. */
export interface ErrorDetails {
  /** What the user can do about it: one sentence, shown after the message. */
  hint?: string;
  cause?: unknown;
}

/**
 * The one error class. A message names the thing and the reason; `hint` names the way out.
 * Errors of libraries, system calls and processes are translated into it where they enter.
 */
export class BerthError extends Error {
  override readonly name = 'BerthError';
  readonly kind: ErrorKind;
  readonly hint: string | undefined;

  constructor(kind: ErrorKind, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.kind = kind;
    this.hint = details.hint;
  }

  /** Message and hint as one text, for people. */
  describe(): string {
    return this.hint === undefined ? this.message : `${this.message}. ${this.hint}`;
  }
}

export const invalid = (message: string, details?: ErrorDetails) =>
  new BerthError('invalid', message, details);
export const notFound = (message: string, details?: ErrorDetails) =>
  new BerthError('not-found', message, details);
export const conflict = (message: string, details?: ErrorDetails) =>
  new BerthError('conflict', message, details);
export const denied = (message: string, details?: ErrorDetails) => new BerthError('denied', message, details);
export const unavailable = (message: string, details?: ErrorDetails) =>
  new BerthError('unavailable', message, details);
export const notImplemented = (message: string, details?: ErrorDetails) =>
  new BerthError('not-implemented', message, details);
export const internal = (message: string, details?: ErrorDetails) =>
  new BerthError('internal', message, details);

/** Whether `error` is a BerthError, optionally of one kind. */
export function isBerthError(error: unknown, kind?: ErrorKind): error is BerthError {
  return error instanceof BerthError && (kind === undefined || error.kind === kind);
}

/** The `code` of a Node system error (ENOENT, EACCES, …), or undefined. */
export function systemErrorCode(error: unknown): string | undefined {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code;
  return undefined;
}

/** Whether zlib or zstd threw it for data that is broken or breaks off. */
export function isDecompressionError(error: unknown): boolean {
  return /^(Z_|ZSTD_|ERR_ZLIB|ERR_ZSTD)/.test(systemErrorCode(error) ?? '');
}

/** The text of whatever was thrown. */
export function errorMessage(error: unknown): string {
  if (error instanceof BerthError) return error.describe();
  return error instanceof Error ? error.message : String(error);
}

/** Any thrown value as a BerthError: itself, a cancellation, or `internal` with the cause kept. */
export function asBerthError(error: unknown): BerthError {
  if (error instanceof BerthError) return error;
  if (error instanceof Error && error.name === 'AbortError') {
    return new BerthError('cancelled', 'the operation was cancelled', { cause: error });
  }
  if (systemErrorCode(error) === 'ENOSPC') {
    return noSpace(error);
  }
  return internal(errorMessage(error), { cause: error });
}

/** A full disk, whoever met it. */
export function noSpace(cause: unknown): BerthError {
  return new BerthError('unavailable', 'no space left on device', {
    hint: 'Free space on the file system of the data root, then try again',
    cause,
  });
}
