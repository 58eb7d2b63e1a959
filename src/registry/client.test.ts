import type { ServerResponse } from 'node:http';
import { buffer as content } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import { digestOf, parseReference } from '../base/index.ts';
import { quickClient as client } from './testing/quick-client.ts';
import {
  described,
  INDEX,
  MANIFEST,
  sendBytes,
  sendError,
  serve,
  serveImage,
  type TestServer,
  testImage,
} from './testing/test-registry.ts';

const platform = { os: 'linux', architecture: 'amd64' };
/** Asks a registry that answers everything like this for an image. */
async function failure(answer: (response: ServerResponse) => void, name = 'app:1') {
  await using server = await serve((_, response) => answer(response));
  return await client()
    .resolve(server.reference(name), { platform })
    .then(
      () => expect.fail('resolved'),
      (error: { kind: string; message: string; hint?: string }) => ({
        kind: error.kind,
        message: error.message.replaceAll(server.host, 'HOST'),
        hint: error.hint,
        requests: server.requests.length,
      }),
    );
}

describe('resolving', () => {
  const image = testImage();

  test('gives the manifest with its exact bytes, by tag and by digest', async () => {
    await using server = await serve((request, response) => serveImage(image, request, response));
    const byTag = await client().resolve(server.reference('app:1'), { platform });
    expect(byTag).toMatchObject({
      digest: image.digest,
      manifest: { mediaType: MANIFEST, digest: image.digest, size: image.manifest.length },
      config: image.config,
      layers: [image.layer],
    });
    expect(byTag.manifestBytes.equals(image.manifest)).toBe(true);
    const byDigest = await client().resolve(server.reference(`app@${image.digest}`), { platform });
    expect(byDigest).toEqual(byTag);
    expect(server.requests).toEqual(['GET /v2/app/manifests/1', `GET /v2/app/manifests/${image.digest}`]);
  });

  const entry = (os: string, architecture: string, variant?: string) => ({
    ...described(MANIFEST, image.manifest),
    platform: { os, architecture, variant },
  });
  const index = (...entries: object[]) =>
    Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: INDEX, manifests: entries }));

  test('chooses the platform from an index, and keeps the digest of the index', async () => {
    const bytes = index(entry('linux', 'arm64'), entry('unknown', 'unknown'), entry('linux', 'amd64'));
    await using server = await serve((request, response) => {
      if (request.url?.endsWith('/1')) sendBytes(response, bytes, INDEX);
      else serveImage(image, request, response);
    });
    const resolved = await client().resolve(server.reference('app:1'), { platform });
    expect(resolved).toMatchObject({ digest: digestOf(bytes), manifest: { digest: image.digest } });
  });

  test('names the platforms that are offered when the wanted one is not', async () => {
    const bytes = index(
      entry('linux', 'arm64', 'v8'),
      entry('windows', 'amd64'),
      entry('unknown', 'unknown'),
    );
    expect(await failure((response) => sendBytes(response, bytes, INDEX))).toMatchObject({
      kind: 'not-found',
      message: expect.stringContaining('no matching manifest for linux/amd64 in the manifest list entries'),
      hint: 'It is offered for linux/arm64/v8, windows/amd64',
    });
  });

  test.each([
    ['schema 1', { schemaVersion: 1, name: 'app' }, 'application/json', /schema 1/],
    [
      'no image',
      { schemaVersion: 2, mediaType: 'application/x' },
      'application/json',
      /media type "application\/x"/,
    ],
    [
      'a chart',
      { schemaVersion: 2, config: { ...image.config, mediaType: 'application/vnd.cncf.helm' }, layers: [] },
      MANIFEST,
      /config has the media type "application\/vnd.cncf.helm"/,
    ],
    [
      'a layer of another kind',
      { schemaVersion: 2, config: image.config, layers: [{ ...image.layer, mediaType: 'x/y' }] },
      MANIFEST,
      /layer of the media type "x\/y"/,
    ],
    [
      'a bad descriptor',
      { schemaVersion: 2, config: { digest: 'x' }, layers: [] },
      MANIFEST,
      /malformed descriptor/,
    ],
  ])('refuses %s by name', async (_, manifest, type, message) => {
    const bytes = Buffer.from(JSON.stringify(manifest));
    const error = await failure((response) => sendBytes(response, bytes, type));
    expect(error).toMatchObject({ kind: 'invalid', message: expect.stringMatching(message) });
  });

  test('refuses a manifest of another digest than asked for', async () => {
    const error = await failure(
      (response) => sendBytes(response, image.manifest, MANIFEST),
      `app@${digestOf('x')}`,
    );
    expect(error).toMatchObject({
      kind: 'invalid',
      message: expect.stringContaining(`but has ${image.digest}`),
    });
  });
});

