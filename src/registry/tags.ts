import { familiarRepository, invalid, unavailable } from '../base/index.ts';
import type { AuthorizedTransport } from './authorized-transport.ts';
import type { AccessRequest } from './authorizer.ts';
import { errorFrom } from './errors.ts';
import type { Transport } from './transport.ts';

/** Tags on a page are the registry's choice; a registry that never comes to an end is left. */
const MAX_PAGES = 10_000;
const MAX_PAGE_SIZE = 8 * 1024 * 1024;

/** The tags of a repository at one endpoint, page by page (OCI distribution-spec, "Listing Tags"). Throws `invalid` for an answer that is no list. */
export async function listTags(
  authorized: AuthorizedTransport,
  transport: Transport,
  access: AccessRequest,
): Promise<readonly string[]> {
  const { endpoint, reference } = access;
  const tags = new Set<string>();
  let url: string | undefined = `${endpoint.base}/v2/${reference.path}/tags/list`;
  for (let page = 0; url !== undefined; page += 1) {
    if (page === MAX_PAGES) {
      throw unavailable(`${new URL(url).host} lists more than ${MAX_PAGES} pages of tags`);
    }
    const response = await authorized.send(access, url, { headers: { accept: 'application/json' } });
    if (response.status !== 200) throw await errorFrom(response, access);
    const bytes = await transport.body(response, MAX_PAGE_SIZE);
    for (const tag of parseTags(bytes, familiarRepository(reference))) tags.add(tag);
    const next = nextPage(response.header('link'));
    url = next === undefined ? undefined : transport.target(url, next);
  }
  return [...tags];
}

function parseTags(bytes: Buffer, name: string): readonly string[] {
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString());
  } catch (error) {
    throw invalid(`the list of the tags of ${name} is no JSON`, { cause: error });
  }
  const tags = typeof value === 'object' && value !== null && 'tags' in value ? value.tags : undefined;
  if (tags === null) return [];
  if (Array.isArray(tags) && tags.every((tag) => typeof tag === 'string')) return tags;
  throw invalid(`the list of the tags of ${name} has no list "tags"`);
}

/** The target of `Link: <…>; rel="next"` (RFC 8288). */
function nextPage(link: string | undefined): string | undefined {
  return /<([^>]*)>\s*;[^,]*\brel="?next"?/.exec(link ?? '')?.[1];
}
