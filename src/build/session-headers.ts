import { invalid } from '../base/index.ts';

/** What a client says of its session when it opens one. */
export interface SessionHeaders {
  readonly id: string;
  /** "/service/method" of all that it serves. */
  readonly methods: readonly string[];
}

const PREFIX = 'x-docker-expose-session';

/** Reads them from a request or a call, where headers with several values are one. Throws `invalid` for a session without an id. */
export function sessionHeaders(get: (name: string) => string | undefined): SessionHeaders {
  const id = get(`${PREFIX}-uuid`) ?? '';
  if (id === '') throw invalid(`a session without an id (${PREFIX}-uuid)`);
  const methods = get(`${PREFIX}-grpc-method`) ?? '';
  return { id, methods: methods.split(', ').filter(Boolean) };
}
