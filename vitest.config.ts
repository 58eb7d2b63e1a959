import { defineConfig } from 'vitest/config';

/** Tests that start a daemon and real containers: scripts/test gives them a machine of their own. */
const engineFolders = ['engine', 'clients', 'compat', 'faults'].map((name) => `test/${name}/**/*.test.ts`);

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['{src,scripts,bench,test}/**/*.test.ts'],
          exclude: engineFolders,
          maxWorkers: 2,
          // For what hangs; how long a test takes on a busy machine says nothing.
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
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});
