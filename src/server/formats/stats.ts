import { rawJson } from '../../base/index.ts';
import type { Reading, Usage } from '../../engine/index.ts';
import type { DeviceIo } from '../../runtime/index.ts';

/** The answer of GET /containers/{id}/stats (Engine API, ContainerStatsResponse). `before` is left out of a one-shot reading. */
export function containerStats({ record, usage, before }: Reading) {
  return {
    name: `/${record.name}`,
    id: record.id,
    os_type: 'linux',
    read: usage?.readAt.toISOString() ?? NEVER,
    preread: before?.readAt.toISOString() ?? NEVER,
    pids_stats: pidsStats(usage),
    blkio_stats: blkioStats(usage),
    num_procs: 0,
    storage_stats: {},
    cpu_stats: cpuStats(usage),
    precpu_stats: cpuStats(before),
    memory_stats: memoryStats(usage),
    ...networkStats(usage),
    ...guestMemory(usage),
  };
}

/** An extension, of machines whose systems say what they use; null: that they do not say. */
function guestMemory(usage: Usage | undefined) {
  if (usage?.guestMemory === undefined) return {};
  const { total, free, available = null, caches = null } = usage.guestMemory;
  return { Berth: { GuestMemory: { Total: total, Free: free, Available: available, Caches: caches } } };
}

const NEVER = '0001-01-01T00:00:00Z';

function cpuStats(usage: Usage | undefined) {
  const { cpu } = usage ?? {};
  return {
    cpu_usage: {
      total_usage: cpu?.total ?? 0,
      ...(cpu?.perCpu === undefined ? {} : { percpu_usage: cpu.perCpu }),
      usage_in_kernelmode: cpu?.system ?? 0,
      usage_in_usermode: cpu?.user ?? 0,
    },
    ...(usage === undefined ? {} : { system_cpu_usage: usage.hostCpu, online_cpus: usage.onlineCpus }),
    throttling_data: {
      periods: cpu?.throttling.periods ?? 0,
      throttled_periods: cpu?.throttling.throttled ?? 0,
      throttled_time: cpu?.throttling.time ?? 0,
    },
  };
}

/** The host's memory is the limit of a container that has none, as in Docker. */
function memoryStats(usage: Usage | undefined) {
  if (usage?.memory === undefined) return {};
  const { memory, hostMemory } = usage;
  const details = Object.entries(memory.details).map(([name, value]) => [name, rawJson(String(value))]);
  return {
    usage: memory.usage,
    ...(memory.maxUsage === undefined ? {} : { max_usage: memory.maxUsage }),
    stats: Object.fromEntries(details),
    ...(memory.failures === 0 ? {} : { failcnt: memory.failures }),
    limit: Math.min(memory.limit, hostMemory),
  };
}

/** On the unified hierarchy the largest of Go's uint64 stands for no limit; on version 1 Docker leaves it out. */
const NO_LIMIT = rawJson('18446744073709551615');

function pidsStats(usage: Usage | undefined) {
  if (usage?.pids === undefined) return {};
  const { current, limit } = usage.pids;
  if (Number.isFinite(limit)) return { current, limit };
  return usage.version === 2 ? { current, limit: NO_LIMIT } : { current };
}

/** The lists that neither version's kernel fills any more are empty on version 1 and missing on version 2, as in Docker. */
function blkioStats(usage: Usage | undefined) {
  const { bytes, operations } = usage?.io ?? {};
  const unused = usage?.version === 1 ? [] : null;
  return {
    io_service_bytes_recursive: deviceList(bytes),
    io_serviced_recursive: deviceList(operations),
    io_queue_recursive: unused,
    io_service_time_recursive: unused,
    io_wait_time_recursive: unused,
    io_merged_recursive: unused,
    io_time_recursive: unused,
    sectors_recursive: unused,
  };
}

function deviceList(list: readonly DeviceIo[] | undefined) {
  if (list === undefined) return null;
  return list.map(({ major, minor, operation, value }) => ({ major, minor, op: operation, value }));
}

function networkStats(usage: Usage | undefined) {
  if (usage === undefined || usage.interfaces.length === 0) return {};
  const networks = usage.interfaces.map(({ name, received, sent }) => [
    name,
    {
      rx_bytes: received.bytes,
      rx_packets: received.packets,
      rx_errors: received.errors,
      rx_dropped: received.dropped,
      tx_bytes: sent.bytes,
      tx_packets: sent.packets,
      tx_errors: sent.errors,
      tx_dropped: sent.dropped,
    },
  ]);
  return { networks: Object.fromEntries(networks) };
}
