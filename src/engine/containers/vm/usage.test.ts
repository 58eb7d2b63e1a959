import { describe, expect, it } from 'vitest';
import { guestUsage } from './usage.ts';

const accounts = new Map([
  ['/proc/stat', 'cpu  10 5 20 1000 3 2 1 0 0 0\ncpu0 10 5 20 1000 3 2 1 0 0 0\nbtime 1\n'],
  ['/proc/meminfo', 'MemTotal: 1000 kB\nMemFree: 400 kB\nInactive(file): 50 kB\nAnonPages: 70 kB\n'],
  ['/proc/vmstat', 'pgfault 3\noom_kill 2\n'],
  [
    '/proc/diskstats',
    '   8  0 sda 10 0 80 0 5 0 40 0 0 0 0\n   8  1 sda1 9 0 70 0 4 0 30 0 0 0 0\n   7 0 loop0 1 0 1 0 1 0 1\n',
  ],
]);

describe("a guest's figures", () => {
  const usage = guestUsage(accounts, 4);

  it('count its processors’ time without what they waited', () => {
    expect(usage.cpu).toMatchObject({ total: 38e7, user: 15e7, system: 23e7 });
  });

  it('are of its own memory, and how often its kernel killed for want of it', () => {
    expect(usage.memory).toMatchObject({ usage: 600 * 1024, limit: 1000 * 1024, failures: 2 });
    expect(usage.memory?.details).toMatchObject({ inactive_file: 51_200n, anon: 71_680n });
  });

  it('count whole disks once', () => {
    expect(usage.io.bytes).toEqual([
      { major: 8, minor: 0, operation: 'read', value: 80 * 512 },
      { major: 8, minor: 0, operation: 'write', value: 40 * 512 },
    ]);
    expect(usage.io.operations.map(({ value }) => value)).toEqual([10, 5]);
  });

  it('are nothing where the guest says nothing', () => {
    expect(guestUsage(new Map(), 0)).toMatchObject({ cpu: { total: 0 }, io: { bytes: [] } });
  });
});
