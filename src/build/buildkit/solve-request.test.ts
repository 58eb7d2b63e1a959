import { expect, test } from 'vitest';
import { parseFrontend } from './solve-request.ts';

const parse = (attributes: Record<string, string>) => parseFrontend('dockerfile.v0', attributes);

test('attributes become a request: names, arguments and labels in an order of their own', () => {
  const request = parse({
    filename: 'sub/Dockerfile',
    target: 'last',
    'label:b': '2',
    'label:a': '1',
    'build-arg:V': '3',
    'build-arg:BUILDKIT_INLINE_CACHE': '1',
    'no-cache': '',
    'image-resolve-mode': 'pull',
    'force-network-mode': 'none',
    'cache-imports': '[{"Type":"registry","Attrs":{"ref":"r/cache"}}]',
    'local-sessionid:context': 'other',
    'vcs:revision': 'abc',
  });
  expect(request).toMatchObject({
    dockerfile: 'sub/Dockerfile',
    target: 'last',
    buildArgs: { V: '3' },
    noCache: true,
    pull: true,
    network: 'none',
    cacheImports: ['r/cache'],
    folderSessions: { context: 'other', dockerfile: undefined },
  });
  expect(Object.keys(request.labels)).toEqual(['a', 'b']);
});

test('what is not said is as in Docker', () => {
  expect(parse({})).toMatchObject({
    dockerfile: 'Dockerfile',
    target: undefined,
    noCache: false,
    pull: false,
    network: 'default',
    platform: { os: 'linux' },
  });
});

test.each([
  [{ 'add-hosts': 'a=1.2.3.4' }, 'further hosts for RUN steps (--add-host) are not there yet'],
  [{ 'shm-size': '1' }, 'a size of /dev/shm for RUN steps (--shm-size) is not there yet'],
  [{ 'context:x': 'docker-image://y' }, 'further build contexts (--build-context x) are not there yet'],
  [{ 'attest:sbom': '' }, 'attestations (sbom) are not there yet'],
  [{ 'no-cache': 'a,b' }, 'building only some stages anew (--no-cache-filter a,b) is not there yet'],
  [{ platform: 'linux/s390x' }, 'building for linux/s390x is not there yet'],
  [{ contextkey: 'elsewhere' }, 'the context folder under another name ("elsewhere") is not there yet'],
  [{ mystery: '' }, 'the build option "mystery" is not there'],
])('%o is refused by name', (attributes, message) => {
  expect(() => parse(attributes)).toThrow(expect.objectContaining({ kind: 'not-implemented', message }));
});

test.each([
  [{ 'image-resolve-mode': 'x' }, 'invalid image-resolve-mode: "x"'],
  [{ 'force-network-mode': 'x' }, 'invalid network of a build: "x"'],
  [{ 'cache-imports': '{' }, 'the attribute cache-imports is no JSON'],
])('%o is no value', (attributes, message) => {
  expect(() => parse(attributes)).toThrow(expect.objectContaining({ kind: 'invalid', message }));
});
