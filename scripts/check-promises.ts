// check-promises.ts PROMISES [--only|--except FOLDER...] -- RUN...: fails unless each promise names a test that ran and passed,
// by the reports RUN.json; only promises of tests in the folders count, or all but those.
import { readFileSync } from 'node:fs';
import { brokenPromises } from './promises.ts';
import { readReport } from './test-report.ts';

const [promisesFile = '', ...words] = process.argv.slice(2);
const end = words.indexOf('--');
const [choice, ...folders] = words.slice(0, end);
const isMeant = (test: string) =>
  choice === undefined || folders.some((folder) => test.startsWith(folder)) === (choice === '--only');
const reports = words.slice(end + 1).map((run) => readReport(`${run}.json`));
const testResults = reports.flatMap((report) => report?.testResults ?? []);
if (reports.includes(undefined)) {
  console.error('a test run wrote no report');
  process.exitCode = 1;
}
const broken = brokenPromises(readFileSync(promisesFile, 'utf8'), { testResults }, process.cwd(), isMeant);
for (const one of broken) console.error(`${promisesFile}:${one.line}: ${one.reason}`);
if (broken.length > 0) process.exitCode = 1;
