import { expect, test } from 'vitest';
import { formatHost, parseHost } from './host.ts';

test.each([
  ['unix:///run/x.sock', { kind: 'unix', path: '/run/x.sock' }],
  ['tcp://10.0.0.1:2376', { kind: 'tcp', hostname: '10.0.0.1', port: 2376 }],
  ['tcp://box', { kind: 'tcp', hostname: 'box', port: 2375 }],
  ['tcp://box:80', { kind: 'tcp', hostname: 'box', port: 80 }],
  ['tcp://[::1]:99/', { kind: 'tcp', hostname: '::1', port: 99 }],
  ['ssh://me@box', { kind: 'ssh', url: 'ssh://me@box' }],
])('reads %s', (text, host) => {
  expect(parseHost(text)).toEqual(host);
});

test.each(['', 'box', 'unix://', 'tcp://', 'npipe:////./x', 'tcp://box:99999', 'tcp://box/prefix'])(
  'refuses "%s" as an address',
  (text) => {
    expect(() => parseHost(text)).toThrow(/engine address/);
  },
);

test('writes an address as users do', () => {
  for (const text of ['unix:///run/x.sock', 'tcp://[::1]:99', 'ssh://me@box']) {
    expect(formatHost(parseHost(text))).toBe(text);
  }
});
