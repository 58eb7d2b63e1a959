import { invalid, unavailable } from '../../../base/index.ts';
import type { ArchitectureName, Part } from '../../../vm/index.ts';
import type { HostOptions } from '../container.ts';
import type { ContainerContext } from '../context.ts';
import { wantedResources } from './allotment.ts';
import { KERNEL_ANNOTATION, kernelOf, shareTransportOf } from './bundle.ts';
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

/** Throws `invalid` for a container that is asked for what only a virtual machine has: it would be without it, in silence. */
export function refuseMachineOptions({ annotations = {} }: HostOptions): void {
  if (annotations[KERNEL_ANNOTATION] !== undefined) {
    throw invalid(
      `a container cannot have the kernel ${annotations[KERNEL_ANNOTATION]}: it runs on the host's`,
      {
        hint: 'Add --isolation vm (docker: --runtime vm) for a virtual machine with that kernel, or leave it out',
      },
    );
  }
}

function requirePart(part: Part<unknown>): void {
  if (part.state === 'missing') throw unavailable(part.why, { hint: part.hint });
}
