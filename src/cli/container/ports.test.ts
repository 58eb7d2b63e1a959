import { expect, test } from 'vitest';
import { parsePorts } from './ports.ts';

const binding = (HostPort: string, HostIp = '') => ({ HostIp, HostPort });

test.each([
  ['80', { '80/tcp': [binding('')] }],
  ['8000:80', { '80/tcp': [binding('8000')] }],
  ['8000:80/udp', { '80/udp': [binding('8000')] }],
  ['127.0.0.1:8000:80', { '80/tcp': [binding('8000', '127.0.0.1')] }],
  ['127.0.0.1::80', { '80/tcp': [binding('', '127.0.0.1')] }],
  ['[::1]:8000:80', { '80/tcp': [binding('8000', '::1')] }],
  ['8000-8001:80-81', { '80/tcp': [binding('8000')], '81/tcp': [binding('8001')] }],
  ['8000-8010:80', { '80/tcp': [binding('8000-8010')] }],
])('publishes %s', (spec, bindings) => {
  const ports = parsePorts([spec], []);
  expect(ports.bindings).toEqual(bindings);
  expect(Object.keys(ports.exposed)).toEqual(Object.keys(bindings));
});

test('publishes one port at several places', () => {
  expect(parsePorts(['8000:80', '9000:80'], []).bindings).toEqual({
    '80/tcp': [binding('8000'), binding('9000')],
  });
});

test('exposes ranges without publishing them', () => {
  expect(parsePorts([], ['80-81', '53/udp'])).toEqual({
    bindings: {},
    exposed: { '80/tcp': {}, '81/tcp': {}, '53/udp': {} },
  });
});

test.each([
  ['a:b', 'invalid containerPort: b'],
  ['a:80', 'invalid hostPort: a'],
  ['80:80:80:80', 'invalid IP address: 80:80'],
  ['1.2.3:80:80', 'invalid IP address: 1.2.3'],
  ['[::1:80:80', 'invalid IP address: [::1'],
  ['8000:', 'no port specified: 8000:<empty>'],
  ['8000:80/xyz', 'invalid proto: xyz'],
  ['8000-8002:80-81', 'invalid ranges specified'],
  ['70000', 'invalid containerPort: 70000'],
])('refuses %s', (spec, reason) => {
  expect(() => parsePorts([spec], [])).toThrow(reason);
});
