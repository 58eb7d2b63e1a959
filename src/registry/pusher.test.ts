import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import { digestOf } from '../base/index.ts';
import { createRegistryClient } from './client.ts';
import type { LocalBlob } from './contract.ts';
import { MANIFEST, sendError, serve, type TestServer } from './testing/test-registry.ts';
import { DEFAULT_TIMING } from './transport.ts';

const QUICK = { ...DEFAULT_TIMING, retryDelays: [1, 1] };
const client = () => createRegistryClient({ mirrors: [], insecure: [] }, QUICK);

function localBlob(bytes: Buffer): LocalBlob {
  return {
    mediaType: 'application/octet-stream',
    digest: digestOf(bytes),
    size: bytes.length,
    open: async (from) => Readable.from([bytes.subarray(from)], { objectMode: false }),
  };
}

/** Begins uploads at /upload and says what it lacks; the rest is `more`'s. */
function serveUploads(
  more: (request: IncomingMessage, response: ServerResponse) => Promise<void> | void,
): Promise<TestServer> {
  return serve((request, response) => {
    if (request.method === 'HEAD') response.writeHead(404).end();
    else if (request.method === 'POST') response.writeHead(202, { location: '/upload?state=a%20b' }).end();
    else void more(request, response);
  });
}

describe('a push', () => {
  test('sends a small blob by one request, whose digest it names', async () => {
    const bytes = Buffer.from('content');
    let received = Buffer.alloc(0);
    await using server = await serveUploads(async (request, response) => {
      received = await buffer(request);
      response.writeHead(201).end();
    });
    expect(await client().pushBlob(server.reference('a/b'), localBlob(bytes), {})).toEqual({
      kind: 'uploaded',
    });
    expect(received).toEqual(bytes);
    const last = new URL(server.requests.at(-1)?.slice('PUT '.length) ?? '', server.url);
    expect(Object.fromEntries(last.searchParams)).toEqual({ state: 'a b', digest: digestOf(bytes) });
  });

  test('sends nothing that the registry has', async () => {
    await using server = await serve((_request, response) => response.writeHead(200).end());
    const pushed = await client().pushBlob(server.reference('a'), localBlob(Buffer.from('x')), {});
    expect(pushed).toEqual({ kind: 'existed' });
    expect(server.requests).toHaveLength(1);
  });

  test('asks for a mount from the repository that should have it', async () => {
    const blob = localBlob(Buffer.from('x'));
    await using server = await serve((request, response) => {
      response.writeHead(request.method === 'HEAD' ? 404 : 201).end();
    });
    const pushed = await client().pushBlob(server.reference('a'), blob, { mountFrom: 'b/c' });
    expect(pushed).toEqual({ kind: 'mounted', from: 'b/c' });
    const query = new URLSearchParams({ mount: blob.digest, from: 'b/c' });
    expect(server.requests.at(-1)).toBe(`POST /v2/a/blobs/uploads/?${query}`);
  });

  test('goes on where a cut connection left off', async () => {
    const bytes = randomBytes(3_000_000);
    const chunks: Buffer[] = [];
    const ranges: unknown[] = [];
    await using server = await serveUploads(async (request, response) => {
      if (request.method === 'PATCH') {
        ranges.push(request.headers['content-range']);
        const { socket } = request;
        if (chunks.length === 0) {
          for await (const chunk of request) {
            chunks.push(chunk);
            if (Buffer.concat(chunks).length > 100_000) break;
          }
          socket.destroy();
          return;
        }
        chunks.push(await buffer(request));
        response.writeHead(202, { location: '/upload' }).end();
      } else if (request.method === 'GET') {
        response
          .writeHead(204, { range: `0-${Buffer.concat(chunks).length - 1}`, location: '/upload' })
          .end();
      } else {
        response.writeHead(201).end();
      }
    });
    let progress = 0;
    const onProgress = (sent: number) => {
      progress = sent;
    };
    await client().pushBlob(server.reference('a'), localBlob(bytes), { onProgress });
    expect(Buffer.concat(chunks).equals(bytes)).toBe(true);
    expect(ranges).toHaveLength(2);
    expect(ranges[0]).toBe('0-2999999');
    expect(ranges[1]).toMatch(/^[1-9][0-9]*-2999999$/);
    expect(progress).toBe(bytes.length);
  });

  test('that is cut again and again without getting anywhere is given up', async () => {
    await using server = await serveUploads((request, response) => {
      if (request.method === 'PATCH') request.socket.destroy();
      else response.writeHead(204, { range: '0-0' }).end();
    });
    const pushed = client().pushBlob(server.reference('a'), localBlob(randomBytes(2_000_000)), {});
    await expect(pushed).rejects.toMatchObject({
      kind: 'unavailable',
      message: `${server.host} closed the connection`,
    });
  });

  test('asks for a token that may write here and read there, and never sends it to another host', async () => {
    const elsewhere = await serve(async (request, response) => {
      await buffer(request);
      response.writeHead(request.headers.authorization === undefined ? 201 : 400).end();
    });
    await using server = await serve((request, response) => {
      if (request.url?.startsWith('/token')) {
        response.end(JSON.stringify({ token: 'it' }));
      } else if (request.headers.authorization !== 'Bearer it') {
        const challenge = `Bearer realm="${server.url}/token",service="reg",scope="repository:a:pull"`;
        sendError(response, 401, 'UNAUTHORIZED', 'no token', { 'www-authenticate': challenge });
      } else if (request.method === 'HEAD') {
        response.writeHead(404).end();
      } else {
        response.writeHead(202, { location: `${elsewhere.url}/upload` }).end();
      }
    });
    await using _ = elsewhere;
    const options = { mountFrom: 'b', credentials: { username: 'u', password: 'p' } };
    await client().pushBlob(server.reference('a'), localBlob(Buffer.from('x')), options);
    const token = server.requests.find((line) => line.includes('/token')) ?? '';
    const { searchParams } = new URL(token.slice('GET '.length), server.url);
    expect(searchParams.getAll('scope')).toEqual(['repository:a:pull,push', 'repository:b:pull']);
    expect(elsewhere.requests).toHaveLength(1);
  });

  test('looks for a manifest with the right to write, since the repository may not be there to be read', async () => {
    await using server = await serve((request, response) => {
      if (request.url?.startsWith('/token')) {
        response.end(JSON.stringify({ token: 'it' }));
      } else if (request.headers.authorization !== 'Bearer it') {
        const challenge = `Bearer realm="${server.url}/token",service="reg",scope="repository:a:pull"`;
        sendError(response, 401, 'UNAUTHORIZED', 'no token', { 'www-authenticate': challenge });
      } else {
        response.writeHead(request.url?.endsWith(digestOf('there')) ? 200 : 404).end();
      }
    });
    const has = (content: string) => client().hasManifest(server.reference('a'), digestOf(content), {});
    expect([await has('there'), await has('missing')]).toEqual([true, false]);
    expect(server.requests.find((line) => line.includes('/token'))).toContain(
      new URLSearchParams({ scope: 'repository:a:pull,push' }).toString(),
    );
  });

  test('stores a manifest under its tag, and distrusts a registry that stored another', async () => {
    const bytes = Buffer.from('{}');
    let stored = digestOf(bytes);
    await using server = await serve(async (request, response) => {
      await buffer(request);
      response.writeHead(201, { 'docker-content-digest': stored }).end();
    });
    const manifest = { mediaType: MANIFEST, bytes };
    expect(await client().pushManifest(server.reference('a:1'), manifest, {})).toBe(stored);
    expect(server.requests).toEqual(['PUT /v2/a/manifests/1']);
    stored = digestOf('other');
    await expect(client().pushManifest(server.reference('a:1'), manifest, {})).rejects.toMatchObject({
      kind: 'unavailable',
    });
  });

  test('that is refused is told in the words of the registry', async () => {
    await using server = await serve((_request, response) => sendError(response, 403, 'DENIED', 'not yours'));
    const manifest = { mediaType: MANIFEST, bytes: Buffer.from('{}') };
    await expect(client().pushManifest(server.reference('a:1'), manifest, {})).rejects.toMatchObject({
      kind: 'denied',
      message: `push access denied for ${server.host}/a, repository does not exist or may require 'docker login': denied: not yours`,
    });
  });
});

