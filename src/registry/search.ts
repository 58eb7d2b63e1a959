import { BerthError, invalid, notFound, unavailable } from '../base/index.ts';
import type { Access, RegistrySearch, SearchHit } from './contract.ts';
import type { Endpoint } from './endpoint.ts';
import { discard, type Transport } from './transport.ts';

const MAX_ANSWER = 4 * 1024 * 1024;

/** Docker Hub answers searches at its index, and not where it has its repositories. */
export const HUB_INDEX: Endpoint = { base: 'https://index.docker.io', isInsecure: false, isMirror: false };

/**
 * Asks a registry's search of the first version, which Docker Hub and some others have (`/v1/search?q=…&n=…`). Throws
 * `not-found` where a registry has none, `unavailable` when it does not answer.
 */
export async function searchRegistry(
  transport: Transport,
  endpoint: Endpoint,
  { term, limit }: RegistrySearch,
  { credentials, signal }: Access,
): Promise<readonly SearchHit[]> {
  const url = `${endpoint.base}/v1/search?${new URLSearchParams({ q: term, n: String(limit) })}`;
  const { host } = new URL(url);
  const headers = {
    accept: 'application/json',
    ...(credentials !== undefined && 'username' in credentials ? basicAuth(credentials) : {}),
  };
  // Somebody waits for it: what does not answer now is told at once.
  const response = await transport.send(url, { headers, signal, isRepeatable: false });
  if (response.status !== 200) {
    await discard(response);
    if (response.status === 404) {
      throw notFound(`the registry ${host} cannot search: it has no ${new URL(url).pathname}`, {
        hint: 'Docker Hub can, and so can registries with its search of the first version',
      });
    }
    if (response.status === 401 || response.status === 403) {
      throw new BerthError('unauthorized', `the registry ${host} lets only those search who are logged in`, {
        hint: `Log in with: berth login ${host}`,
      });
    }
    throw unavailable(`the registry ${host} refuses to search: status ${response.status}`);
  }
  return parseHits(await transport.body(response, MAX_ANSWER), host);
}

function basicAuth({ username, password }: { readonly username: string; readonly password: string }) {
  return { authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}` };
}

function parseHits(bytes: Buffer, host: string): readonly SearchHit[] {
  const results = member(parseJson(bytes, host), 'results');
  if (results === null) return [];
  if (!Array.isArray(results)) throw invalid(`the search of ${host} answers without a list of results`);
  return results.map((result: unknown) => {
    const name = member(result, 'name');
    if (typeof name !== 'string') throw invalid(`the search of ${host} has found something without a name`);
    const description = member(result, 'description');
    const stars = member(result, 'star_count');
    return {
      name,
      description: typeof description === 'string' ? description : '',
      stars: typeof stars === 'number' ? stars : 0,
      isOfficial: member(result, 'is_official') === true,
      isAutomated: member(result, 'is_automated') === true,
    };
  });
}

function parseJson(bytes: Buffer, host: string): unknown {
  try {
    return JSON.parse(bytes.toString());
  } catch (cause) {
    throw invalid(`the search of ${host} answers with no JSON`, { cause });
  }
}

function member(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}
