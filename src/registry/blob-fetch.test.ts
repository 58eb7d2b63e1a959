import { randomBytes } from 'node:crypto';
import { buffer as content } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import { parseReference } from '../base/index.ts';
import { quickClient as client } from './testing/quick-client.ts';
import { sendBytes, serve, testImage } from './testing/test-registry.ts';

describe('a blob', () => {
  const bytes = randomBytes(1_000_000);
  const image = testImage(bytes);

  test('is continued where a connection broke off', async () => {
    const ranges: (string | undefined)[] = [];
    await using server = await serve((request, response) => {
      const from = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
      ranges.push(request.headers.range);
      response.writeHead(from === 0 ? 200 : 206, {
        'content-length': bytes.length - from,
        ...(from === 0 ? {} : { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` }),
      });
      const isLast = ranges.length === 4;
      const part = bytes.subarray(from, isLast ? undefined : from + 200_000);
      response.write(part, () => (isLast ? response.end() : response.destroy()));
    });
    const blob = await client([server.url]).fetchBlob(parseReference('app:1'), image.layer, {});
    expect((await content(blob)).equals(bytes)).toBe(true);
    expect(ranges).toHaveLength(4);
    expect(ranges[1]).toMatch(/^bytes=[1-9][0-9]*-$/);
  });

  test('is continued also where the registry sends everything again', async () => {
    let count = 0;
    await using server = await serve((_, response) => {
      count += 1;
      response.writeHead(200, { 'content-length': bytes.length });
      if (count === 2) response.end(bytes);
      else response.write(bytes.subarray(0, 300_000), () => response.destroy());
    });
    const blob = await client([server.url]).fetchBlob(parseReference('app:1'), image.layer, {});
    expect((await content(blob)).equals(bytes)).toBe(true);
  });

  test('that never comes whole is given up, with the reason', async () => {
    await using server = await serve((_, response) => {
      response.writeHead(200, { 'content-length': bytes.length });
      response.write(bytes.subarray(0, 10), () => response.destroy());
    });
    const blob = await client([server.url]).fetchBlob(parseReference('app:1'), image.layer, {});
    await expect(content(blob)).rejects.toMatchObject({
      kind: 'unavailable',
      message: `${server.host} closed the connection`,
    });
  });

  test('that stalls is given up, with the time-out', async () => {
    await using server = await serve((_, response) => {
      response.writeHead(200, { 'content-length': bytes.length });
      response.write(bytes.subarray(0, 10));
    });
    const blob = await client([server.url]).fetchBlob(parseReference('app:1'), image.layer, {});
    await expect(content(blob)).rejects.toMatchObject({
      kind: 'unavailable',
      message: `${server.host} stalled: time-out after 0.3 s without data`,
    });
  });

  test('longer than its descriptor says is refused', async () => {
    await using server = await serve((_, response) => sendBytes(response, bytes, 'x/y'));
    const shorter = { ...image.layer, size: 10 };
    const blob = await client([server.url]).fetchBlob(parseReference('app:1'), shorter, {});
    await expect(content(blob)).rejects.toMatchObject({ kind: 'invalid' });
  });

  test('that nobody wants any more is let go', async () => {
    await using server = await serve((_, response) => {
      response.writeHead(200, { 'content-length': bytes.length });
      response.write(bytes.subarray(0, 10));
    });
    const abort = new AbortController();
    const blob = await client([server.url]).fetchBlob(parseReference('app:1'), image.layer, {
      signal: abort.signal,
    });
    const reading = content(blob);
    abort.abort();
    await expect(reading).rejects.toMatchObject({ name: 'AbortError' });
  });
});
