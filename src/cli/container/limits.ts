import { Option } from 'commander';
import { invalid, parseSize } from '../../base/index.ts';
import type { ContainerLimits, RestartPolicy } from '../../client/index.ts';
import { parsedOption, parseWholeNumber } from '../grammar.ts';

/** Limits that the RUN instructions of a build may have, too, as parsed. Sizes are bytes, times microseconds. */
export interface ProcessLimitFlags {
  readonly cpuPeriod?: number;
  readonly cpuQuota?: number;
  readonly cpuShares?: number;
  readonly cpusetCpus?: string;
  readonly cpusetMems?: string;
  readonly memory?: number;
  readonly memorySwap?: number;
}

/** The options that `run`, `create` and `update` share. */
export interface LimitFlags extends ProcessLimitFlags {
  readonly blkioWeight?: number;
  readonly cpus?: number;
  readonly memoryReservation?: number;
  readonly pidsLimit?: number;
  readonly restart?: RestartPolicy;
}

export function processLimitOptions(): Option[] {
  return [
    parsedOption('--cpu-period <int>', 'Limit CPU CFS (Completely Fair Scheduler) period', parseWholeNumber),
    parsedOption('--cpu-quota <int>', 'Limit CPU CFS (Completely Fair Scheduler) quota', parseWholeNumber),
    parsedOption('-c, --cpu-shares <int>', 'CPU shares (relative weight)', parseWholeNumber),
    new Option('--cpuset-cpus <string>', 'CPUs in which to allow execution (0-3, 0,1)'),
    new Option('--cpuset-mems <string>', 'MEMs in which to allow execution (0-3, 0,1)'),
    parsedOption('-m, --memory <bytes>', 'Memory limit', parseSize),
    parsedOption(
      '--memory-swap <bytes>',
      "Limit of memory and swap: '-1' to enable unlimited swap",
      parseSwap,
    ),
  ];
}

export function limitOptions(): Option[] {
  return [
    ...processLimitOptions(),
    parsedOption(
      '--blkio-weight <uint16>',
      'Block IO (relative weight), between 10 and 1000, or 0 to disable',
      parseWholeNumber,
    ),
    parsedOption('--cpus <decimal>', 'Number of CPUs', parseCpus),
    parsedOption('--memory-reservation <bytes>', 'Memory soft limit', parseSize),
    parsedOption('--pids-limit <int>', 'Tune container pids limit (set -1 for unlimited)', parseWholeNumber),
    parsedOption('--restart <string>', 'Restart policy to apply when a container exits', parseRestart),
  ].toSorted((one, other) => one.name().localeCompare(other.name()));
}

/** These limits as the API takes them; what no option says is undefined. */
export function processLimits(flags: ProcessLimitFlags) {
  return {
    CpuPeriod: flags.cpuPeriod,
    CpuQuota: flags.cpuQuota,
    CpuShares: flags.cpuShares,
    CpusetCpus: flags.cpusetCpus,
    CpusetMems: flags.cpusetMems,
    Memory: flags.memory,
    MemorySwap: flags.memorySwap,
  } satisfies ContainerLimits;
}

/** All of them. */
export function containerLimits(flags: LimitFlags): ContainerLimits {
  return {
    BlkioWeight: flags.blkioWeight,
    ...processLimits(flags),
    MemoryReservation: flags.memoryReservation,
    NanoCpus: flags.cpus === undefined ? undefined : Math.round(flags.cpus * 1e9),
    PidsLimit: flags.pidsLimit,
  };
}

function parseCpus(text: string): number {
  const cpus = Number(text);
  if (text.trim() === '' || !Number.isFinite(cpus) || cpus < 0)
    throw invalid('it is no number of CPUs, like 1.5');
  return cpus;
}

function parseSwap(text: string): number {
  return text === '-1' ? -1 : parseSize(text);
}

/** `NAME[:MAXIMUM]`; the engine checks the name. */
export function parseRestart(text: string): RestartPolicy {
  const [name = '', maximum, ...more] = text.split(':');
  if (more.length > 0) throw invalid('invalid restart policy format');
  if (maximum !== undefined && !/^-?\d+$/.test(maximum)) {
    throw invalid('invalid restart policy format: maximum retry count must be an integer');
  }
  return {
    Name: name as RestartPolicy['Name'],
    ...(maximum === undefined ? {} : { MaximumRetryCount: Number(maximum) }),
  };
}
