import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { errorMessage, invalid, unavailable } from '../base/index.ts';
import { type ControlGroupPlaces, HOST_PLACES } from './control-group.ts';
import type { OciResources, OciThrottle } from './oci-types.ts';
import type { CgroupFacts } from './resources.ts';

/** A folder of a control group, and what is to be written into its files before anything joins it. */
export interface ControlGroupFolder {
  readonly folder: string;
  readonly settings: readonly { readonly file: string; readonly value: string }[];
}

/** Of version 1: what is limited, and what is only counted. */
const CONTROLLERS = ['cpu', 'memory', 'pids', 'blkio'] as const;

type Limits = Pick<OciResources, 'cpu' | 'blockIO'>;

/**
 * The folders of a control group that no OCI runtime makes, with limits of processors and block I/O as `ociResources` gives
 * them. `path` is below the root of the hierarchies. Makes the folders above, so that these can be made and have what they
 * need; throws `unavailable` when the kernel refuses.
 */
export async function controlGroupFolders(
  path: string,
  limits: Limits,
  facts: Pick<CgroupFacts, 'version' | 'cpus' | 'mems'>,
  { cgroups }: ControlGroupPlaces = HOST_PLACES,
): Promise<ControlGroupFolder[]> {
  try {
    if (facts.version === 2) {
      await enableAbove(cgroups, path);
      return [{ folder: join(cgroups, path), settings: unifiedSettings(limits) }];
    }
    const divided = CONTROLLERS.map((controller) => ({
      folder: join(cgroups, controller, path),
      settings: dividedSettings(controller, limits),
    }));
    for (const { folder } of divided) await mkdir(dirname(folder), { recursive: true });
    const { cpus, mems } = limits.cpu ?? {};
    if (cpus === undefined && mems === undefined) return divided;
    const wanted = { cpus: cpus ?? facts.cpus, mems: mems ?? facts.mems };
    return [...divided, await cpusetFolder(join(cgroups, 'cpuset'), path, facts, wanted)];
  } catch (cause) {
    throw unavailable(`the control group ${path} cannot be made: ${errorMessage(cause)}`, { cause });
  }
}

/** Writes the settings into folders that are there: what has joined them feels it at once. Throws `invalid` when the kernel refuses. */
export async function applySettings(folders: readonly ControlGroupFolder[]): Promise<void> {
  for (const { folder, settings } of folders) {
    for (const { file, value } of settings) {
      await writeFile(join(folder, file), value, { flag: 'r+' }).catch((cause: unknown) => {
        throw invalid(`the kernel refuses ${value} in ${file}: ${errorMessage(cause)}`, { cause });
      });
    }
  }
}

/** On the unified hierarchy a group has the controllers that the one above gives to its children. */
async function enableAbove(cgroups: string, path: string): Promise<void> {
  await mkdir(join(cgroups, dirname(path)), { recursive: true });
  let folder = cgroups;
  for (const name of dirname(path).split('/')) {
    folder = join(folder, name);
    const controllers = await readFile(join(folder, 'cgroup.controllers'), 'utf8');
    for (const controller of controllers.trim().split(/\s+/)) {
      // One that cannot be given away is missed only by whom it was asked for, whose setting then fails.
      await writeFile(join(folder, 'cgroup.subtree_control'), `+${controller}`).catch(() => {});
    }
  }
}

/** Nothing joins a set of processors that is empty, and a new one is. */
async function cpusetFolder(
  hierarchy: string,
  path: string,
  all: { readonly cpus: string; readonly mems: string },
  wanted: { readonly cpus: string; readonly mems: string },
): Promise<ControlGroupFolder> {
  let above = hierarchy;
  for (const name of dirname(path).split('/').filter(Boolean)) {
    above = join(above, name);
    await mkdir(above, { recursive: true });
    for (const [file, value] of [
      ['cpuset.cpus', all.cpus],
      ['cpuset.mems', all.mems],
    ] as const) {
      const present = await readFile(join(above, file), 'utf8');
      if (present.trim() === '') await writeFile(join(above, file), value);
    }
  }
  return {
    folder: join(hierarchy, path),
    settings: [...setting('cpuset.cpus', wanted.cpus), ...setting('cpuset.mems', wanted.mems)],
  };
}

function dividedSettings(controller: (typeof CONTROLLERS)[number], { cpu, blockIO }: Limits) {
  if (controller === 'cpu') {
    return [
      ...setting('cpu.shares', cpu?.shares),
      ...setting('cpu.cfs_period_us', cpu?.period),
      ...setting('cpu.cfs_quota_us', cpu?.quota),
    ];
  }
  if (controller !== 'blkio') return [];
  const throttle = (file: string, list: readonly OciThrottle[] = []) =>
    list.map(({ major, minor, rate }) => ({
      file: `blkio.throttle.${file}`,
      value: `${major}:${minor} ${rate}`,
    }));
  return [
    ...setting('blkio.weight', blockIO?.weight),
    ...deviceWeights('blkio.weight_device', blockIO),
    ...throttle('read_bps_device', blockIO?.throttleReadBpsDevice),
    ...throttle('write_bps_device', blockIO?.throttleWriteBpsDevice),
    ...throttle('read_iops_device', blockIO?.throttleReadIOPSDevice),
    ...throttle('write_iops_device', blockIO?.throttleWriteIOPSDevice),
  ];
}

function unifiedSettings({ cpu, blockIO }: Limits) {
  const { quota, period = DEFAULT_PERIOD } = cpu ?? {};
  const limit = (key: string, list: readonly OciThrottle[] = []) =>
    list.map(({ major, minor, rate }) => ({ file: 'io.max', value: `${major}:${minor} ${key}=${rate}` }));
  return [
    ...setting('cpu.weight', cpu?.shares === undefined ? undefined : weightOfShares(cpu.shares)),
    ...(quota === undefined ? [] : [{ file: 'cpu.max', value: `${quota < 0 ? 'max' : quota} ${period}` }]),
    ...setting('cpuset.cpus', cpu?.cpus),
    ...setting('cpuset.mems', cpu?.mems),
    ...setting('io.bfq.weight', blockIO?.weight),
    ...deviceWeights('io.bfq.weight', blockIO),
    ...limit('rbps', blockIO?.throttleReadBpsDevice),
    ...limit('wbps', blockIO?.throttleWriteBpsDevice),
    ...limit('riops', blockIO?.throttleReadIOPSDevice),
    ...limit('wiops', blockIO?.throttleWriteIOPSDevice),
  ];
}

/** Microseconds; the kernel's own. */
const DEFAULT_PERIOD = 100_000;

/** From version 1's 2 to 262,144 to version 2's 1 to 10,000, as the OCI runtimes do it. */
function weightOfShares(shares: number): number {
  return Math.floor(1 + ((Math.max(shares, 2) - 2) * 9999) / 262_142);
}

function deviceWeights(file: string, blockIO: Limits['blockIO']) {
  return (blockIO?.weightDevice ?? []).map(({ major, minor, weight }) => ({
    file,
    value: `${major}:${minor} ${weight}`,
  }));
}

function setting(file: string, value: number | string | undefined) {
  return value === undefined ? [] : [{ file, value: String(value) }];
}
