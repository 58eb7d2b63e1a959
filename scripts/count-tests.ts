// count-tests.ts REPORT EXIT-CODE: prints how many tests passed and failed, "P F". A file that could not be loaded, or an
// exit code that no failed test explains, counts as one failure.
import { failures, readReport } from './test-report.ts';

const [file = '', exitCode = '0'] = process.argv.slice(2);
const report = readReport(file);
const passed = report?.testResults
  .flatMap((one) => one.assertionResults)
  .filter((test) => test.status === 'passed');
const failed = report === undefined ? 1 : failures(report);
console.log(passed?.length ?? 0, failed === 0 && exitCode !== '0' ? 1 : failed);
