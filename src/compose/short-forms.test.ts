import { homedir } from 'node:os';
import { expect, test } from 'vitest';
import { hostPath, parsePortShort, parseVolumeShort, splitCommand } from './short-forms.ts';

test.each([
  ['echo hello', ['echo', 'hello']],
  ['  echo   hello  ', ['echo', 'hello']],
  [`sh -c "echo 'a b'"`, ['sh', '-c', "echo 'a b'"]],
  [`sh -c 'echo "a b"'`, ['sh', '-c', 'echo "a b"']],
  ['a\\ b c', ['a b', 'c']],
  ['"a\\"b"', ['a"b']],
  [`''`, ['']],
  ['$HOME *', ['$HOME', '*']],
  ['', []],
])('the command line %j has the arguments %j', (text, expected) => {
  expect(splitCommand(text)).toEqual(expected);
});

test('a quote that is not closed is refused', () => {
  expect(() => splitCommand('echo "a')).toThrow('invalid command line string: a " is not closed');
});

test.each([
  ['8000:5050', [['', '8000', 5050, 'tcp']]],
  ['5050', [['', '', 5050, 'tcp']]],
  ['53:53/udp', [['', '53', 53, 'udp']]],
  ['127.0.0.1:8000:80', [['127.0.0.1', '8000', 80, 'tcp']]],
  ['127.0.0.1::80', [['127.0.0.1', '', 80, 'tcp']]],
  ['[::1]:8000:80', [['::1', '8000', 80, 'tcp']]],
  [
    '3000-3001',
    [
      ['', '', 3000, 'tcp'],
      ['', '', 3001, 'tcp'],
    ],
  ],
  [
    '9090-9091:80-81',
    [
      ['', '9090', 80, 'tcp'],
      ['', '9091', 81, 'tcp'],
    ],
  ],
])('the port %s', (text, expected) => {
  const ports = parsePortShort(text).map(({ hostIp, hostPort, containerPort, protocol }) => [
    hostIp,
    hostPort,
    containerPort,
    protocol,
  ]);
  expect(ports).toEqual(expected);
});

test('one container port may be published on a free port of a range', () => {
  expect(parsePortShort('8000-8010:80')).toMatchObject([{ containerPort: 80, hostPort: '8000-8010' }]);
});

test.each(['', 'http', '80/icmp', '70000', '90-80', '1-3:1-2', '80:', 'a:80'])(
  'the port "%s" is refused',
  (text) => {
    expect(() => parsePortShort(text)).toThrow();
  },
);

test.each([
  ['/data', { type: 'volume', source: '', target: '/data' }],
  ['data:/data', { type: 'volume', source: 'data', target: '/data', readOnly: false }],
  ['data:/data:ro', { type: 'volume', source: 'data', target: '/data', readOnly: true }],
  ['data:/data:nocopy', { type: 'volume', source: 'data', noCopy: true }],
  ['./src:/app', { type: 'bind', source: '/project/src', target: '/app', createSource: true }],
  ['.:/app:ro', { type: 'bind', source: '/project', readOnly: true }],
  ['../up:/app', { type: 'bind', source: '/up' }],
  ['/etc/hosts:/hosts:ro,rslave', { type: 'bind', source: '/etc/hosts', propagation: 'rslave' }],
])('the volume %s', (text, expected) => {
  expect(parseVolumeShort(text, '/project')).toMatchObject(expected);
});

test.each(['', ':/data', 'data:', 'a:b:c:d', 'data:/data:fast'])('the volume "%s" is refused', (text) => {
  expect(() => parseVolumeShort(text, '/project')).toThrow();
});

test('~ is the home folder', () => {
  expect(hostPath('~/x', '/project')).toBe(`${homedir()}/x`);
});
