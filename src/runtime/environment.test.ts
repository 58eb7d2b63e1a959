import { expect, test } from 'vitest';
import { DEFAULT_PATH, processEnvironment } from './environment.ts';

const base = { env: [], hostname: 'box', terminal: false, home: '/root' };

test('PATH, HOSTNAME and HOME are always there, TERM with a terminal', () => {
  expect(processEnvironment(base)).toEqual([`PATH=${DEFAULT_PATH}`, 'HOSTNAME=box', 'HOME=/root']);
  expect(processEnvironment({ ...base, terminal: true })).toContain('TERM=xterm');
});

test('what was asked for replaces defaults in their place, and a bare name removes them', () => {
  expect(processEnvironment({ ...base, env: ['PATH=/x', 'A=1=2', 'HOSTNAME', 'HOME=/h', 'A=3'] })).toEqual([
    'PATH=/x',
    'A=3',
    'HOME=/h',
  ]);
});
