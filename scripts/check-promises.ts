// check-promises.ts PROMISES REPORT [--only FOLDER|--except FOLDER]: fails unless each promise names a test that ran and
// passed; only promises of tests in the folder count, or all but those.
import { readFileSync } from 'node:fs';
import { brokenPromises } from './promises.ts';
import { readReport } from './test-report.ts';

const [promisesFile = '', reportFile = '', choice, folder = ''] = process.argv.slice(2);
const isMeant = (test: string) => choice === undefined || test.startsWith(folder) === (choice === '--only');
const report = readReport(reportFile);
if (report === undefined) {
  console.error('the test run wrote no report');
  process.exitCode = 1;
} else {
  const broken = brokenPromises(readFileSync(promisesFile, 'utf8'), report, process.cwd(), isMeant);
  for (const one of broken) console.error(`${promisesFile}:${one.line}: ${one.reason}`);
  process.exitCode = broken.length === 0 ? 0 : 1;
}
