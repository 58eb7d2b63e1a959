import { expect, test } from 'vitest';
import { chooseTarget, DEFAULT_SOCKET } from './connection.ts';

const here = { kind: 'unix', path: DEFAULT_SOCKET };

test.each([
  [undefined, {}, here, true],
  [undefined, { DOCKER_HOST: '' }, here, true],
  [undefined, { BERTH_HOST: 'unix:///b' }, { kind: 'unix', path: '/b' }, false],
  [undefined, { DOCKER_HOST: 'unix:///d', BERTH_HOST: 'unix:///b' }, { kind: 'unix', path: '/d' }, false],
  ['unix:///f', { DOCKER_HOST: 'unix:///d' }, { kind: 'unix', path: '/f' }, false],
  [undefined, { DOCKER_HOST: `unix://${DEFAULT_SOCKET}` }, here, true],
])('-H %s with %j means the engine %j', (flag, env, host, isDefault) => {
  expect(chooseTarget(flag, env)).toMatchObject({ host, isDefault });
});

test('refuses TLS by name instead of speaking in the clear', () => {
  const env = { DOCKER_HOST: 'tcp://box:2376', DOCKER_TLS_VERIFY: '1' };
  expect(() => chooseTarget(undefined, env)).toThrow(/DOCKER_TLS_VERIFY.*TLS are not implemented/);
});

test('fixes the API version that DOCKER_API_VERSION names', () => {
  expect(chooseTarget(undefined, { DOCKER_API_VERSION: '1.40' }).apiVersion).toBe('1.40');
  expect(chooseTarget(undefined, { DOCKER_API_VERSION: '' }).apiVersion).toBeUndefined();
});
