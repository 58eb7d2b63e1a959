import { formatBinarySize, formatSize, shortId } from '../../base/index.ts';
import type { ContainerStats } from '../../client/index.ts';
import type { Row } from './table.ts';

/** What is shown of a container before its first reading, and while it does not run. */
const NOTHING = '--';

/** A container's row of `stats`; `truncate` shortens its id. */
export function usageRow(container: string, stats: ContainerStats | undefined, truncate: boolean): Row {
  const id = stats === undefined ? '' : truncate ? shortId(stats.id) : stats.id;
  const common = {
    Container: container,
    Name: stats === undefined ? NOTHING : stats.name.replace(/^\//, ''),
    ID: id === '' ? NOTHING : id,
  };
  if (stats?.cpu_stats.system_cpu_usage === undefined) {
    const io = `${NOTHING} / ${NOTHING}`;
    return {
      ...common,
      CPUPerc: NOTHING,
      MemUsage: io,
      MemPerc: NOTHING,
      NetIO: NOTHING,
      BlockIO: NOTHING,
      PIDs: NOTHING,
    };
  }
  const used = memoryUsed(stats);
  const limit = stats.memory_stats.limit ?? 0;
  return {
    ...common,
    CPUPerc: percent(cpuShare(stats)),
    MemUsage: `${formatBinarySize(used)} / ${formatBinarySize(limit)}`,
    MemPerc: percent(limit === 0 ? 0 : used / limit),
    NetIO: networkTraffic(stats),
    BlockIO: blockTraffic(stats),
    PIDs: String(stats.pids_stats.current ?? 0),
  };
}

/** A machine's row: also what its programs could not get any more of its memory, as `free` reckons it. */
export function machineUsageRow(machine: string, stats: ContainerStats | undefined, truncate: boolean): Row {
  const row = usageRow(machine, stats, truncate);
  if (stats?.Berth === undefined) return { ...row, GuestMem: `${NOTHING} / ${NOTHING}` };
  const { Total, Free, Available } = stats.Berth.GuestMemory;
  return {
    ...row,
    GuestMem: `${formatBinarySize(Total - (Available ?? Free))} / ${formatBinarySize(Total)}`,
  };
}

/** CPU time since the reading before, as a part of one CPU's: 2 is two CPUs at full speed (Docker's rule). */
export function cpuShare({ cpu_stats: now, precpu_stats: before }: ContainerStats): number {
  const own = now.cpu_usage.total_usage - before.cpu_usage.total_usage;
  const host = (now.system_cpu_usage ?? 0) - (before.system_cpu_usage ?? 0);
  const cpus = now.online_cpus ?? now.cpu_usage.percpu_usage?.length ?? 0;
  return own > 0 && host > 0 ? (own / host) * cpus : 0;
}

/**
 * Memory without the page cache that the kernel can drop at once: on cgroup v1 `total_inactive_file`, on v2 `inactive_file` is
 * taken off (Docker's rule).
 */
export function memoryUsed({ memory_stats: { usage = 0, stats = {} } }: ContainerStats): number {
  const droppable = stats.total_inactive_file ?? stats.inactive_file ?? 0;
  return droppable < usage ? usage - droppable : usage;
}

function networkTraffic({ networks = {} }: ContainerStats): string {
  const all = Object.values(networks);
  const received = all.reduce((sum, { rx_bytes }) => sum + rx_bytes, 0);
  const sent = all.reduce((sum, { tx_bytes }) => sum + tx_bytes, 0);
  return `${formatSize(received)} / ${formatSize(sent)}`;
}

function blockTraffic({ blkio_stats: { io_service_bytes_recursive: entries } }: ContainerStats): string {
  const sum = (operation: string) =>
    (entries ?? [])
      .filter(({ op }) => op.toLowerCase() === operation)
      .reduce((total, { value }) => total + value, 0);
  return `${formatSize(sum('read'))} / ${formatSize(sum('write'))}`;
}

function percent(part: number): string {
  return `${(part * 100).toFixed(2)}%`;
}
