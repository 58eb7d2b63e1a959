import { invalid } from '../base/index.ts';
import type { OciDeviceRule, OciResources } from './oci-types.ts';

/** Limits as the Engine API gives them; absent or 0 is "not limited". */
export interface ResourceInput {
  /** Bytes. */
  readonly memory?: number;
  /** Memory and swap together, in bytes; -1: unlimited swap; absent: twice the memory. */
  readonly memorySwap?: number;
  /** A soft limit in bytes. */
  readonly memoryReservation?: number;
  /** 0 to 100; -1 is "not set". */
  readonly memorySwappiness?: number;
  readonly oomKillDisable?: boolean;
  /** Billionths of a CPU. */
  readonly nanoCpus?: number;
  readonly cpuShares?: number;
  /** Microseconds. */
  readonly cpuQuota?: number;
  /** Microseconds. */
  readonly cpuPeriod?: number;
  /** As "0-2,7". */
  readonly cpusetCpus?: string;
  readonly cpusetMems?: string;
  /** 0 and -1: not limited. */
  readonly pidsLimit?: number;
  /** 10 to 1000. */
  readonly blkioWeight?: number;
  readonly devices?: readonly DeviceLimitInput[];
}

/** What a limit of one device's block I/O is about: its weight, bytes per second, or operations per second. */
export type DeviceLimitKind = 'weight' | 'read-bps' | 'write-bps' | 'read-iops' | 'write-iops';

export interface DeviceLimitInput {
  readonly kind: DeviceLimitKind;
  readonly major: number;
  readonly minor: number;
  readonly value: number;
}

/** What this host's cgroups can do. */
export interface CgroupFacts {
  readonly version: 1 | 2;
  readonly memory: boolean;
  readonly swap: boolean;
  readonly cpu: boolean;
  readonly cpuset: boolean;
  readonly pids: boolean;
  readonly blkioWeight: boolean;
  readonly oomKillDisable: boolean;
  /** How many CPUs there are, and which ones a cpuset may name, as "0-3". */
  readonly cpuCount: number;
  readonly cpus: string;
  /** The memory nodes that a cpuset may name. */
  readonly mems: string;
}

const MIB = 1024 * 1024;
const NANO_CPU_PERIOD = 100_000;

/**
 * Limits in the OCI form. Throws `invalid` in Docker's words for what cannot be; what this host's
 * cgroups lack is left out with a warning, as in Docker.
 */
export function ociResources(
  input: ResourceInput,
  devices: readonly OciDeviceRule[],
  cgroups: CgroupFacts,
): { resources: OciResources; warnings: string[] } {
  requirePossible(input, cgroups);
  const warnings: string[] = [];
  const supported = <T>(value: T | undefined, present: boolean, warning: string): T | undefined => {
    if (value === undefined || present) return value;
    warnings.push(warning);
    return undefined;
  };
  const pidsLimit = positive(input.pidsLimit); // a new cgroup has none, and crun 1.8 fails to write -1 for it
  const pids = supported(
    pidsLimit === undefined ? undefined : { limit: pidsLimit },
    cgroups.pids,
    'Your kernel does not support pids limit capabilities or the cgroup is not mounted. PIDs limit discarded.',
  );
  const weight = supported(
    positive(input.blkioWeight),
    cgroups.blkioWeight,
    'Your kernel does not support Block I/O weight or the cgroup is not mounted. Weight discarded.',
  );
  const weights = supported(
    ofKind(input, 'weight')?.map(({ major, minor, value }) => ({ major, minor, weight: value })),
    cgroups.blkioWeight,
    'Your kernel does not support Block I/O weight_device or the cgroup is not mounted. Weight-device discarded.',
  );
  const blockIo = nonEmpty({ weight, weightDevice: weights, ...deviceThrottles(input) });
  const memory = supported(
    memoryLimits(input, cgroups, warnings),
    cgroups.memory,
    'Your kernel does not support memory limit capabilities or the cgroup is not mounted. Limitation discarded.',
  );
  const cpu = supported(
    cpuLimits(input, cgroups, warnings),
    cgroups.cpu,
    'Your kernel does not support CPU cfs quota or the cgroup is not mounted. CPU limits discarded.',
  );
  return {
    resources: {
      devices,
      ...(memory === undefined ? {} : { memory }),
      ...(cpu === undefined ? {} : { cpu }),
      ...(pids === undefined ? {} : { pids }),
      ...(blockIo === undefined ? {} : { blockIO: blockIo }),
    },
    warnings,
  };
}

