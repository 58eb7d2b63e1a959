import { expect, test } from 'vitest';
import { brokenPromises } from './promises.ts';
import type { TestReport } from './test-report.ts';

const report: TestReport = {
  testResults: [
    {
      name: '/repo/test/engine/run.test.ts',
      status: 'failed',
      message: '',
      assertionResults: [
        { ancestorTitles: ['run'], title: 'prints', status: 'passed', failureMessages: [] },
        { ancestorTitles: [], title: 'stops', status: 'failed', failureMessages: [] },
        { ancestorTitles: [], title: 'waits', status: 'skipped', failureMessages: [] },
        { ancestorTitles: ['run'], title: 'ends', status: 'failed', failureMessages: [] },
        { ancestorTitles: ['stop'], title: 'ends', status: 'passed', failureMessages: [] },
      ],
    },
  ],
};

const broken = (markdown: string) => brokenPromises(markdown, report, '/repo');

test('a promise whose test passed is kept, on one line or several', () => {
  expect(broken('- It prints. `test/engine/run.test.ts › run › prints`')).toEqual([]);
  expect(
    broken('# Run\n\n- It prints,\n  always.\n  `test/engine/run.test.ts › run ›\n  prints`\n\nProse.'),
  ).toEqual([]);
});

test('a test may be named without its describe block; of two with one name, the one that did not pass counts', () => {
  expect(broken('- It prints. `test/engine/run.test.ts › prints`')).toEqual([]);
  expect(broken('- It stops. `test/engine/run.test.ts › ends`')[0]?.reason).toMatch(/is failed/);
});

test('a list without a promise is broken', () => {
  expect(broken('# Promises')).toEqual([{ line: 1, reason: 'nothing is promised here' }]);
});

test('a promise whose test failed, was skipped or does not exist is named with its line', () => {
  expect(broken('\n- It stops. `test/engine/run.test.ts › stops`')).toEqual([
    { line: 2, reason: 'the test "test/engine/run.test.ts › stops" is failed' },
  ]);
  expect(broken('- It waits. `test/engine/run.test.ts › waits`')[0]?.reason).toMatch(/is skipped/);
  expect(broken('- It flies. `test/engine/run.test.ts › flies`')[0]?.reason).toMatch(/does not exist/);
});

test('a promise without a test is named, even when the item before it has one', () => {
  expect(broken('- It prints. `test/engine/run.test.ts › run › prints`\n- It sings.')).toEqual([
    { line: 2, reason: 'this promise names no test (`file › test name`)' },
  ]);
});

test('a promise whose tests belong to another run is left to that', () => {
  const elsewhere = (name: string) => !name.startsWith('test/engine/');
  const markdown = '- It stops. `test/engine/run.test.ts › stops`\n- It is. `src/a.test.ts › is`';
  expect(brokenPromises(markdown, report, '/repo', elsewhere).map(({ line }) => line)).toEqual([2]);
});
