import { describe, expect, test } from 'vitest';
import { ociResources, type ResourceInput } from './resources.ts';

const everything = {
  version: 1,
  memory: true,
  swap: true,
  cpu: true,
  cpuset: true,
  pids: true,
  blkioWeight: true,
  oomKillDisable: true,
  cpuCount: 4,
  cpus: '0-3',
  mems: '0',
} as const;
const limits = (input: ResourceInput) => ociResources(input, [], everything).resources;

describe('limits in the OCI form', () => {
  test('no limit is no entry', () => {
    expect(limits({})).toEqual({ devices: [] });
    expect(limits({ memory: 0, nanoCpus: 0, cpuShares: 0, cpusetCpus: '' })).toEqual({ devices: [] });
  });

  test('swap is as much as memory unless said otherwise', () => {
    expect(limits({ memory: 100_000_000 }).memory).toEqual({ limit: 100_000_000, swap: 200_000_000 });
    expect(limits({ memory: 100_000_000, memorySwap: -1 }).memory).toEqual({ limit: 100_000_000, swap: -1 });
    expect(limits({ memory: 100_000_000, memorySwap: 100_000_000 }).memory?.swap).toBe(100_000_000);
  });

  test('CPUs become a quota of 100 ms', () => {
    expect(limits({ nanoCpus: 1_500_000_000 }).cpu).toEqual({ quota: 150_000, period: 100_000 });
    expect(limits({ cpuQuota: -1, cpuShares: 2 }).cpu).toEqual({ shares: 2, quota: -1 });
  });

  test('0 and -1 processes are unlimited', () => {
    expect(limits({ pidsLimit: 0 }).pids).toBeUndefined();
    expect(limits({ pidsLimit: -1 }).pids).toBeUndefined();
    expect(limits({ pidsLimit: 7 }).pids).toEqual({ limit: 7 });
  });
});

describe('what cannot be', () => {
  test.each([
    [{ memory: 1024 }, 'Minimum memory limit allowed is 6MB'],
    [{ memory: 1e9, memorySwap: 1e8 }, 'Minimum memoryswap limit should be larger than memory limit'],
    [{ memorySwap: 1e9 }, 'You should always set the Memory limit when using Memoryswap limit'],
    [{ memory: 1e8, memoryReservation: 1e9 }, 'Minimum memory limit can not be less than memory reservation'],
    [{ nanoCpus: 1e9, cpuQuota: 5000 }, 'Conflicting options: Nano CPUs and CPU Quota'],
    [{ cpuPeriod: 10 }, 'CPU cfs period can not be less than 1ms'],
    [{ blkioWeight: 5 }, 'Range of blkio weight is from 10 to 1000'],
    [{ nanoCpus: 5e9 }, 'range of CPUs is from 0.01 to 4.00, as there are only 4 CPUs available'],
    [{ cpusetCpus: '0,two' }, 'Invalid value 0,two for cpuset cpus: invalid format: two'],
    [{ cpusetCpus: '3-1' }, 'Invalid value 3-1 for cpuset cpus'],
    [{ cpusetCpus: '2-4' }, 'Requested CPUs are not available - requested 2-4, available: 0-3'],
    [{ cpusetMems: '1' }, 'Requested memory nodes are not available - requested 1, available: 0'],
    [{ memorySwappiness: 101 }, 'valid memory swappiness range is 0-100'],
  ])('%j is refused', (input, message) => {
    expect(() => limits(input)).toThrow(message);
  });

  test('is left out with a warning where only the host lacks it', () => {
    const host = { ...everything, swap: false, pids: false, oomKillDisable: false };
    const { resources, warnings } = ociResources(
      { memory: 1e8, pidsLimit: 3, oomKillDisable: true },
      [],
      host,
    );
    expect(resources).toEqual({ devices: [], memory: { limit: 1e8 } });
    expect(warnings).toHaveLength(3);
  });
});
