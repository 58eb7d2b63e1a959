/** Shell lines that print a limit from the container's own view of its control group, in both versions. */
export const LIMIT_FILES = {
  memory: both('memory/memory.limit_in_bytes', 'memory.max'),
  swap: both('memory/memory.memsw.limit_in_bytes', 'memory.swap.max'),
  reservation: both('memory/memory.soft_limit_in_bytes', 'memory.low'),
  swappiness: both('memory/memory.swappiness', 'memory.swappiness'),
  quota: both('cpu/cpu.cfs_quota_us', 'cpu.max'),
  period: both('cpu/cpu.cfs_period_us', 'cpu.max'),
  shares: both('cpu/cpu.shares', 'cpu.weight'),
  cpus: both('cpuset/cpuset.cpus', 'cpuset.cpus'),
  mems: both('cpuset/cpuset.mems', 'cpuset.mems'),
  pids: both('pids/pids.max', 'pids.max'),
  readRate: both('blkio/blkio.throttle.read_bps_device', 'io.max'),
  writeOperations: both('blkio/blkio.throttle.write_iops_device', 'io.max'),
} as const;

function both(first: string, second: string): string {
  return `cat /sys/fs/cgroup/${first} /sys/fs/cgroup/${second} 2>/dev/null`;
}
