import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import { Downloads } from './downloads.ts';
import { serve } from './testing/test-registry.ts';
import { DEFAULT_TIMING } from './transport.ts';

const bytes = randomBytes(600_000);
const signal = new AbortController().signal;
const downloads = () => new Downloads({ ...DEFAULT_TIMING, retryDelays: [1, 1, 1] });

const get = async (url: string) => buffer((await downloads().open(new URL(url), signal)).body);

/** Answers with what was asked for, and cuts the first connection in the middle. */
function cutOnce(version: (attempt: number) => Readonly<Record<string, string>>) {
  const asked: IncomingMessage['headers'][] = [];
  const answer = (request: IncomingMessage, response: ServerResponse) => {
    asked.push(request.headers);
    const from = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
    response.writeHead(from === 0 ? 200 : 206, {
      'content-length': bytes.length - from,
      ...(from === 0 ? {} : { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` }),
      ...version(asked.length),
    });
    if (asked.length > 1) response.end(bytes.subarray(from));
    else response.write(bytes.subarray(0, 200_000), () => response.destroy());
  };
  return { asked, answer };
}

describe('a download that breaks off', () => {
  test('is continued where the server says which version it was', async () => {
    const { asked, answer } = cutOnce(() => ({ etag: '"one"' }));
    await using server = await serve(answer);
    expect((await get(`${server.url}/image`)).equals(bytes)).toBe(true);
    expect(asked[1]).toMatchObject({
      range: expect.stringMatching(/^bytes=[1-9]\d*-$/),
      'if-range': '"one"',
    });
  });

  test('is not continued with another version', async () => {
    const { answer } = cutOnce((attempt) => ({ etag: `"${attempt}"` }));
    await using server = await serve(answer);
    await expect(get(`${server.url}/image`)).rejects.toMatchObject({
      kind: 'invalid',
      message: `${server.url}/image was changed while it was downloaded`,
    });
  });

  test('fails where nobody can tell', async () => {
    const { asked, answer } = cutOnce(() => ({ etag: 'W/"weak"' }));
    await using server = await serve(answer);
    await expect(get(`${server.url}/image`)).rejects.toThrow();
    expect(asked).toHaveLength(1);
  });
});

test('a download follows redirects and says how large it is', async () => {
  await using server = await serve((request, response) => {
    if (request.url === '/image') response.end(bytes);
    else response.writeHead(302, { location: '/image' }).end();
  });
  const { body, size } = await downloads().open(new URL(`${server.url}/latest`), signal);
  expect((await buffer(body)).equals(bytes)).toBe(true);
  expect(size).toBe(bytes.length);
});

test('what is not there is not found, in the words of the server', async () => {
  await using server = await serve((_, response) => response.writeHead(404).end('gone away'));
  await expect(get(`${server.url}/image`)).rejects.toMatchObject({
    kind: 'not-found',
    message: `failed to GET ${server.url}/image with status 404: gone away`,
  });
});
