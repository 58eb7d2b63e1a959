import { unavailable } from '../../../base/index.ts';
import type { ArchitectureName, Part } from '../../../vm/index.ts';
import type { HostOptions } from '../container.ts';
import type { ContainerContext } from '../context.ts';
import { wantedResources } from './allotment.ts';
import { kernelOf, shareTransportOf } from './bundle.ts';
import { refuseContainerOptions } from './refuse.ts';

/**
 * Checks what a new virtual machine asks for. Throws `invalid` for what none can have, `unavailable` when this host lacks
 * what machines run on, with what to do.
 */
export async function checkMachine(
  { parts }: ContainerContext,
  host: HostOptions,
  architecture: ArchitectureName,
): Promise<void> {
  refuseContainerOptions(host);
  const own = kernelOf(host);
  shareTransportOf(host);
  const { hypervisor, kernel, programs } = await parts.machines.describe(architecture);
  requirePart(hypervisor);
  requirePart(programs);
  if (own === undefined) requirePart(kernel);
  parts.machines.allot(wantedResources(host), []);
}

function requirePart(part: Part<unknown>): void {
  if (part.state === 'missing') throw unavailable(part.why, { hint: part.hint });
}
