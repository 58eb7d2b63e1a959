import type { IncomingMessage, ServerResponse } from 'node:http';
import { describe, expect, it } from 'vitest';
import { createRegistryClient } from './client.ts';
import { serve } from './testing/test-registry.ts';

const client = createRegistryClient({ mirrors: [], insecure: [] });

function answering(status: number, body: string) {
  return serve((_request: IncomingMessage, response: ServerResponse) => {
    response.writeHead(status).end(body);
  });
}

describe('a search at a registry', () => {
  it('asks for the term and so many results, with the password of a login', async () => {
    let authorization: string | undefined;
    await using server = await serve((request, response) => {
      authorization = request.headers.authorization;
      response.end(
        JSON.stringify({
          results: [
            { name: 'team/tool', description: 'A tool', star_count: 3, is_official: true },
            { name: 'bare', description: null },
          ],
        }),
      );
    });
    const credentials = { username: 'me', password: 'secret' };
    const hits = await client.search(server.host, { term: 'a tool', limit: 7 }, { credentials });
    expect(server.requests).toEqual(['GET /v1/search?q=a+tool&n=7']);
    expect(authorization).toBe(`Basic ${Buffer.from('me:secret').toString('base64')}`);
    expect(hits).toEqual([
      { name: 'team/tool', description: 'A tool', stars: 3, isOfficial: true, isAutomated: false },
      { name: 'bare', description: '', stars: 0, isOfficial: false, isAutomated: false },
    ]);
  });

  it('is refused by name where the registry has none', async () => {
    await using server = await answering(404, '404 page not found');
    await expect(client.search(server.host, { term: 'x', limit: 1 }, {})).rejects.toMatchObject({
      kind: 'not-found',
      message: `the registry ${server.host} cannot search: it has no /v1/search`,
    });
  });

  it.each([
    [401, '', 'unauthorized', 'lets only those search who are logged in'],
    [503, '', 'unavailable', 'refuses to search: status 503'],
    [200, '<html>', 'invalid', 'answers with no JSON'],
    [200, '{}', 'invalid', 'without a list of results'],
    [200, '{"results":[{}]}', 'invalid', 'something without a name'],
  ])('that is answered with %i and "%s" says what is wrong', async (status, body, kind, message) => {
    await using server = await answering(status, body);
    await expect(client.search(server.host, { term: 'x', limit: 1 }, {})).rejects.toMatchObject({
      kind,
      message: expect.stringContaining(message),
    });
  });
});
