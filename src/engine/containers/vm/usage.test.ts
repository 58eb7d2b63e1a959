import { describe, expect, it } from 'vitest';
import { guestMemory, guestUsage } from './usage.ts';

const accounts = new Map([
  ['cpu.stat', 'usage_usec 380\nuser_usec 150\nsystem_usec 230\n'],
  ['memory.current', '614400\n'],
  ['memory.stat', 'anon 71680\ninactive_file 51200\n'],
  ['memory.events', 'oom 2\n'],
  ['pids.current', '4\n'],
  ['pids.max', 'max\n'],
  ['io.stat', '8:0 rbytes=40960 wbytes=20480 rios=10 wios=5\n'],
  ['meminfo', 'MemTotal:        1000 kB\n'],
]);

describe("a guest's figures", () => {
  it('are those of its processes, with the memory of the machine as their limit', async () => {
    expect(await guestUsage(accounts)).toMatchObject({
      cpu: { total: 380_000, user: 150_000, system: 230_000 },
      memory: { usage: 614_400, limit: 1_024_000, failures: 2, details: { inactive_file: 51_200n } },
      pids: { current: 4, limit: Number.POSITIVE_INFINITY },
      io: {
        bytes: [
          { operation: 'read', value: 40_960 },
          { operation: 'write', value: 20_480 },
        ],
      },
    });
    expect(guestMemory(accounts)).toBe(1_024_000);
  });

  it('are none where the guest says nothing', async () => {
    expect(await guestUsage(new Map())).toBeUndefined();
  });
});
