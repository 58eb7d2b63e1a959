import { defineConfig } from 'vitest/config';

/** Tests that change this machine's interfaces and firewall rules: one at a time, as each feels what the others do. */
const networkTests = ['src/network/driver*.test.ts', 'src/network/reach/reach.test.ts'];

/** Tests that start a daemon and real containers: scripts/test gives them a machine of their own. */
const engineFolders = ['engine', 'clients', 'compat'].map((name) => `test/${name}/**/*.test.ts`);

/** Tests that kill the daemon and cut its power, over and over. */
const faultTests = ['test/faults/**/*.test.ts'];

/** Tests that boot virtual machines. */
const vmTests = ['test/vm/**/*.test.ts'];

/** Tests that boot machines: whole computers with systems of their own. */
const machineTests = ['test/machines/**/*.test.ts'];

/** One file at a time: figures, ports and the machine's networks are shared. */
const alone = { fileParallelism: false, testTimeout: 60_000, hookTimeout: 60_000 };

/** A system that boots under emulation takes a minute, and several where the machine is busy. */
const patient = { testTimeout: 300_000, hookTimeout: 300_000 };

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['{src,scripts,bench,test}/**/*.test.ts'],
          exclude: [...networkTests, ...engineFolders, ...faultTests, ...vmTests, ...machineTests],
          maxWorkers: 2,
          // For what hangs; how long a test takes on a busy machine says nothing.
          testTimeout: 30_000,
          hookTimeout: 30_000,
        },
      },
      { test: { name: 'network', include: networkTests, ...alone, sequence: { groupOrder: 1 } } },
      { test: { name: 'engine', include: engineFolders, ...alone, sequence: { groupOrder: 2 } } },
      { test: { name: 'faults', include: faultTests, ...alone, sequence: { groupOrder: 3 } } },
      { test: { name: 'vm', include: vmTests, ...alone, sequence: { groupOrder: 4 } } },
      {
        test: { name: 'machines', include: machineTests, ...alone, ...patient, sequence: { groupOrder: 5 } },
      },
    ],
  },
});
