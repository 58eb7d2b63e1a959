import { describe, expect, test } from 'vitest';
import { runtimeFailure } from './runtime-failure.ts';

const entry = (msg: string, level = 'error') => `${JSON.stringify({ msg, level, time: 'now' })}\n`;

describe('the failure of an OCI runtime', () => {
  test.each([
    ['executable file `x` not found in $PATH: No such file or directory', 'not-found'],
    ['runc run failed: exec: "x": executable file not found in $PATH: unknown', 'not-found'],
    ['open executable: Permission denied', 'invalid'],
    ['exec /x: exec format error', 'invalid'],
    ['exec container process (missing dynamic library?) `/x`: No such file or directory', 'not-found'],
    ['exec container process `/x`: Exec format error', 'invalid'],
    ['error creating cgroup', 'internal'],
  ])('%j is %s', (words, kind) => {
    expect(runtimeFailure('otherwise', entry(words))).toMatchObject({ kind, message: words });
  });

  test('is the last error, not a warning behind it', () => {
    const log = entry('first') + entry('the reason') + entry('by the way', 'warning');
    expect(runtimeFailure('otherwise', log).message).toBe('the reason');
  });

  test('is said in plain text by a runtime that writes no JSON', () => {
    expect(runtimeFailure('otherwise', 'plain words\n').message).toBe('plain words');
  });

  test('has words of ours when the runtime has none', () => {
    expect(runtimeFailure('the runtime could not start', '').message).toBe('the runtime could not start');
  });
});