function deviceThrottles(input: ResourceInput) {
  const rates = (kind: DeviceLimitKind) =>
    ofKind(input, kind)?.map(({ major, minor, value }) => ({ major, minor, rate: value }));
  return {
    throttleReadBpsDevice: rates('read-bps'),
    throttleWriteBpsDevice: rates('write-bps'),
    throttleReadIOPSDevice: rates('read-iops'),
    throttleWriteIOPSDevice: rates('write-iops'),
  };
}

/** Undefined when there is none. */
function ofKind({ devices = [] }: ResourceInput, kind: DeviceLimitKind): DeviceLimitInput[] | undefined {
  const found = devices.filter((device) => device.kind === kind);
  return found.length === 0 ? undefined : found;
}

function memoryLimits(
  input: ResourceInput,
  cgroups: CgroupFacts,
  warnings: string[],
): OciResources['memory'] | undefined {
  const limit = positive(input.memory);
  const swap = limit === undefined ? undefined : input.memorySwap || limit * 2;
  if (limit !== undefined && !cgroups.swap) {
    warnings.push(
      'Your kernel does not support swap limit capabilities or the cgroup is not mounted. Memory limited without swap.',
    );
  }
  if (input.oomKillDisable && !cgroups.oomKillDisable) {
    warnings.push('Your kernel does not support OomKillDisable. OomKillDisable discarded.');
  } else if (input.oomKillDisable && limit === undefined) {
    warnings.push(
      'OOM killer is disabled for the container, but no memory limit is set, this can result in the system running out of resources.',
    );
  }
  const swappiness = input.memorySwappiness;
  return nonEmpty({
    limit,
    reservation: positive(input.memoryReservation),
    swap: cgroups.swap ? swap : undefined,
    swappiness: swappiness === undefined || swappiness < 0 || cgroups.version === 2 ? undefined : swappiness,
    disableOOMKiller: input.oomKillDisable && cgroups.oomKillDisable ? true : undefined,
  });
}

function cpuLimits(
  input: ResourceInput,
  cgroups: CgroupFacts,
  warnings: string[],
): OciResources['cpu'] | undefined {
  const nano = positive(input.nanoCpus);
  const wantsCpuset = Boolean(input.cpusetCpus || input.cpusetMems);
  if (wantsCpuset && !cgroups.cpuset) {
    warnings.push('Your kernel does not support cpuset or the cgroup is not mounted. Cpuset discarded.');
  }
  return nonEmpty({
    shares: positive(input.cpuShares),
    quota: nano === undefined ? input.cpuQuota || undefined : Math.floor((nano * NANO_CPU_PERIOD) / 1e9),
    period: nano === undefined ? positive(input.cpuPeriod) : NANO_CPU_PERIOD,
    cpus: cgroups.cpuset ? input.cpusetCpus || undefined : undefined,
    mems: cgroups.cpuset ? input.cpusetMems || undefined : undefined,
  });
}

/**
 * Throws `invalid` for limits that cannot be, in Docker's words (moby, daemon/daemon_unix.go, verifyPlatformContainerResources).
 * In a change of limits, what is absent stays as it is.
 */
