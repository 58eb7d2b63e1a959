import { asBerthError, type BerthError, type ErrorKind } from '../base/index.ts';

const STATUS: Record<ErrorKind, number> = {
  invalid: 400,
  unauthorized: 401,
  denied: 403,
  'not-found': 404,
  conflict: 409,
  cancelled: 499,
  internal: 500,
  'not-implemented': 501,
  unavailable: 503,
};

/** The one place where an error's kind becomes an HTTP status (Engine API, ErrorResponse). */
export function httpError(error: unknown): { status: number; body: { message: string }; error: BerthError } {
  const berthError = asBerthError(error);
  return { status: STATUS[berthError.kind], body: { message: berthError.describe() }, error: berthError };
}
