import { BerthError, errorMessage, type Reference, unavailable } from '../base/index.ts';
import { type Challenge, parseChallenges } from './challenge.ts';
import type { Credentials } from './contract.ts';
import type { Endpoint, EndpointChooser } from './endpoint.ts';
import { errorFrom, type RegistryAction } from './errors.ts';
import type { Request, Response, Transport } from './transport.ts';

/** What authorises requests for one repository at one endpoint. */
interface Authorization {
  readonly header: string;
  /** Milliseconds since the epoch. */
  readonly expires: number;
}

/** Who wants to do what, where. */
export interface AccessRequest {
  readonly action: RegistryAction;
  /** For a push: another repository to read blobs from. */
  readonly mountFrom?: string | undefined;
  readonly endpoint: Endpoint;
  readonly reference: Reference;
  readonly credentials: Credentials | undefined;
  readonly signal: AbortSignal | undefined;
}

/** A token server that says nothing means so long (distribution, "Token Authentication Specification"). */
const DEFAULT_TOKEN_SECONDS = 60;
/** A token is not used any more so long before its end. */
const MARGIN_MILLISECONDS = 5000;
const MAX_TOKEN_BODY = 256 * 1024;

/** Answers registries' challenges, Bearer and Basic, and remembers tokens until they expire. */
export class Authorizer {
  readonly #transport: Transport;
  readonly #chooser: EndpointChooser;
  readonly #known = new Map<string, Authorization>();

  constructor(transport: Transport, chooser: EndpointChooser) {
    this.#transport = transport;
    this.#chooser = chooser;
  }

  /** The Authorization header that worked before, if it still may. */
  known(access: AccessRequest): string | undefined {
    const authorization = this.#known.get(keyOf(access));
    return authorization !== undefined && authorization.expires > Date.now()
      ? authorization.header
      : undefined;
  }

  /**
   * The header that answers a 401's challenge; undefined where the registry offers no way that the
   * credentials (or their absence) allow. Throws `unauthorized` when the credentials are refused.
   */
  async answer(access: AccessRequest, response: Response): Promise<string | undefined> {
    this.#known.delete(keyOf(access));
    const challenges = parseChallenges(response.header('www-authenticate') ?? '');
    const bearer = challenges.find(({ scheme }) => scheme === 'bearer');
    if (bearer !== undefined) return this.#remember(access, await this.#token(access, bearer));
    const takesBasic = challenges.some(({ scheme }) => scheme === 'basic');
    if (!takesBasic || access.credentials === undefined || 'identityToken' in access.credentials)
      return undefined;
    return this.#remember(access, { header: basic(access.credentials), expires: Number.POSITIVE_INFINITY });
  }

  #remember(access: AccessRequest, authorization: Authorization): string {
    this.#known.set(keyOf(access), authorization);
    return authorization.header;
  }

  async #token(access: AccessRequest, challenge: Challenge): Promise<Authorization> {
    const url = this.#realm(access.endpoint, challenge);
    const request = tokenRequest(url, access, challenge);
    const asked = Date.now();
    const response = await this.#transport.send(url.href, request);
    if (response.status !== 200) throw await this.#refusal(access, response);
    const { token, seconds } = parseToken(await this.#transport.body(response, MAX_TOKEN_BODY), url.host);
    return { header: `Bearer ${token}`, expires: asked + seconds * 1000 - MARGIN_MILLISECONDS };
  }

  /** Credentials go there, so it must be as secure as the registry. */
  #realm(endpoint: Endpoint, { parameters }: Challenge): URL {
    const realm = parameters.get('realm') ?? '';
    const { host } = new URL(endpoint.base);
    if (!URL.canParse(realm)) throw unavailable(`${host} names no valid token server ("${realm}")`);
    const url = new URL(realm);
    if (url.protocol === 'https:') return url;
    if (url.protocol === 'http:' && (endpoint.isInsecure || this.#chooser.isInsecure(url.host))) return url;
    throw unavailable(`${host} names the token server ${url.protocol}//${url.host}, which is not secure`, {
      hint: 'Add the host to the insecure registries to allow it',
    });
  }

  async #refusal(access: AccessRequest, response: Response): Promise<BerthError> {
    const { credentials } = access;
    const error = await errorFrom(response, access);
    if (credentials === undefined || response.status !== 401) return error;
    const who = 'identityToken' in credentials ? 'by identity token' : `user ${credentials.username}`;
    return new BerthError('unauthorized', `${errorMessage(error)} (${who})`, {
      cause: error,
    });
  }
}

/**
 * How a token is asked for: by GET, with the password if there is one, or by POST with the identity token (distribution,
 * "Token Authentication Specification" and "OAuth2 Token Authentication"). The URL gets its query here.
 */
function tokenRequest(url: URL, access: AccessRequest, challenge: Challenge): Request {
  const { credentials, signal } = access;
  const service = challenge.parameters.get('service');
  const scopes = scopesOf(access, challenge);
  if (credentials !== undefined && 'identityToken' in credentials) {
    const form = new URLSearchParams({
      grant_type: 'refresh_token',
      refresh_token: credentials.identityToken,
      client_id: 'berth',
      ...(service === undefined ? {} : { service }),
      ...(scopes.length === 0 ? {} : { scope: scopes.join(' ') }),
    });
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    return { method: 'POST', headers, body: Buffer.from(form.toString()), signal };
  }
  if (service !== undefined) url.searchParams.set('service', service);
  for (const scope of scopes) url.searchParams.append('scope', scope);
  if (credentials === undefined) return { headers: {}, signal };
  url.searchParams.set('account', credentials.username);
  return { headers: { authorization: basic(credentials) }, signal };
}

function parseToken(body: Buffer, host: string): { readonly token: string; readonly seconds: number } {
  let value: unknown;
  try {
    value = JSON.parse(body.toString());
  } catch {
    value = undefined;
  }
  const members: Record<string, unknown> = typeof value === 'object' && value !== null ? { ...value } : {};
  const token = members.token ?? members.access_token;
  if (typeof token !== 'string' || !/^[\x21-\x7e]+$/.test(token)) {
    throw unavailable(`the token server ${host} answered without a token`);
  }
  const seconds = typeof members.expires_in === 'number' ? members.expires_in : DEFAULT_TOKEN_SECONDS;
  return { token, seconds: Math.max(seconds, DEFAULT_TOKEN_SECONDS) };
}

function basic({ username, password }: { readonly username: string; readonly password: string }): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

/** Credentials are part of the key, so that nobody gets what another's password opened. */
function keyOf({ endpoint, reference, credentials, action, mountFrom }: AccessRequest): string {
  const {
    username,
    password,
    identityToken,
  }: Partial<Record<'username' | 'password' | 'identityToken', string>> = credentials ?? {};
  return JSON.stringify([
    endpoint.base,
    reference.path,
    action,
    mountFrom,
    username,
    password,
    identityToken,
  ]);
}

/** What a token is asked for (distribution, "Token Scope Documentation"); a registry's challenge knows only the request at hand. */
function scopesOf({ action, reference, mountFrom }: AccessRequest, challenge: Challenge): string[] {
  switch (action) {
    case 'login':
      return [];
    case 'pull':
      return [challenge.parameters.get('scope') ?? `repository:${reference.path}:pull`];
    case 'push': {
      const source = mountFrom === undefined ? [] : [`repository:${mountFrom}:pull`];
      return [`repository:${reference.path}:pull,push`, ...source];
    }
  }
}
