import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { findControlGroup } from './control-group.ts';
import { readUsage } from './control-group-usage.ts';

const ID = 'c0ffee';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'berth-cgroup-'));
});

afterEach(() => rm(folder, { recursive: true }));

/** A machine's /proc and /sys/fs/cgroup of just these files. */
async function machine(files: Readonly<Record<string, string>>) {
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), text);
  }
  return { cgroups: join(folder, 'cgroup'), proc: join(folder, 'proc') };
}

describe('on the unified hierarchy', () => {
  const group = `cgroup/berth-1/${ID}`;

  test('reads what the kernel accounts, in nanoseconds and bytes', async () => {
    const places = await machine({
      'proc/42/cgroup': `0::/berth-1/${ID}\n`,
      [`${group}/cpu.stat`]:
        'usage_usec 7000\nuser_usec 5000\nsystem_usec 2000\nnr_periods 9\nnr_throttled 4\nthrottled_usec 300\n',
      [`${group}/memory.current`]: '8192\n',
      [`${group}/memory.max`]: '16384\n',
      [`${group}/memory.events`]: 'low 0\nhigh 0\nmax 5\noom 2\noom_kill 1\n',
      [`${group}/memory.stat`]: 'anon 4096\ninactive_file 1024\n',
      [`${group}/pids.current`]: '3\n',
      [`${group}/pids.max`]: 'max\n',
      [`${group}/io.stat`]:
        '8:0 rbytes=100 wbytes=200 rios=1 wios=2 dbytes=0 dios=0\n252:1 rbytes=7 wbytes=0 rios=1 wios=0 dbytes=0 dios=0\n',
    });
    const usage = await readUsage(await findControlGroup({ pid: 42, id: ID }, 2, places));
    expect(usage).toEqual({
      version: 2,
      cpu: {
        total: 7_000_000,
        user: 5_000_000,
        system: 2_000_000,
        perCpu: undefined,
        throttling: { periods: 9, throttled: 4, time: 300_000 },
      },
      memory: {
        usage: 8192,
        maxUsage: undefined,
        limit: 16384,
        failures: 2,
        details: { anon: 4096n, inactive_file: 1024n },
      },
      pids: { current: 3, limit: Number.POSITIVE_INFINITY },
      io: {
        bytes: [
          { major: 8, minor: 0, operation: 'read', value: 100 },
          { major: 252, minor: 1, operation: 'read', value: 7 },
          { major: 8, minor: 0, operation: 'write', value: 200 },
          { major: 252, minor: 1, operation: 'write', value: 0 },
        ],
        operations: [
          { major: 8, minor: 0, operation: 'read', value: 1 },
          { major: 252, minor: 1, operation: 'read', value: 1 },
          { major: 8, minor: 0, operation: 'write', value: 2 },
          { major: 252, minor: 1, operation: 'write', value: 0 },
        ],
      },
    });
  });

  test('finds the whole container when its first process moved itself deeper', async () => {
    const places = await machine({ 'proc/42/cgroup': `0::/berth-1/${ID}/init.scope\n` });
    expect(await findControlGroup({ pid: 42, id: ID }, 2, places)).toEqual({
      version: 2,
      folder: join(places.cgroups, 'berth-1', ID),
    });
  });

  test('leaves out controllers that are not enabled', async () => {
    const places = await machine({
      'proc/42/cgroup': `0::/berth-1/${ID}\n`,
      [`${group}/cpu.stat`]: 'usage_usec 1\nuser_usec 1\nsystem_usec 0\n',
    });
    const usage = await readUsage(await findControlGroup({ pid: 42, id: ID }, 2, places));
    expect(usage).toMatchObject({
      memory: undefined,
      pids: undefined,
      io: { bytes: [], operations: [] },
    });
  });

  test('is undefined when the group is gone, and refuses a process that has ended', async () => {
    const places = await machine({ 'proc/42/cgroup': `0::/berth-1/${ID}\n` });
    expect(await readUsage(await findControlGroup({ pid: 42, id: ID }, 2, places))).toBeUndefined();
    await expect(findControlGroup({ pid: 43, id: ID }, 2, places)).rejects.toThrow('process 43 has ended');
  });
});

describe('on version 1', () => {
  test('reads each controller in its own hierarchy, the empty unified one left out', async () => {
    const path = `berth-1/${ID}`;
    const places = await machine({
      'proc/42/cgroup': `4:memory:/${path}\n3:cpu,cpuacct:/${path}\n2:pids:/${path}\n1:blkio:/${path}\n0::/\n`,
      [`cgroup/cpu,cpuacct/${path}/cpuacct.usage`]: '7000\n',
      [`cgroup/cpu,cpuacct/${path}/cpuacct.usage_user`]: '5000\n',
      [`cgroup/cpu,cpuacct/${path}/cpuacct.usage_sys`]: '2000\n',
      [`cgroup/cpu,cpuacct/${path}/cpuacct.usage_percpu`]: '4000 3000 \n',
      [`cgroup/cpu,cpuacct/${path}/cpu.stat`]: 'nr_periods 9\nnr_throttled 4\nthrottled_time 300\n',
      [`cgroup/memory/${path}/memory.usage_in_bytes`]: '8192\n',
      [`cgroup/memory/${path}/memory.max_usage_in_bytes`]: '9999\n',
      [`cgroup/memory/${path}/memory.limit_in_bytes`]: '9223372036854771712\n',
      [`cgroup/memory/${path}/memory.failcnt`]: '1\n',
      [`cgroup/memory/${path}/memory.stat`]: 'cache 4096\nhierarchical_memory_limit 9223372036854771712\n',
      [`cgroup/pids/${path}/pids.current`]: '3\n',
      [`cgroup/pids/${path}/pids.max`]: '10\n',
      [`cgroup/blkio/${path}/blkio.throttle.io_service_bytes_recursive`]: '8:0 Read 100\nTotal 100\n',
      [`cgroup/blkio/${path}/blkio.bfq.io_service_bytes_recursive`]: 'Total 0\n',
    });
    const usage = await readUsage(await findControlGroup({ pid: 42, id: ID }, 1, places));
    expect(usage).toEqual({
      version: 1,
      cpu: {
        total: 7000,
        user: 5000,
        system: 2000,
        perCpu: [4000, 3000],
        throttling: { periods: 9, throttled: 4, time: 300 },
      },
      memory: {
        usage: 8192,
        maxUsage: 9999,
        limit: Number(9223372036854771712n),
        failures: 1,
        details: { cache: 4096n, hierarchical_memory_limit: 9223372036854771712n },
      },
      pids: { current: 3, limit: 10 },
      io: { bytes: [{ major: 8, minor: 0, operation: 'Read', value: 100 }], operations: [] },
    });
  });
});
