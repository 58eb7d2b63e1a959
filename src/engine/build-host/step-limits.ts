import type { RunStep } from '../../build/index.ts';
import { type HostFacts, type OciResources, ociResources } from '../../runtime/index.ts';

/** A step's limits in the OCI form; its output is told what this host cannot limit. Throws `invalid` for what cannot be. */
export function stepResources(
  { limits, onOutput }: Pick<RunStep, 'limits' | 'onOutput'>,
  { cgroups }: Pick<HostFacts, 'cgroups'>,
): OciResources {
  const { resources, warnings } = ociResources(limits, [], cgroups);
  for (const warning of warnings) onOutput(`WARNING: ${warning}\n`);
  return resources;
}

/** Bytes, as Docker gives them where nobody says otherwise. */
const DEFAULT_SHARED_MEMORY = 64 * 1024 ** 2;

/** Bytes of a step's /dev/shm. */
export function sharedMemory({ limits: { shmSize } }: Pick<RunStep, 'limits'>): number {
  return shmSize > 0 ? shmSize : DEFAULT_SHARED_MEMORY;
}
