import { Readable } from 'node:stream';
import { expect, test } from 'vitest';
import { parseReference } from '../base/index.ts';
import { errorFrom } from './errors.ts';
import type { Response } from './transport.ts';

function answer(status: number, body: unknown, headers: Record<string, string> = {}): Response {
  return {
    url: 'https://registry.test/v2/app/manifests/1',
    status,
    header: (name) => headers[name],
    body: Readable.from([Buffer.from(typeof body === 'string' ? body : JSON.stringify(body))]),
  };
}

const attempt = { reference: parseReference('registry.test/app:1'), action: 'pull' as const };

test('a rate limit tells how large it is, and what can be done', async () => {
  const errors = [{ code: 'TOOMANYREQUESTS', message: 'You have reached your pull rate limit.' }];
  expect(
    await errorFrom(answer(429, { errors }, { 'ratelimit-limit': '100;w=21600' }), attempt),
  ).toMatchObject({
    kind: 'unavailable',
    message:
      'registry.test: toomanyrequests: You have reached your pull rate limit. (the limit is 100 pulls in 6 h)',
    hint: 'Wait, log in for a higher limit, or use a mirror',
  });
});

test('a code and a message that say the same are told once, several errors all', async () => {
  const unknown = { code: 'MANIFEST_UNKNOWN', message: 'manifest unknown' };
  const named = { code: 'MANIFEST_UNKNOWN', message: 'manifest unknown to registry' };
  const other = { code: 'NAME_UNKNOWN', message: 'repository name not known to registry' };
  const told = async (...errors: object[]) => (await errorFrom(answer(404, { errors }), attempt)).message;
  const start = 'manifest for registry.test/app:1 not found';
  expect(await told(unknown)).toBe(`${start}: manifest unknown`);
  expect(await told(named)).toBe(`${start}: manifest unknown to registry`);
  expect(await told(unknown, other)).toBe(
    `${start}: manifest unknown; name unknown: repository name not known to registry`,
  );
});

test('an answer that is no JSON is told by its status', async () => {
  expect((await errorFrom(answer(502, '<html>'), attempt)).message).toBe(
    'registry.test: unexpected status 502 Bad Gateway',
  );
});

test('a storage that the registry redirects to and that refuses is named', async () => {
  const refusal = { ...answer(403, '<Error>expired</Error>'), url: 'https://storage.test/bucket/blob' };
  expect(await errorFrom(refusal, attempt)).toMatchObject({
    kind: 'unavailable',
    message: 'storage.test: unexpected status 403 Forbidden',
  });
});
