import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { createRegistryClient } from './client.ts';
import { sendError, serve, serveImage, testImage } from './testing/test-registry.ts';
import { DEFAULT_TIMING } from './transport.ts';

const image = testImage();
const platform = { os: 'linux', architecture: 'amd64' };
const client = () =>
  createRegistryClient({ mirrors: [], insecure: [] }, { ...DEFAULT_TIMING, retryDelays: [1] });

/** A registry whose token server takes one identity token. */
function serveIdentity(forms: URLSearchParams[]) {
  const server = serve(async (request, response) => {
    const { url } = await server;
    if (request.url === '/token') {
      const form = new URLSearchParams(await text(request));
      forms.push(form);
      if (form.get('refresh_token') === 'kept') response.end(JSON.stringify({ access_token: 'it' }));
      else sendError(response, 401, 'UNAUTHORIZED', 'refresh token unknown');
    } else if (request.headers.authorization === 'Bearer it') {
      serveImage(image, request, response);
    } else {
      const challenge = `Bearer realm="${url}/token",service="reg",scope="repository:app:pull"`;
      sendError(response, 401, 'UNAUTHORIZED', 'no token', { 'www-authenticate': challenge });
    }
  });
  return server;
}

test('an identity token buys access tokens, by POST, and is part of no URL', async () => {
  const forms: URLSearchParams[] = [];
  await using server = await serveIdentity(forms);
  await client().resolve(server.reference('app:1'), { platform, credentials: { identityToken: 'kept' } });
  expect(forms.map((form) => Object.fromEntries(form))).toEqual([
    {
      grant_type: 'refresh_token',
      refresh_token: 'kept',
      client_id: 'berth',
      service: 'reg',
      scope: 'repository:app:pull',
    },
  ]);
  expect(server.requests.join()).not.toContain('kept');
});

test('an identity token that is refused is not shown', async () => {
  await using server = await serveIdentity([]);
  const credentials = { identityToken: 'stale-secret' };
  await expect(client().resolve(server.reference('app:1'), { platform, credentials })).rejects.toMatchObject({
    kind: 'unauthorized',
    message: expect.stringMatching(/unauthorized: refresh token unknown.*\(by identity token\)$/),
  });
});
