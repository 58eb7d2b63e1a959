import { STATUS_CODES } from 'node:http';
import {
  BerthError,
  type ErrorKind,
  familiarName,
  familiarRepository,
  type Reference,
} from '../base/index.ts';
import { parseChallenges } from './challenge.ts';
import { type Response, readBody, retryAfter } from './transport.ts';

/** An error as a registry words it (OCI distribution-spec, "Error Codes"). */
interface RegistryError {
  readonly code: string;
  readonly message: string;
}

/** What a request is part of. A login is about the registry as a whole, its reference has no path. */
export type RegistryAction = 'pull' | 'push' | 'login';

/** What a failed request was for. */
interface Attempt {
  readonly reference: Reference;
  readonly action: RegistryAction;
}

const MAX_ERROR_BODY = 64 * 1024;

/** What an answer that is no success means, in the registry's own words and, where Docker has known ones, in those. */
export async function errorFrom(response: Response, attempt: Attempt): Promise<BerthError> {
  const { reference } = attempt;
  const host = new URL(response.url).host;
  const told = await registryErrors(response);
  const [error = byStatus(response)] = told;
  const words = told.length === 0 ? wordsOf(error) : told.map(wordsOf).join('; ');
  switch (error.code) {
    case 'MANIFEST_UNKNOWN':
      return new BerthError('not-found', `manifest for ${familiarName(reference)} not found: ${words}`);
    case 'NAME_UNKNOWN':
      return new BerthError('not-found', `repository ${familiarRepository(reference)} not found: ${words}`);
    case 'BLOB_UNKNOWN':
      return new BerthError('not-found', `${host}: ${words}`);
    case 'DENIED':
      return accessDenied(attempt, words);
    case 'UNAUTHORIZED':
      // A token that lacks the scope: the repository may be private or not exist.
      if (isInsufficientScope(response)) {
        return accessDenied(attempt, 'denied: requested access to the resource is denied');
      }
      return new BerthError('unauthorized', `${host}: ${words}`, {
        hint: `Log in with: berth login ${host}`,
      });
    case 'TOOMANYREQUESTS':
      return new BerthError('unavailable', `${host}: ${words}${limitOf(response)}`, {
        hint: patienceHint(response),
      });
    default:
      return new BerthError(kindOf(response.status), `${host}: ${words}`);
  }
}

/** Docker's words for a repository that is private or missing: registries do not say which. */
export function accessDenied({ reference, action }: Attempt, reason: string): BerthError {
  if (action === 'login') return new BerthError('unauthorized', `${reference.domain}: ${reason}`);
  const repository = familiarRepository(reference);
  return new BerthError(
    action === 'pull' ? 'not-found' : 'denied',
    `${action} access denied for ${repository}, repository does not exist or may require 'docker login': ${reason}`,
  );
}

/** Docker's form, "manifest unknown: no such tag"; registries that say with the message what the code says are quoted once. */
function wordsOf({ code, message }: RegistryError): string {
  const kind = code.toLowerCase().replaceAll('_', ' ');
  return code === '' || message.toLowerCase().startsWith(kind) ? message : `${kind}: ${message}`;
}

async function registryErrors(response: Response): Promise<RegistryError[]> {
  try {
    const value: unknown = JSON.parse((await readBody(response, MAX_ERROR_BODY)).toString());
    return parseErrors(value);
  } catch {
    return []; // proxies answer with HTML; the status has to do then
  }
}

function parseErrors(value: unknown): RegistryError[] {
  if (typeof value !== 'object' || value === null) return [];
  if ('errors' in value && Array.isArray(value.errors)) return value.errors.flatMap(parseError);
  // Docker Hub's token service
  if ('details' in value && typeof value.details === 'string') {
    return [{ code: 'UNAUTHORIZED', message: value.details }];
  }
  return [];
}

function parseError(value: unknown): RegistryError[] {
  if (typeof value !== 'object' || value === null || !('code' in value)) return [];
  const code = String(value.code);
  const message = 'message' in value && typeof value.message === 'string' ? value.message : '';
  return [{ code, message: message === '' ? code.toLowerCase().replaceAll('_', ' ') : message }];
}

function byStatus({ status, url }: Response): RegistryError {
  const plain = { code: '', message: `unexpected status ${status} ${STATUS_CODES[status] ?? ''}`.trim() };
  // A storage that a registry redirects to does not speak of repositories.
  if (!url.includes('/v2/') && status !== 401 && status !== 429) return plain;
  switch (status) {
    case 401:
      return { code: 'UNAUTHORIZED', message: 'authentication required' };
    case 403:
      return { code: 'DENIED', message: 'requested access to the resource is denied' };
    case 404:
      return url.includes('/blobs/')
        ? { code: 'BLOB_UNKNOWN', message: 'blob unknown to registry' }
        : { code: 'MANIFEST_UNKNOWN', message: 'manifest unknown' };
    case 429:
      return { code: 'TOOMANYREQUESTS', message: 'too many requests' };
    default:
      return plain;
  }
}

function kindOf(status: number): ErrorKind {
  if (status === 404) return 'not-found';
  return 'unavailable';
}

function isInsufficientScope(response: Response): boolean {
  const challenges = parseChallenges(response.header('www-authenticate') ?? '');
  return challenges.some(({ parameters }) => parameters.get('error') === 'insufficient_scope');
}

/** What Docker Hub tells of its limit: "100;w=21600" is 100 pulls in so many seconds. */
function limitOf(response: Response): string {
  const [, pulls, seconds] = /^([0-9]+);w=([0-9]+)/.exec(response.header('ratelimit-limit') ?? '') ?? [];
  if (pulls === undefined) return '';
  const hours = Number(seconds) / 3600;
  return ` (the limit is ${pulls} pulls in ${hours >= 1 ? `${Math.round(hours)} h` : `${seconds} s`})`;
}

function patienceHint(response: Response): string {
  const milliseconds = retryAfter(response);
  if (milliseconds === undefined) return 'Wait, log in for a higher limit, or use a mirror';
  return `Try again in ${Math.ceil(milliseconds / 1000)} s, log in for a higher limit, or use a mirror`;
}
