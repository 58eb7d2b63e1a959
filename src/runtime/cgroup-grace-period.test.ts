import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CgroupGracePeriod } from './cgroup-grace-period.ts';

describe('the grace period before a process moves between control groups', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'berth-grace-'));
    await mkdir(join(folder, `proc/${process.pid}`), { recursive: true });
  });
  afterEach(() => rm(folder, { recursive: true }));

  const begin = async (version: 1 | 2, cgroups: string) => {
    await writeFile(join(folder, `proc/${process.pid}/cgroup`), cgroups);
    const places = { cgroups: join(folder, 'cgroup'), proc: join(folder, 'proc') };
    await new CgroupGracePeriod(version, places).begin();
  };

  test.each([
    { version: 2, cgroups: '0::/system.slice/berth.service\n', group: 'system.slice/berth.service' },
    { version: 1, cgroups: '3:cpu,cpuacct:/a\n2:freezer:/b\n0::/\n', group: 'freezer/b' },
  ] as const)('is begun by a move to where berthd is ($group)', async ({ version, cgroups, group }) => {
    const procs = join(folder, 'cgroup', group, 'cgroup.procs');
    await mkdir(join(procs, '..'), { recursive: true });
    await writeFile(procs, '');
    await begin(version, cgroups);
    expect(await readFile(procs, 'utf8')).toBe(String(process.pid));
  });

  test('is left to the start where berthd does not see its own group', async () => {
    await begin(2, '0::/elsewhere\n');
    await begin(1, '3:cpu:/\n');
  });
});