describe('a login', () => {
  test('succeeds where the registry asks for none', async () => {
    await using server = await serve(() => {});
    await client().checkLogin(server.host, { username: 'u', password: 'p' });
  });

  test('asks the token server, without a scope, and is refused in its words', async () => {
    const asked: string[] = [];
    const server = createServer((request, response) => {
      const { authorization } = request.headers;
      if (request.url?.startsWith('/token')) {
        asked.push(request.url);
        const isRight = authorization === `Basic ${Buffer.from('u:right').toString('base64')}`;
        if (isRight) response.end(JSON.stringify({ token: 'it' }));
        else sendError(response, 401, 'UNAUTHORIZED', 'incorrect username or password');
      } else if (authorization === 'Bearer it') {
        response.end('{}');
      } else {
        const realm = `http://${request.headers.host}/token`;
        const challenge = `Bearer realm="${realm}",service="reg"`;
        sendError(response, 401, 'UNAUTHORIZED', 'no token', { 'www-authenticate': challenge });
      }
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    try {
      await client().checkLogin(host, { username: 'u', password: 'right' });
      expect(asked).toEqual(['/token?service=reg&account=u']);
      await expect(client().checkLogin(host, { username: 'u', password: 'wrong' })).rejects.toMatchObject({
        kind: 'unauthorized',
        message: expect.stringContaining(`${host}: unauthorized: incorrect username or password`),
      });
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });

  test('at a registry that is not there says so', async () => {
    await expect(client().checkLogin('127.0.0.1:1', { username: 'u', password: 'p' })).rejects.toMatchObject({
      kind: 'unavailable',
      message: '127.0.0.1:1 could not be reached: connection refused',
    });
  });
});