describe('errors are in the words of the registry, and of Docker where those are known', () => {
  test.each([
    [
      'an unknown tag',
      404,
      'MANIFEST_UNKNOWN',
      'manifest unknown',
      'not-found',
      'manifest for HOST/app:1 not found: manifest unknown',
    ],
    [
      'an unknown name',
      404,
      'NAME_UNKNOWN',
      'repository name not known',
      'not-found',
      'repository HOST/app not found: name unknown: repository name not known',
    ],
    [
      'a denial',
      403,
      'DENIED',
      'requested access to the resource is denied',
      'not-found',
      "pull access denied for HOST/app, repository does not exist or may require 'docker login': denied: requested access to the resource is denied",
    ],
    [
      'no credentials',
      401,
      'UNAUTHORIZED',
      'authentication required',
      'unauthorized',
      "pull access denied for HOST/app, repository does not exist or may require 'docker login': no basic auth credentials",
    ],
    ['a broken registry', 500, 'UNKNOWN', 'disk on fire', 'unavailable', 'HOST: unknown: disk on fire'],
    [
      'a rate limit',
      429,
      'TOOMANYREQUESTS',
      'You have reached your pull rate limit.',
      'unavailable',
      'HOST: toomanyrequests: You have reached your pull rate limit.',
    ],
  ])('%s', async (_, status, code, message, kind, expected) => {
    expect(await failure((response) => sendError(response, status, code, message))).toMatchObject({
      kind,
      message: expected,
    });
  });

  test('an answer that is not in the words of the spec', async () => {
    const error = await failure((response) => response.writeHead(404).end('<html>'));
    expect(error).toMatchObject({
      kind: 'not-found',
      message: 'manifest for HOST/app:1 not found: manifest unknown',
    });
  });

  test('nobody there', async () => {
    const closed = await serve(() => {});
    const reference = closed.reference('app:1');
    await closed[Symbol.asyncDispose]();
    await expect(client().resolve(reference, { platform })).rejects.toMatchObject({
      kind: 'unavailable',
      message: `${closed.host} could not be reached: connection refused`,
    });
    const unknown = parseReference('registry.invalid/app:1');
    await expect(client().resolve(unknown, { platform })).rejects.toThrow(
      'registry.invalid could not be reached: no such host',
    );
  });

  test('a registry that does not answer', async () => {
    await using server = await serve(() => {});
    const resolving = client().resolve(server.reference('app:1'), { platform });
    await expect(resolving).rejects.toMatchObject({
      kind: 'unavailable',
      message: `${server.host} did not answer: time-out after 0.3 s`,
    });
  });
});

describe('retries', () => {
  const image = testImage();

  test('a registry that is busy for a moment is asked again', async () => {
    await using server = await serve((request, response) => {
      if (server.requests.length < 3) sendError(response, 503, 'UNAVAILABLE', 'busy');
      else serveImage(image, request, response);
    });
    await client().resolve(server.reference('app:1'), { platform });
    expect(server.requests).toHaveLength(3);
  });

  test('are bounded', async () => {
    const error = await failure((response) => sendError(response, 502, 'UNKNOWN', 'down'));
    expect(error.requests).toBe(4);
  });

  test('wait as long as the registry asks for, if that is not too long', async () => {
    let asked = 0;
    await using server = await serve((request, response) => {
      asked += 1;
      if (asked === 1) sendError(response, 429, 'TOOMANYREQUESTS', 'slow down', { 'retry-after': '1' });
      else serveImage(image, request, response);
    });
    const start = performance.now();
    await client().resolve(server.reference('app:1'), { platform });
    expect(performance.now() - start).toBeGreaterThan(990);
    const error = await failure((response) =>
      sendError(response, 429, 'TOOMANYREQUESTS', 'slow down', { 'retry-after': '3600' }),
    );
    expect(error).toMatchObject({ requests: 1, hint: expect.stringContaining('Try again in 3600 s') });
  });
});

