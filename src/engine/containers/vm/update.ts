import { conflict, formatBinarySize } from '../../../base/index.ts';
import { type ContainerRecord, type HostOptions, isAlive, type ResourceLimits } from '../container.ts';
import type { ContainerContext } from '../context.ts';
import { wantedResources } from './allotment.ts';
import { refuseContainerOptions } from './refuse.ts';

/**
 * Checks a change of a virtual machine's options; it holds from the next start on. Throws `conflict` for one that a machine
 * which runs would have to feel at once: its memory and processors are there since its kernel booted.
 */
export async function changeMachine(
  { parts }: ContainerContext,
  record: ContainerRecord,
  host: HostOptions,
): Promise<{ readonly warnings: readonly string[] }> {
  refuseContainerOptions(host);
  parts.machines.allot(wantedResources(host), []);
  if (!isAlive(record.state)) return { warnings: [] };
  const changed = changedLimit(record.host.resources, host.resources);
  if (changed === undefined) return { warnings: [] };
  const { machine } = record.state;
  const present =
    machine === undefined
      ? ''
      : `: it has ${machine.processors} CPUs and ${formatBinarySize(machine.memory)}`;
  throw conflict(`${changed} of a virtual machine cannot be changed while it runs${present}`, {
    hint: `Stop it first: berth stop ${record.name}`,
  });
}

const WORDS: Partial<Record<keyof ResourceLimits, string>> = {
  memory: 'the memory',
  nanoCpus: 'the CPUs',
  cpuQuota: 'the CPU quota',
  cpuPeriod: 'the CPU period',
  cpuShares: 'the CPU shares',
  cpusetCpus: 'the CPU set',
  cpusetMems: 'the set of memory nodes',
  pidsLimit: 'the limit of processes',
  blkioWeight: 'the weight of block I/O',
};

function changedLimit(before: ResourceLimits, after: ResourceLimits): string | undefined {
  const names = Object.keys(WORDS) as (keyof ResourceLimits)[];
  const changed = names.find((name) => before[name] !== after[name]);
  return changed === undefined ? undefined : WORDS[changed];
}
