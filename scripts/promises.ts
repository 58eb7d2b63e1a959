import { relative } from 'node:path';
import type { TestReport } from './test-report.ts';

export interface BrokenPromise {
  /** Of the promise's first line, from 1. */
  readonly line: number;
  readonly reason: string;
}

/**
 * Holds a list of promises against a test run. A promise is a list item (`- …`, with what follows it up to the next item,
 * blank line or heading); it names its tests as `` `file › test name` ``, with the names of describe blocks before the
 * test's own, each after a ` › `.
 */
export function brokenPromises(markdown: string, report: TestReport, root: string): BrokenPromise[] {
  const statuses = testStatuses(report, root);
  return promises(markdown).flatMap(({ line, text }): BrokenPromise[] => {
    const tests = [...text.matchAll(/`([^`]+ › [^`]+)`/g)].map((match) =>
      (match[1] ?? '').replace(/\s+/g, ' '),
    );
    if (tests.length === 0) return [{ line, reason: 'this promise names no test (`file › test name`)' }];
    return tests.flatMap((test) => {
      const status = statuses.get(test);
      if (status === 'passed') return [];
      return [
        { line, reason: `the test "${test}" ${status === undefined ? 'does not exist' : `is ${status}`}` },
      ];
    });
  });
}

function promises(markdown: string): { line: number; text: string }[] {
  const found: { line: number; text: string }[] = [];
  let open = false;
  for (const [index, line] of markdown.split('\n').entries()) {
    const current = found.at(-1);
    if (line.startsWith('- ')) {
      found.push({ line: index + 1, text: line });
      open = true;
    } else if (line.trim() === '' || line.startsWith('#')) {
      open = false;
    } else if (open && current !== undefined) {
      current.text += ` ${line.trim()}`;
    }
  }
  return found;
}

function testStatuses(report: TestReport, root: string): Map<string, string> {
  return new Map(
    report.testResults.flatMap((file) =>
      file.assertionResults.map((test): [string, string] => [
        [relative(root, file.name), ...test.ancestorTitles, test.title].join(' › ').replace(/\s+/g, ' '),
        test.status,
      ]),
    ),
  );
}