describe('credentials', () => {
  const image = testImage();
  const credentials = { username: 'ann', password: 'pass' };
  const basic = `Basic ${Buffer.from('ann:pass').toString('base64')}`;

  test('are given as Basic when the registry asks for that', async () => {
    await using server = await serve((request, response) => {
      if (request.headers.authorization === basic) serveImage(image, request, response);
      else
        sendError(response, 401, 'UNAUTHORIZED', 'authentication required', {
          'www-authenticate': 'Basic realm="x"',
        });
    });
    const registry = client();
    const reference = server.reference('app:1');
    await registry.resolve(reference, { platform, credentials });
    await content(await registry.fetchBlob(reference, image.layer, { credentials }));
    expect(server.requests).toHaveLength(3); // refused once, remembered then
    await expect(registry.resolve(reference, { platform })).rejects.toMatchObject({
      kind: 'unauthorized',
      message: expect.stringContaining('no basic auth credentials'),
    });
    const wrong = { username: 'ann', password: 'guess' };
    await expect(registry.resolve(reference, { platform, credentials: wrong })).rejects.toMatchObject({
      kind: 'unauthorized',
    });
  });

  async function tokenRegistry(): Promise<TestServer> {
    const server = await serve((request, response) => {
      const url = new URL(request.url ?? '', server.url);
      if (url.pathname === '/token') {
        if (request.headers.authorization === undefined || request.headers.authorization === basic) {
          response.end(
            JSON.stringify({ token: `t-${request.headers.authorization === basic}`, expires_in: 300 }),
          );
        } else {
          response.writeHead(401).end(JSON.stringify({ details: 'incorrect username or password' }));
        }
      } else if (request.headers.authorization === 'Bearer t-true') {
        serveImage(image, request, response);
      } else {
        const scope = 'repository:app:pull';
        const insufficient = request.headers.authorization === undefined ? '' : ',error="insufficient_scope"';
        const challenge = `Bearer realm="${server.url}/token",service="reg",scope="${scope}"${insufficient}`;
        sendError(response, 401, 'UNAUTHORIZED', 'authentication required', {
          'www-authenticate': challenge,
        });
      }
    });
    return server;
  }

  test('buy a token, which is used until it expires', async () => {
    await using server = await tokenRegistry();
    const registry = client();
    const reference = server.reference('app:1');
    await registry.resolve(reference, { platform, credentials });
    await content(await registry.fetchBlob(reference, image.layer, { credentials }));
    expect(server.requests).toEqual([
      'GET /v2/app/manifests/1',
      'GET /token?service=reg&scope=repository%3Aapp%3Apull&account=ann',
      'GET /v2/app/manifests/1',
      `GET /v2/app/blobs/${image.layer.digest}`,
    ]);
  });

  test('that lack the right, or are missing, give the refusal that Docker gives', async () => {
    await using server = await tokenRegistry();
    await expect(client().resolve(server.reference('app:1'), { platform })).rejects.toMatchObject({
      kind: 'not-found',
      message: `pull access denied for ${server.host}/app, repository does not exist or may require 'docker login': denied: requested access to the resource is denied`,
    });
  });

  test('that are wrong are said to be', async () => {
    await using server = await tokenRegistry();
    const wrong = { username: 'ann', password: 'secret-guess' };
    const resolving = client().resolve(server.reference('app:1'), { platform, credentials: wrong });
    await expect(resolving).rejects.toMatchObject({
      kind: 'unauthorized',
      message: expect.stringContaining('incorrect username or password'),
    });
    await expect(resolving).rejects.not.toMatchObject({ message: expect.stringContaining('secret-guess') });
  });

  test('are not sent along when a blob is elsewhere', async () => {
    const seen: (string | undefined)[] = [];
    await using storage = await serve((request, response) => {
      seen.push(request.headers.authorization);
      serveImage(image, { ...request, url: `/blobs/${image.layer.digest}` } as typeof request, response);
    });
    await using server = await serve((request, response) => {
      if (request.headers.authorization !== basic) {
        sendError(response, 401, 'UNAUTHORIZED', 'x', { 'www-authenticate': 'Basic realm="x"' });
      } else {
        response.writeHead(307, { location: `${storage.url}/somewhere` }).end();
      }
    });
    const blob = await client().fetchBlob(server.reference('app:1'), image.layer, { credentials });
    expect((await content(blob)).toString()).toBe('a layer');
    expect(seen).toEqual([undefined]);
  });

  test('are not sent to a token server that is not secure', async () => {
    const challenge = { 'www-authenticate': 'Bearer realm="ftp://example.com/token"' };
    const error = await failure((response) => sendError(response, 401, 'UNAUTHORIZED', 'x', challenge));
    expect(error).toMatchObject({ kind: 'unavailable', message: expect.stringContaining('not secure') });
  });
});
