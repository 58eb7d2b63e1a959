import { describe, expect, test } from 'vitest';
import { parseNetworkProbe } from './network-probe.ts';

const LOOPBACK = ['127.0.0.1', '::1'];

describe('the command of a health check', () => {
  test.each([
    [
      'http://:8080/path?a=b',
      { kind: 'http', addresses: LOOPBACK, port: 8080, host: 'localhost', path: '/path?a=b' },
    ],
    ['http://localhost', { kind: 'http', addresses: LOOPBACK, port: 80, host: 'localhost', path: '/' }],
    ['http://[fd00::1]:81', { kind: 'http', addresses: ['fd00::1'], port: 81, host: 'fd00::1', path: '/' }],
    ['tcp://:5432', { kind: 'tcp', addresses: LOOPBACK, port: 5432, host: 'localhost', path: '' }],
    ['ssh://', { kind: 'ssh', addresses: LOOPBACK, port: 22, host: 'localhost', path: '' }],
    ['ssh://:2222', { kind: 'ssh', addresses: LOOPBACK, port: 2222, host: 'localhost', path: '' }],
    ['tcp://10.0.0.1:5432', { kind: 'tcp', addresses: ['10.0.0.1'], port: 5432, host: '10.0.0.1', path: '' }],
  ])('%s is a probe', (url, probe) => {
    expect(parseNetworkProbe([url])).toEqual(probe);
  });

  test.each([
    [['curl', 'http://localhost']],
    [['curl -f http://localhost']],
    [['http://localhost', '--fast']],
    [['http://localhost || exit 1']],
    [['https://localhost']],
    [[]],
  ])('%j is a command', (command) => {
    expect(parseNetworkProbe(command)).toBeUndefined();
  });

  test.each([
    ['http://db:80/', 'the host "db" is neither localhost nor an IP address'],
    ['http://:0/', 'it has no port from 1 to 65535'],
    ['http://:70000/', 'it has no port from 1 to 65535'],
    ['tcp://localhost', 'it has no port from 1 to 65535'],
    ['tcp://:80/path', 'a tcp probe has no path'],
    ['ssh://:22/path', 'a ssh probe has no path'],
  ])('%s is refused', (url, reason) => {
    expect(() => parseNetworkProbe([url])).toThrow(`health check "${url}": ${reason}`);
  });
});
