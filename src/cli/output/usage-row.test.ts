import { expect, test } from 'vitest';
import type { ContainerStats } from '../../client/index.ts';
import { usageRow } from './usage-row.ts';

const MIB = 1024 * 1024;

const running: ContainerStats = {
  name: '/web',
  id: '0123456789abcdef0123',
  read: '2026-11-25T19:00:01Z',
  cpu_stats: { cpu_usage: { total_usage: 2_500_000_000 }, system_cpu_usage: 14e9, online_cpus: 4 },
  precpu_stats: { cpu_usage: { total_usage: 1_000_000_000 }, system_cpu_usage: 10e9, online_cpus: 4 },
  memory_stats: { usage: 150 * MIB, limit: 200 * MIB, stats: { inactive_file: 50 * MIB } },
  pids_stats: { current: 7 },
  blkio_stats: {
    io_service_bytes_recursive: [
      { major: 8, minor: 0, op: 'Read', value: 1_500_000 },
      { major: 8, minor: 16, op: 'read', value: 500_000 },
      { major: 8, minor: 0, op: 'Write', value: 4096 },
      { major: 8, minor: 0, op: 'Sync', value: 9999 },
    ],
  },
  networks: { eth0: { rx_bytes: 1000, tx_bytes: 10 }, eth1: { rx_bytes: 210, tx_bytes: 5 } },
};

test('shows the CPU time since the reading before, and memory without the cache that can be dropped', () => {
  expect(usageRow('web', running, true)).toEqual({
    Container: 'web',
    ID: '0123456789ab',
    Name: 'web',
    CPUPerc: '150.00%',
    MemUsage: '100MiB / 200MiB',
    MemPerc: '50.00%',
    NetIO: '1.21kB / 15B',
    BlockIO: '2MB / 4.1kB',
    PIDs: '7',
  });
});

test("takes version 1's name of that cache before version 2's, which means another thing there", () => {
  const stats = { total_inactive_file: 140 * MIB, inactive_file: 1 };
  const row = usageRow('web', { ...running, memory_stats: { ...running.memory_stats, stats } }, false);
  expect(row).toMatchObject({ ID: '0123456789abcdef0123', MemUsage: '10MiB / 200MiB' });
});

test('has dashes for a container that does not run, and for one that is not read yet', () => {
  const idle = { ...running, cpu_stats: { cpu_usage: { total_usage: 0 } } };
  expect(usageRow('web', idle, true)).toMatchObject({ Name: 'web', CPUPerc: '--', MemUsage: '-- / --' });
  expect(usageRow('web', undefined, true)).toMatchObject({ ID: '--', Name: '--', PIDs: '--' });
});
