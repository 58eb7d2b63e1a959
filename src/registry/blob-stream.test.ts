import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import { unavailable } from '../base/index.ts';
import { blobStream } from './blob-stream.ts';
import { createRegistryClient } from './client.ts';
import { sendError, serve, testImage } from './testing/test-registry.ts';
import { DEFAULT_TIMING, type Response } from './transport.ts';

const bytes = randomBytes(600_000);
const { layer } = testImage(bytes);
const client = () =>
  createRegistryClient({ mirrors: [], insecure: [] }, { ...DEFAULT_TIMING, retryDelays: [1, 1, 1] });

const fromOf = (request: IncomingMessage) =>
  Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);

/** Sends the blob from a byte to another one, and cuts the connection where that is not the end. */
function sendPart(response: ServerResponse, from: number, to: number): void {
  const range = { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` };
  response.writeHead(from === 0 ? 200 : 206, {
    'content-length': bytes.length - from,
    ...(from === 0 ? {} : range),
  });
  response.write(bytes.subarray(from, to), () => (to === bytes.length ? response.end() : response.destroy()));
}

describe('a blob that does not come whole', () => {
  test('is continued with a new token when the old one is not taken any more', async () => {
    let tokens = 0;
    await using server = await serve((request, response) => {
      if (request.url?.startsWith('/token')) {
        tokens += 1;
        response.end(JSON.stringify({ token: `t${tokens}`, expires_in: 300 }));
      } else if (request.headers.authorization !== `Bearer t${fromOf(request) === 0 ? 1 : 2}`) {
        const challenge = `Bearer realm="${server.url}/token",service="reg",scope="repository:app:pull"`;
        sendError(response, 401, 'UNAUTHORIZED', 'token expired', { 'www-authenticate': challenge });
      } else {
        sendPart(response, fromOf(request), fromOf(request) === 0 ? 200_000 : bytes.length);
      }
    });
    const stream = await client().fetchBlob(server.reference('app:1'), layer, {});
    expect((await buffer(stream)).equals(bytes)).toBe(true);
    expect(tokens).toBe(2);
  });

  test('is continued at a registry that is being started again, after a pause before each attempt', async () => {
    const answer = (body: Buffer, status = 200, range?: string): Response => ({
      url: 'http://registry.test/blob',
      status,
      header: (name) => (name === 'content-range' ? range : undefined),
      body: Readable.from([body]),
    });
    const pauses: number[] = [];
    let attempts = 0;
    const blob = { subject: 'a blob', size: bytes.length, said: 'its manifest says' };
    const stream = blobStream(blob, answer(bytes.subarray(0, 200_000)), {
      failure: (_, error) => error,
      pause: async (attempt) => {
        pauses.push(attempt);
      },
      request: async (from) => {
        attempts += 1;
        if (attempts < 3) throw unavailable('registry.test could not be reached: connection refused');
        return answer(bytes.subarray(from), 206, `bytes ${from}-${bytes.length - 1}/${bytes.length}`);
      },
    });
    expect((await buffer(stream)).equals(bytes)).toBe(true);
    expect(pauses).toEqual([1, 2]);
  });

  test('is given up when the registry does not come back, with the reason', async () => {
    const server = await serve((_, response) => sendPart(response, 0, 200_000));
    const stream = await client().fetchBlob(server.reference('app:1'), layer, {});
    const closed = once(stream, 'data').then(() => server[Symbol.asyncDispose]());
    await expect(buffer(stream)).rejects.toMatchObject({
      kind: 'unavailable',
      message: `${server.host} could not be reached: connection refused`,
    });
    await closed;
  });

  test('and that turns out shorter than its manifest says is refused', async () => {
    await using server = await serve((request, response) => {
      if (fromOf(request) === 0) response.write(bytes.subarray(0, 1000), () => response.end());
      else sendError(response, 416, 'UNKNOWN', 'no such range');
    });
    const stream = await client().fetchBlob(server.reference('app:1'), layer, {});
    await expect(buffer(stream)).rejects.toMatchObject({
      kind: 'invalid',
      message: `blob ${layer.digest} has 1000 bytes instead of the 600000 its manifest says`,
    });
  });

  test('of which the registry says another size is refused at once', async () => {
    await using server = await serve((_, response) => response.end(bytes.subarray(0, 1000)));
    const stream = await client().fetchBlob(server.reference('app:1'), layer, {});
    await expect(buffer(stream)).rejects.toMatchObject({
      kind: 'invalid',
      message: `blob ${layer.digest} has 1000 bytes instead of the 600000 its manifest says`,
    });
    expect(server.requests).toHaveLength(1);
  });
});
