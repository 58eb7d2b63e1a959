import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { runChecked } from '../base/index.ts';
import { findOciRuntimes, requireRuntime } from './oci-runtimes.ts';

const runtimes = await findOciRuntimes();
const installed = [...runtimes.available.keys(), 'vm'].sort().join(', ');
const hasMixedCgroups = existsSync('/sys/fs/cgroup/unified/cgroup.controllers');

describe('findOciRuntimes', () => {
  test('takes a runtime by its configured name and path, with its arguments', async () => {
    const found = await findOciRuntimes({ mine: { path: process.execPath, args: ['--debug'] } });
    expect(found.available.get('mine')).toMatchObject({ path: process.execPath, args: ['--debug'] });
  });

  test('leaves out what does not answer, and says so', async () => {
    const found = await findOciRuntimes({
      broken: { path: '/bin/false' },
      missing: { path: 'no-such-runtime' },
    });
    expect(found.available.has('broken') || found.available.has('missing')).toBe(false);
    expect(found.warnings.filter((warning) => /broken|missing/.test(warning))).toHaveLength(2);
  });

  test.skipIf(process.getuid?.() !== 0 || !hasMixedCgroups || !runtimes.available.has('crun'))(
    'prefers runc where crun refuses the mix of cgroup versions (needs root, mixed cgroups and crun)',
    async () => {
      const folder = await mkdtemp(join(tmpdir(), 'berth-runtimes-'));
      try {
        await writeFile(join(folder, 'controllers'), 'hugetlb\n');
        const script = `import { findOciRuntimes } from ${JSON.stringify(join(import.meta.dirname, 'oci-runtimes.ts'))};
          const { available, preferred, warnings } = await findOciRuntimes();
          console.log(JSON.stringify({ crun: available.has('crun'), preferred: preferred?.name, warnings }));`;
        const command = 'mount --bind "$0" /sys/fs/cgroup/unified/cgroup.controllers && exec "$@"';
        const { stdout } = await runChecked('unshare', [
          '--mount',
          'sh',
          '-c',
          command,
          join(folder, 'controllers'),
          process.execPath,
          '--input-type=module',
          '--eval',
          script,
        ]);
        const found: unknown = JSON.parse(stdout.toString());
        expect(found).toMatchObject({
          crun: false,
          warnings: [expect.stringContaining('controllers hugetlb')],
        });
        if (runtimes.available.has('runc')) expect(found).toMatchObject({ preferred: 'runc' });
      } finally {
        await rm(folder, { recursive: true });
      }
    },
  );
});

describe('requireRuntime', () => {
  test('an unknown runtime is refused in Docker’s words, with those that are there', () => {
    expect(() => requireRuntime(runtimes, 'fast')).toThrow('unknown or invalid runtime name: fast');
    try {
      requireRuntime(runtimes, 'fast');
    } catch (error) {
      expect(error).toMatchObject({ hint: `This host has ${installed}` });
    }
  });

  test('without a name the preferred one is taken', () => {
    const none = { ...runtimes, preferred: undefined };
    expect(() => requireRuntime(none, undefined)).toThrow('no OCI runtime is installed');
    if (runtimes.preferred !== undefined) expect(requireRuntime(runtimes, '')).toBe(runtimes.preferred);
  });
});
