import { existsSync, readFileSync } from 'node:fs';

/** What this project reads of vitest's JSON report. */
export interface TestReport {
  readonly testResults: readonly {
    /** Absolute path of the test file. */
    readonly name: string;
    readonly status: string;
    /** Why the file could not be loaded; else empty. */
    readonly message: string;
    readonly assertionResults: readonly {
      readonly ancestorTitles: readonly string[];
      readonly title: string;
      /** passed, failed, skipped, pending, todo */
      readonly status: string;
      readonly failureMessages: readonly string[];
    }[];
  }[];
}

/** The report, or undefined when the run ended before it wrote one. */
export function readReport(file: string): TestReport | undefined {
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined;
}

/** Failed tests, and files that failed without one (they could not be loaded). */
export function failures(report: TestReport): number {
  return report.testResults
    .map((one) => {
      const failed = one.assertionResults.filter((test) => test.status === 'failed').length;
      return failed === 0 && one.status === 'failed' ? 1 : failed;
    })
    .reduce((sum, count) => sum + count, 0);
}
