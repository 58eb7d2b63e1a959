import { BerthError, type ErrorKind, notFound, systemErrorCode, unavailable } from '../base/index.ts';
import { formatHost, type HostAddress } from './host.ts';

/** The kind of error that a response's status means (the reverse of the server's own mapping). */
export function kindOfStatus(status: number): ErrorKind {
  switch (status) {
    case 401:
      return 'unauthorized';
    case 403:
      return 'denied';
    case 404:
      return 'not-found';
    case 409:
      return 'conflict';
    case 499:
      return 'cancelled';
    case 501:
      return 'not-implemented';
    case 502:
    case 503:
    case 504:
      return 'unavailable';
    default:
      return status >= 400 && status < 500 ? 'invalid' : 'internal';
  }
}

/** What an engine refused, kept as the cause of the error. */
export interface Refusal {
  readonly status: number;
  /** For example "POST /containers/create". */
  readonly request: string;
}

/** The engine's refusal as an error: its own words, its status as the kind. */
export function responseFailure(status: number, body: string, request: string): BerthError {
  const cause: Refusal = { status, request };
  if (status === 404 && body.trim() === '') {
    return notFound(`the engine does not know ${request}`, { cause });
  }
  const message = messageOf(body) ?? `${request} failed with status ${status}`;
  return new BerthError(kindOfStatus(status), message, { cause });
}

/** The refusal behind an error, or undefined when the error arose on this side. */
export function refusalOf(error: unknown): Refusal | undefined {
  if (!(error instanceof BerthError) || typeof error.cause !== 'object' || error.cause === null)
    return undefined;
  const { cause } = error;
  return 'status' in cause && typeof cause.status === 'number' && 'request' in cause
    ? { status: cause.status, request: String(cause.request) }
    : undefined;
}

/** An error inside a progress stream, where the status line said 200 already. */
export function streamFailure(
  detail: { readonly code?: number; readonly message: string },
  otherwise: ErrorKind,
): BerthError {
  const { code = 0, message } = detail;
  return new BerthError(code >= 400 && code < 600 ? kindOfStatus(code) : otherwise, message);
}

/** A connection that failed or broke, as an error that names the address. */
export function connectionFailure(error: unknown, host: HostAddress): BerthError {
  if (error instanceof BerthError) return error;
  const address = formatHost(host);
  if (error instanceof Error && error.name === 'AbortError') {
    return new BerthError('cancelled', 'the request was cancelled', { cause: error });
  }
  switch (systemErrorCode(error)) {
    case 'ENOENT':
    case 'ECONNREFUSED':
      return unavailable(`cannot connect to the engine at ${address}: nothing listens there`, {
        hint: 'Is the daemon running?',
        cause: error,
      });
    case 'EACCES':
    case 'EPERM':
      return new BerthError('denied', `permission denied on the engine's socket at ${address}`, {
        hint: 'Run the command as root (sudo), or as a user who may write to the socket',
        cause: error,
      });
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return unavailable(`cannot connect to the engine at ${address}: its host name does not resolve`, {
        cause: error,
      });
    case 'ECONNRESET':
    case 'EPIPE':
      return unavailable(`the engine at ${address} closed the connection`, { cause: error });
    default:
      return unavailable(
        `cannot talk to the engine at ${address}: ${error instanceof Error ? error.message : String(error)}`,
        { cause: error },
      );
  }
}

/** A stream of the engine's that broke before its end. */
export function streamBreak(error: unknown): BerthError {
  if (error instanceof BerthError) return error;
  if (error instanceof Error && error.name === 'AbortError') {
    return new BerthError('cancelled', 'the request was cancelled', { cause: error });
  }
  return unavailable('the connection to the engine broke before its end', {
    hint: 'Did the daemon stop? Containers go on; ask again once it runs',
    cause: error,
  });
}

function messageOf(body: string): string | undefined {
  const text = body.trim();
  if (text === '') return undefined;
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed === 'object' && parsed !== null && 'message' in parsed) return String(parsed.message);
  } catch {} // a proxy in between may answer in plain text or HTML: shown as it is
  return text;
}
