import { defineConfig } from 'vitest/config';

/** Tests that change this machine's interfaces and firewall rules: one at a time, as each feels what the others do. */
const networkTests = ['src/network/driver.test.ts', 'src/network/reach/reach.test.ts'];

/** Tests that start a daemon and real containers: scripts/test gives them a machine of their own. */
const engineFolders = ['engine', 'clients', 'compat', 'faults'].map((name) => `test/${name}/**/*.test.ts`);

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['{src,scripts,bench,test}/**/*.test.ts'],
          exclude: [...networkTests, ...engineFolders],
          maxWorkers: 2,
          // For what hangs; how long a test takes on a busy machine says nothing.
          testTimeout: 30_000,
          hookTimeout: 30_000,
        },
      },
      {
        test: {
          name: 'network',
          include: networkTests,
          fileParallelism: false,
          sequence: { groupOrder: 1 },
          testTimeout: 30_000,
          hookTimeout: 30_000,
        },
      },
      {
        test: {
          name: 'engine',
          include: engineFolders,
          // One file at a time: figures, ports and the machine's networks are shared.
          fileParallelism: false,
          sequence: { groupOrder: 2 },
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});