export function requirePossible(input: ResourceInput, cgroups: CgroupFacts, isChange = false): void {
  const { memory = 0, memorySwap = 0, memoryReservation = 0, memorySwappiness: swappiness = -1 } = input;
  const { nanoCpus = 0, cpuPeriod = 0, cpuQuota = 0, cpuShares = 0, blkioWeight = 0 } = input;
  const rules: readonly (readonly [boolean, string])[] = [
    [memory !== 0 && memory < 6 * MIB, 'Minimum memory limit allowed is 6MB'],
    [
      memory > 0 && memorySwap > 0 && memorySwap < memory,
      'Minimum memoryswap limit should be larger than memory limit, see usage',
    ],
    [
      !isChange && memory === 0 && memorySwap > 0,
      'You should always set the Memory limit when using Memoryswap limit, see usage',
    ],
    [
      swappiness < -1 || swappiness > 100,
      `Invalid value: ${swappiness}, valid memory swappiness range is 0-100`,
    ],
    [memoryReservation !== 0 && memoryReservation < 6 * MIB, 'Minimum memory reservation allowed is 6MB'],
    [
      memory > 0 && memoryReservation > 0 && memory < memoryReservation,
      'Minimum memory limit can not be less than memory reservation limit, see usage',
    ],
    [nanoCpus > 0 && cpuPeriod > 0, 'Conflicting options: Nano CPUs and CPU Period cannot both be set'],
    [nanoCpus > 0 && cpuQuota > 0, 'Conflicting options: Nano CPUs and CPU Quota cannot both be set'],
    [
      nanoCpus < 0 || nanoCpus > cgroups.cpuCount * 1e9,
      `range of CPUs is from 0.01 to ${cgroups.cpuCount}.00, as there are only ${cgroups.cpuCount} CPUs available`,
    ],
    [
      cpuPeriod !== 0 && (cpuPeriod < 1000 || cpuPeriod > 1_000_000),
      'CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)',
    ],
    [cpuQuota > 0 && cpuQuota < 1000, 'CPU cfs quota can not be less than 1ms (i.e. 1000)'],
    [cpuShares < 0, `invalid CPU shares (${cpuShares}): value must be a positive integer`],
    [
      blkioWeight !== 0 && (blkioWeight < 10 || blkioWeight > 1000),
      'Range of blkio weight is from 10 to 1000',
    ],
  ];
  const broken = rules.find(([isBroken]) => isBroken);
  if (broken !== undefined) throw invalid(broken[1]);
  requireInSet(input.cpusetCpus, cgroups.cpus, { name: 'cpus', plural: 'CPUs' });
  requireInSet(input.cpusetMems, cgroups.mems, { name: 'mems', plural: 'memory nodes' });
}

function requireInSet(
  wanted: string | undefined,
  available: string,
  what: { readonly name: string; readonly plural: string },
): void {
  if (wanted === undefined || wanted === '') return;
  const wrong = wanted.split(',').find((part) => parseRange(part) === undefined);
  if (wrong !== undefined) {
    throw invalid(`Invalid value ${wanted} for cpuset ${what.name}: invalid format: ${wrong}`);
  }
  const there = new Set(parseSet(available));
  if (parseSet(wanted).every((number) => there.has(number))) return;
  throw invalid(`Requested ${what.plural} are not available - requested ${wanted}, available: ${available}`);
}

/** More CPUs than any kernel is built for: a range beyond is a mistake. */
const MOST_IN_SET = 8192;

/** The numbers of a list like "0-2,7"; parts that are no range are left out. */
function parseSet(text: string): number[] {
  return text.split(',').flatMap((part) => parseRange(part) ?? []);
}

function parseRange(part: string): number[] | undefined {
  const [, first, last = first] = /^(\d+)(?:-(\d+))?$/.exec(part.trim()) ?? [];
  if (first === undefined || Number(last) < Number(first) || Number(last) >= MOST_IN_SET) return undefined;
  return Array.from({ length: Number(last) - Number(first) + 1 }, (_, index) => Number(first) + index);
}

function positive(value: number | undefined): number | undefined {
  return value !== undefined && value > 0 ? value : undefined;
}

/** The set properties of an object, or undefined when none is. */
function nonEmpty<T extends object>(object: T): { [K in keyof T]?: Exclude<T[K], undefined> } | undefined {
  const entries = Object.entries(object).filter(([, value]) => value !== undefined);
  if (entries.length === 0) return undefined;
  return Object.fromEntries(entries) as { [K in keyof T]?: Exclude<T[K], undefined> };
}
