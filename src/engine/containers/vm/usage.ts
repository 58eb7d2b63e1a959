import type { ControlGroupUsage, DeviceIo } from '../../../runtime/index.ts';

/** A tick of the kernel's accounts (USER_HZ, 100 on every architecture that berth runs on). */
const NANOSECONDS_PER_TICK = 1e7;

const KIB = 1024;

/** Of a sector in /proc/diskstats, whatever the disk's own is. */
const SECTOR = 512;

/**
 * What a guest uses, from its kernel's accounts by their paths. What the guest's caches hold counts as memory that is in
 * use, as in a container.
 */
export function guestUsage(accounts: ReadonlyMap<string, string>, processes: number): ControlGroupUsage {
  const stat = accounts.get('/proc/stat') ?? '';
  // user, nice, system, idle, iowait, irq, softirq
  const ticks = /^cpu +(.*)$/m.exec(stat)?.[1]?.split(' ').map(Number) ?? [];
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = ticks;
  const inUser = (user + nice) * NANOSECONDS_PER_TICK;
  const inKernel = (system + irq + softirq) * NANOSECONDS_PER_TICK;
  return {
    version: 2,
    cpu: {
      total: inUser + inKernel,
      user: inUser,
      system: inKernel,
      perCpu: undefined,
      throttling: { periods: 0, throttled: 0, time: 0 },
    },
    memory: memoryOf(accounts.get('/proc/meminfo') ?? '', accounts.get('/proc/vmstat') ?? ''),
    pids: { current: processes, limit: Number.POSITIVE_INFINITY },
    io: ioOf(accounts.get('/proc/diskstats') ?? ''),
  };
}

function memoryOf(meminfo: string, vmstat: string): ControlGroupUsage['memory'] {
  const bytes = (name: string) =>
    Number(new RegExp(`^${name.replace(/[()]/g, '\\$&')}: +(\\d+)`, 'm').exec(meminfo)?.[1] ?? 0) * KIB;
  const limit = bytes('MemTotal');
  return {
    usage: limit - bytes('MemFree'),
    maxUsage: undefined,
    limit,
    failures: Number(/^oom_kill (\d+)$/m.exec(vmstat)?.[1] ?? 0),
    details: {
      active_file: BigInt(bytes('Active(file)')),
      anon: BigInt(bytes('AnonPages')),
      file: BigInt(bytes('Cached')),
      inactive_file: BigInt(bytes('Inactive(file)')),
      shmem: BigInt(bytes('Shmem')),
      slab: BigInt(bytes('Slab')),
    },
  };
}

/** Of whole disks: the partitions' is in it. */
function ioOf(diskstats: string): ControlGroupUsage['io'] {
  const bytes: DeviceIo[] = [];
  const operations: DeviceIo[] = [];
  for (const line of diskstats.split('\n')) {
    const [major, minor, name = '', reads, , sectorsRead, , writes, , sectorsWritten] = line
      .trim()
      .split(/\s+/);
    if (!/^(sd[a-z]+|vd[a-z]+)$/.test(name)) continue;
    const device = { major: Number(major), minor: Number(minor) };
    bytes.push({ ...device, operation: 'read', value: Number(sectorsRead) * SECTOR });
    bytes.push({ ...device, operation: 'write', value: Number(sectorsWritten) * SECTOR });
    operations.push({ ...device, operation: 'read', value: Number(reads) });
    operations.push({ ...device, operation: 'write', value: Number(writes) });
  }
  return { bytes, operations };
}
