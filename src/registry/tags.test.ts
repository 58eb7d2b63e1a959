import { expect, test } from 'vitest';
import { createRegistryClient } from './client.ts';
import { sendError, serve } from './testing/test-registry.ts';
import { DEFAULT_TIMING } from './transport.ts';

const client = () =>
  createRegistryClient({ mirrors: [], insecure: [] }, { ...DEFAULT_TIMING, retryDelays: [1] });

test('all tags of a repository are listed, page by page', async () => {
  await using server = await serve((request, response) => {
    const last = new URL(request.url ?? '', server.url).searchParams.get('last');
    if (last === null) response.setHeader('link', '</v2/a/b/tags/list?last=2&n=2>; rel="next"');
    response.end(JSON.stringify({ name: 'a/b', tags: last === null ? ['1', '2'] : ['3'] }));
  });
  expect(await client().tags(server.reference('a/b'), {})).toEqual(['1', '2', '3']);
  expect(server.requests).toEqual(['GET /v2/a/b/tags/list', 'GET /v2/a/b/tags/list?last=2&n=2']);
});

test('a repository may have none', async () => {
  await using server = await serve((_, response) => response.end('{"name":"a","tags":null}'));
  expect(await client().tags(server.reference('a'), {})).toEqual([]);
});

test('an unknown repository is named', async () => {
  await using server = await serve((_, response) =>
    sendError(response, 404, 'NAME_UNKNOWN', 'repository name not known to registry'),
  );
  await expect(client().tags(server.reference('a'), {})).rejects.toMatchObject({
    kind: 'not-found',
    message: `repository ${server.host}/a not found: name unknown: repository name not known to registry`,
  });
});

test.each([
  ['<html>', 'is no JSON'],
  ['{"tags":[1]}', 'has no list "tags"'],
])('what is no list of tags is refused: %s', async (body, reason) => {
  await using server = await serve((_, response) => response.end(body));
  await expect(client().tags(server.reference('a'), {})).rejects.toMatchObject({
    kind: 'invalid',
    message: `the list of the tags of ${server.host}/a ${reason}`,
  });
});

test('pages that lead to a place that is not secure are not followed', async () => {
  await using server = await serve((_, response) => {
    response.setHeader('link', '<ftp://elsewhere/tags>; rel="next"').end('{"tags":["1"]}');
  });
  await expect(client().tags(server.reference('a'), {})).rejects.toThrow('which is not secure');
});
