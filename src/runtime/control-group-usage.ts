import { readFile } from 'node:fs/promises';
import { systemErrorCode } from '../base/index.ts';
import { type ControlGroup, controllerFolder } from './control-group.ts';

/** What a control group has used so far and may use. Times are nanoseconds, sizes bytes. */
export interface ControlGroupUsage {
  readonly version: 1 | 2;
  readonly cpu: CpuUsage;
  /** Undefined where the host has no memory controller. */
  readonly memory: MemoryUsage | undefined;
  readonly pids: PidsUsage | undefined;
  readonly io: IoUsage;
}

export interface CpuUsage {
  readonly total: number;
  readonly user: number;
  readonly system: number;
  /** Of each CPU; version 1 only. */
  readonly perCpu: readonly number[] | undefined;
  /** Periods with a quota, those in which it was used up, and the time spent waiting. */
  readonly throttling: { readonly periods: number; readonly throttled: number; readonly time: number };
}

export interface MemoryUsage {
  readonly usage: number;
  /** The peak; version 1 only. */
  readonly maxUsage: number | undefined;
  /** Infinity: not limited. */
  readonly limit: number;
  /** How often the limit was met (version 1) or the OOM killer called (version 2). */
  readonly failures: number;
  /** The kernel's memory.stat. Some values are above what numbers hold. */
  readonly details: Readonly<Record<string, bigint>>;
}

export interface PidsUsage {
  readonly current: number;
  /** Infinity: not limited. */
  readonly limit: number;
}

/** Block I/O by device. */
export interface IoUsage {
  readonly bytes: readonly DeviceIo[];
  readonly operations: readonly DeviceIo[];
}

export interface DeviceIo {
  readonly major: number;
  readonly minor: number;
  /** "read", "write", …: version 1 has them with a capital. */
  readonly operation: string;
  readonly value: number;
}

/** Reads the accounts of a control group; undefined when the group is gone. */
export function readUsage(group: ControlGroup): Promise<ControlGroupUsage | undefined> {
  return usageOf(group.version, (name) => readGroupFile(group, name));
}

/**
 * What the accounts of a control group say that somebody else reads: `read` tells a file by its name, like "cpu.stat", or
 * undefined where there is none. Undefined without those of the processors.
 */
export async function usageOf(
  version: 1 | 2,
  read: (name: string) => Promise<string | undefined>,
): Promise<ControlGroupUsage | undefined> {
  const files = new Files(read);
  const cpu = version === 2 ? await unifiedCpu(files) : await dividedCpu(files);
  if (cpu === undefined) return undefined;
  const [memory, pids, io] = await Promise.all([
    version === 2 ? unifiedMemory(files) : dividedMemory(files),
    readPids(files),
    version === 2 ? unifiedIo(files) : dividedIo(files),
  ]);
  return { version, cpu, memory, pids, io };
}

