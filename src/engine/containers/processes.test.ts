import { expect, test } from 'vitest';
import { parseProcesses } from './processes.ts';

test('the rows of the wanted processes are kept, the last column whole', () => {
  const text = '  PID USER     CMD\n    1 root     /sbin/init  splash\n   42 me       sleep 10\n';
  expect(parseProcesses(text, new Set([42, 43]))).toEqual({
    titles: ['PID', 'USER', 'CMD'],
    processes: [['42', 'me', 'sleep 10']],
  });
});

test('an output without pids is refused with the way out', () => {
  expect(() => parseProcesses('USER\nroot\n', new Set([1]))).toThrow("Couldn't find PID field in ps output");
});
