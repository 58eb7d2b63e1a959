import type { FastifyInstance } from 'fastify';
import { invalid } from '../../base/index.ts';
import type { Engine } from '../../engine/index.ts';
import { Query } from '../fields.ts';
import { type Filters, flagFilter, parseFilters } from '../filters.ts';
import { parseCredentials } from '../registry-auth.ts';
import { clientSignal } from '../streams.ts';

const DEFAULT_LIMIT = 25;
const MAX_LIMIT = 100;

/** GET /images/search: repositories of Docker Hub, or of the registry that the term begins with. */
export function searchRoutes(app: FastifyInstance, engine: Engine): void {
  app.get('/images/search', async (request) => {
    const query = new Query(request.query);
    const filters = parseFilters(query, ['is-automated', 'is-official', 'stars']);
    const isOfficial = flagFilter(filters, 'is-official');
    const isAutomated = flagFilter(filters, 'is-automated');
    const stars = leastStars(filters);
    const limit = query.number('limit') ?? DEFAULT_LIMIT;
    if (!Number.isInteger(limit) || limit < 1 || limit > MAX_LIMIT) {
      throw invalid(`limit ${limit} is outside the range of [1, ${MAX_LIMIT}]`);
    }
    const { domain, term } = splitTerm(query.text('term'));
    const credentials = parseCredentials(request.headers['x-registry-auth']);
    const hits = await engine.parts.registry.search(
      domain,
      { term, limit },
      { ...(credentials === undefined ? {} : { credentials }), signal: clientSignal(request) },
    );
    return hits
      .filter(
        (hit) =>
          hit.stars >= stars &&
          (isOfficial === undefined || hit.isOfficial === isOfficial) &&
          (isAutomated === undefined || hit.isAutomated === isAutomated),
      )
      .map((hit) => ({
        star_count: hit.stars,
        is_official: hit.isOfficial,
        name: hit.name,
        is_automated: hit.isAutomated,
        description: hit.description,
      }));
  });
}

/** "host:port/words" asks that host. Docker Hub lists its own images without the "library/" that they are in. */
function splitTerm(text: string): { readonly domain: string; readonly term: string } {
  if (text === '') throw invalid('the search term is missing');
  const slash = text.indexOf('/');
  const first = text.slice(0, Math.max(0, slash));
  if (/[.:]/.test(first) || first === 'localhost') {
    if (!URL.canParse(`https://${first}`)) throw invalid(`invalid registry "${first}" in the search term`);
    return { domain: first === 'index.docker.io' ? 'docker.io' : first, term: text.slice(slash + 1) };
  }
  return { domain: 'docker.io', term: text.replace(/^library\//, '') };
}

function leastStars(filters: Filters): number {
  const values = filters.get('stars') ?? [];
  const wrong = values.find((value) => !/^\d+$/.test(value));
  if (wrong !== undefined) throw invalid(`invalid filter 'stars=${wrong}'`, { hint: 'It is a number' });
  return Math.max(0, ...values.map(Number));
}
