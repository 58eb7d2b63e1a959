// list-failures.ts REPORT...: prints each failed test with the first lines of why; the end of a long log tells it all.
import { relative } from 'node:path';
import { readReport } from './test-report.ts';

const LINES = 6;

for (const file of process.argv.slice(2)) {
  const report = readReport(file);
  if (report === undefined)
    console.log(`\n✗ no report: the run that was to write ${file} did not come to its end`);
  for (const { name, status, message, assertionResults } of report?.testResults ?? []) {
    const failed = assertionResults.filter((test) => test.status === 'failed');
    for (const { ancestorTitles, title, failureMessages } of failed) {
      console.log(`\n✗ ${relative('', name)} › ${[...ancestorTitles, title].join(' › ')}`);
      console.log(firstLines(failureMessages.join('\n')));
    }
    if (failed.length === 0 && status === 'failed')
      console.log(`\n✗ ${relative('', name)}\n${firstLines(message)}`);
  }
}

function firstLines(text: string): string {
  const lines = text.split('\n').slice(0, LINES);
  return lines.map((line) => `    ${line}`).join('\n');
}
