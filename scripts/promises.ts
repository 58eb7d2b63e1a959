import { relative } from 'node:path';
import type { TestReport } from './test-report.ts';

export interface BrokenPromise {
  /** Of the promise's first line, from 1. */
  readonly line: number;
  readonly reason: string;
}

/**
 * Holds a list of promises against a test run. A promise is a list item (`- …`, with what follows it up to the next item,
 * blank line or heading); it names its tests as `` `file › test name` ``. A list without a promise is broken too. Tests that
 * are not meant (`isMeant` gets a test's name in this form) belong to another run.
 */
export function brokenPromises(
  markdown: string,
  report: TestReport,
  root: string,
  isMeant: (test: string) => boolean = () => true,
): BrokenPromise[] {
  const statuses = testStatuses(report, root);
  const list = promises(markdown);
  if (list.length === 0) return [{ line: 1, reason: 'nothing is promised here' }];
  return list.flatMap(({ line, text }): BrokenPromise[] => {
    const tests = [...text.matchAll(/`([^`]+ › [^`]+)`/g)].map((match) =>
      (match[1] ?? '').replace(/\s+/g, ' '),
    );
    if (tests.length === 0) return [{ line, reason: 'this promise names no test (`file › test name`)' }];
    return tests.filter(isMeant).flatMap((test) => {
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

/** By `file › describe › test` and by `file › test`; where several tests share a name, one that did not pass counts. */
function testStatuses(report: TestReport, root: string): Map<string, string> {
  const statuses = new Map<string, string>();
  for (const file of report.testResults) {
    for (const test of file.assertionResults) {
      for (const path of [[test.title], [...test.ancestorTitles, test.title]]) {
        const name = [relative(root, file.name), ...path].join(' › ').replace(/\s+/g, ' ');
        if (test.status !== 'passed' || !statuses.has(name)) statuses.set(name, test.status);
      }
    }
  }
  return statuses;
}
