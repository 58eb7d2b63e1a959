import { BerthError } from '../base/index.ts';
import type { AccessRequest, Authorizer } from './authorizer.ts';
import { accessDenied, errorFrom } from './errors.ts';
import { discard, type Request, type Response, type Transport } from './transport.ts';

/** Sends requests with what authorises them, answering the registry's challenges on the way. */
export class AuthorizedTransport {
  readonly #transport: Transport;
  readonly #authorizer: Authorizer;

  constructor(transport: Transport, authorizer: Authorizer) {
    this.#transport = transport;
    this.#authorizer = authorizer;
  }

  /**
   * The answer, whatever its status but for a 401 that nothing can be said to: that throws `unauthorized` (or
   * `not-found`, `denied`). Credentials go to the registry's own host only.
   */
  async send(access: AccessRequest, url: string, request: Omit<Request, 'signal'>): Promise<Response> {
    const { signal } = access;
    const isElsewhere = new URL(url).origin !== new URL(access.endpoint.base).origin;
    if (isElsewhere) return this.#transport.send(url, { ...request, signal });
    const attempt = (authorization: string | undefined) => {
      const headers = authorization === undefined ? request.headers : { ...request.headers, authorization };
      return this.#transport.send(url, { ...request, headers, signal });
    };
    const response = await attempt(this.#authorizer.known(access));
    if (response.status !== 401) return response;
    const authorization = await this.#authorizer.answer(access, response);
    if (authorization === undefined) throw await noWayIn(access, response);
    await discard(response);
    return attempt(authorization);
  }
}

async function noWayIn(access: AccessRequest, response: Response): Promise<BerthError> {
  const error = await errorFrom(response, access);
  if (access.credentials !== undefined || error.kind !== 'unauthorized') return error;
  const { message } = accessDenied(access, 'no basic auth credentials');
  return new BerthError('unauthorized', message, { cause: error });
}
