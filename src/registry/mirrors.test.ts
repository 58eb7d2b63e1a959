import { buffer as content } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import { parseReference } from '../base/index.ts';
import { quickClient as client } from './testing/quick-client.ts';
import { sendError, serve, serveImage, testImage } from './testing/test-registry.ts';

const platform = { os: 'linux', architecture: 'amd64' };

describe('mirrors', () => {
  const image = testImage();

  test('are asked in order for what is on docker.io, without its credentials', async () => {
    const seen: (string | undefined)[] = [];
    await using empty = await serve((_, response) =>
      sendError(response, 404, 'MANIFEST_UNKNOWN', 'manifest unknown'),
    );
    await using full = await serve((request, response) => {
      seen.push(request.headers.authorization);
      serveImage(image, request, response);
    });
    const registry = client([empty.url, full.url]);
    const credentials = { username: 'ann', password: 'pass' };
    await registry.resolve(parseReference('debian'), { platform, credentials });
    await content(await registry.fetchBlob(parseReference('debian'), image.layer, { credentials }));
    expect(empty.requests).toEqual(['GET /v2/library/debian/manifests/latest']);
    expect(full.requests).toEqual([
      'GET /v2/library/debian/manifests/latest',
      `GET /v2/library/debian/blobs/${image.layer.digest}`,
    ]);
    expect(seen).toEqual([undefined, undefined]);
  });

  test('that garble an image are passed over', async () => {
    await using broken = await serve((_, response) => response.end('<html>'));
    await using full = await serve((request, response) => serveImage(image, request, response));
    const resolved = await client([broken.url, full.url]).resolve(parseReference('debian'), { platform });
    expect(resolved.digest).toBe(image.digest);
  });

  test('that all fail are named with their reasons', async () => {
    await using empty = await serve((_, response) =>
      sendError(response, 404, 'MANIFEST_UNKNOWN', 'manifest unknown'),
    );
    const resolving = client(['http://127.0.0.1:1', empty.url]).resolve(parseReference('debian'), {
      platform,
    });
    await expect(resolving).rejects.toMatchObject({
      kind: 'not-found',
      message: expect.stringContaining('manifest for debian:latest not found: manifest unknown'),
    });
    await expect(resolving).rejects.toThrow(
      'http://127.0.0.1:1: 127.0.0.1:1 could not be reached: connection refused',
    );
    await expect(resolving).rejects.toThrow('https://registry-1.docker.io: ');
  });

  test('are not asked for other registries', async () => {
    await using mirror = await serve((_, response) => response.end());
    await using server = await serve((request, response) => serveImage(image, request, response));
    await client([mirror.url]).resolve(server.reference('app:1'), { platform });
    expect(mirror.requests).toEqual([]);
  });

  test.each([
    [['no url'], [], /invalid registry mirror "no url"/],
    [['ftp://x'], [], /invalid registry mirror/],
    [[], ['10.0.0.0/99'], /invalid insecure registry "10.0.0.0\/99"/],
  ])('with options that make no sense are refused: %j %j', (mirrors, insecure, message) => {
    expect(() => client(mirrors, insecure)).toThrow(message);
  });
});