/** Undefined when there is no such file, or the group is gone. The first part of a name is the controller's. */
async function readGroupFile(group: ControlGroup, name: string): Promise<string | undefined> {
  const folder = controllerFolder(group, name.split('.', 1)[0] ?? name);
  if (folder === undefined) return undefined;
  try {
    return await readFile(`${folder}/${name}`, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ENODEV', 'EOPNOTSUPP'].includes(systemErrorCode(error) ?? '')) return undefined;
    throw error;
  }
}

/** The files of a group by their names. */
class Files {
  readonly text: (name: string) => Promise<string | undefined>;

  constructor(read: (name: string) => Promise<string | undefined>) {
    this.text = read;
  }

  async number(name: string): Promise<number | undefined> {
    const text = await this.text(name);
    return text === undefined ? undefined : limitNumber(text);
  }

  /** A file of lines `key value`. */
  async table(name: string): Promise<Readonly<Record<string, bigint>> | undefined> {
    const text = await this.text(name);
    if (text === undefined) return undefined;
    return Object.fromEntries(
      [...text.matchAll(/^(\S+) (\d+)$/gm)].map(([, key = '', value = '0']) => [key, BigInt(value)]),
    );
  }
}

async function unifiedCpu(files: Files): Promise<CpuUsage | undefined> {
  const stat = await files.table('cpu.stat');
  if (stat === undefined) return undefined;
  const microseconds = (name: string) => Number(stat[name] ?? 0n) * 1000;
  return {
    total: microseconds('usage_usec'),
    user: microseconds('user_usec'),
    system: microseconds('system_usec'),
    perCpu: undefined,
    throttling: {
      periods: Number(stat.nr_periods ?? 0n),
      throttled: Number(stat.nr_throttled ?? 0n),
      time: microseconds('throttled_usec'),
    },
  };
}

async function dividedCpu(files: Files): Promise<CpuUsage | undefined> {
  const [total, user, system, perCpu, stat] = await Promise.all([
    files.number('cpuacct.usage'),
    files.number('cpuacct.usage_user'),
    files.number('cpuacct.usage_sys'),
    files.text('cpuacct.usage_percpu'),
    files.table('cpu.stat'),
  ]);
  if (total === undefined) return undefined;
  return {
    total,
    user: user ?? 0,
    system: system ?? 0,
    perCpu: perCpu?.trim().split(/\s+/).map(Number),
    throttling: {
      periods: Number(stat?.nr_periods ?? 0n),
      throttled: Number(stat?.nr_throttled ?? 0n),
      time: Number(stat?.throttled_time ?? 0n),
    },
  };
}

async function unifiedMemory(files: Files): Promise<MemoryUsage | undefined> {
  const [usage, limit, events, details] = await Promise.all([
    files.number('memory.current'),
    files.number('memory.max'),
    files.table('memory.events'),
    files.table('memory.stat'),
  ]);
  if (usage === undefined) return undefined;
  return {
    usage,
    maxUsage: undefined,
    limit: limit ?? Number.POSITIVE_INFINITY,
    failures: Number(events?.oom ?? 0n),
    details: details ?? {},
  };
}

async function dividedMemory(files: Files): Promise<MemoryUsage | undefined> {
  const [usage, maxUsage, limit, failures, details] = await Promise.all([
    files.number('memory.usage_in_bytes'),
    files.number('memory.max_usage_in_bytes'),
    files.number('memory.limit_in_bytes'),
    files.number('memory.failcnt'),
    files.table('memory.stat'),
  ]);
  if (usage === undefined) return undefined;
  return {
    usage,
    maxUsage,
    limit: limit ?? Number.POSITIVE_INFINITY,
    failures: failures ?? 0,
    details: details ?? {},
  };
}

async function readPids(files: Files): Promise<PidsUsage | undefined> {
  const [current, limit] = await Promise.all([files.number('pids.current'), files.number('pids.max')]);
  return current === undefined ? undefined : { current, limit: limit ?? Number.POSITIVE_INFINITY };
}

/** Lines like `8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0`. */
async function unifiedIo(files: Files): Promise<IoUsage> {
  const text = (await files.text('io.stat')) ?? '';
  const lines = [...text.matchAll(/^(\d+):(\d+) (.*)$/gm)];
  const column = (key: string, operation: string) =>
    lines.flatMap(([, major, minor, rest = '']): DeviceIo[] => {
      const value = new RegExp(`(?:^| )${key}=(\\d+)`).exec(rest)?.[1];
      if (value === undefined) return [];
      return [{ major: Number(major), minor: Number(minor), operation, value: Number(value) }];
    });
  return {
    bytes: [...column('rbytes', 'read'), ...column('wbytes', 'write')],
    operations: [...column('rios', 'read'), ...column('wios', 'write')],
  };
}

/** The kernels' schedulers count in files of their own: BFQ's, the old CFQ's, and those of throttling, which are always there. */
async function dividedIo(files: Files): Promise<IoUsage> {
  const first = async (name: string): Promise<DeviceIo[]> => {
    for (const prefix of ['blkio.bfq', 'blkio', 'blkio.throttle']) {
      const found = parseDeviceLines((await files.text(`${prefix}.${name}`)) ?? '');
      if (found.length > 0) return found;
    }
    return [];
  };
  const [bytes, operations] = await Promise.all([
    first('io_service_bytes_recursive'),
    first('io_serviced_recursive'),
  ]);
  return { bytes, operations };
}

/** Lines like `8:0 Read 4096`; the total at the end has no device. */
function parseDeviceLines(text: string): DeviceIo[] {
  return [...text.matchAll(/^(\d+):(\d+) (\w+) (\d+)$/gm)].map(([, major, minor, operation = '', value]) => ({
    major: Number(major),
    minor: Number(minor),
    operation,
    value: Number(value),
  }));
}

/** "max" is no limit. */
function limitNumber(text: string): number {
  const trimmed = text.trim();
  return trimmed === 'max' ? Number.POSITIVE_INFINITY : Number(trimmed);
}
