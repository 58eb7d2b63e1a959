import { type Allotment, DEFAULT_DISK_SIZE, type WantedResources } from '../../../vm/index.ts';
import { type ContainerRecord, type HostOptions, isAlive } from '../container.ts';
import type { ContainerContext } from '../context.ts';

/**
 * What a virtual machine gets, given those that run, whatever they run. Throws `invalid` for what no machine here can have, `conflict`
 * when the others have too much already; both with the numbers.
 */
export function allotmentOf(
  { collection, briefMachines, parts }: ContainerContext,
  { id, host }: Pick<ContainerRecord, 'id' | 'host'>,
): Allotment {
  const others = collection.all().filter((record) => record.id !== id);
  return parts.machines.allot(wantedResources(host), [...allotmentsOf(others), ...briefMachines.allotments]);
}

/** What those of the containers that run, and are virtual machines of one kind or the other, have. */
export function allotmentsOf(records: readonly ContainerRecord[]): Allotment[] {
  return records.flatMap((record): Allotment[] => {
    if (!isAlive(record.state)) return [];
    const { machine, computer } = record.state;
    return [machine ?? computer ?? []].flat();
  });
}

/** As the options say it. */
export function wantedResources({
  resources,
}: {
  readonly resources: Pick<HostOptions['resources'], 'nanoCpus' | 'cpuQuota' | 'cpuPeriod' | 'memory'>;
}): WantedResources {
  const { nanoCpus, cpuQuota, cpuPeriod, memory } = resources;
  return { cpus: wantedCpus(nanoCpus, cpuQuota, cpuPeriod), memory: memory > 0 ? memory : undefined };
}

/** Microseconds; the kernel's own. */
const DEFAULT_PERIOD = 100_000;

function wantedCpus(nanoCpus: number, quota: number, period: number): number | undefined {
  if (nanoCpus > 0) return nanoCpus / 1e9;
  return quota > 0 ? quota / (period || DEFAULT_PERIOD) : undefined;
}

/** Bytes of the disk that it writes to; only what is written takes space. */
export function diskSizeOf({ host }: Pick<ContainerRecord, 'host'>): number {
  return host.diskSize ?? DEFAULT_DISK_SIZE;
}
