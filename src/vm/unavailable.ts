import { notImplemented } from '../base/index.ts';
import type { Part, VirtualMachines } from './contract.ts';

/** A host on which no virtual machine can be started: each of them is refused with the reason. */
export function unavailableMachines(why: string, hint: string): VirtualMachines {
  const missing: Part<never> = { state: 'missing', why, hint };
  const refuse = () => {
    throw notImplemented(why, { hint });
  };
  return {
    runtime: { path: '', args: [] },
    describe: async () => ({ accelerator: { name: 'tcg', why }, hypervisor: missing, kernel: missing }),
    allot: refuse,
    prepare: async () => refuse(),
    release: async () => {},
    usage: async () => ({ kernels: 0, templates: 0, reclaimable: 0 }),
    prune: async () => 0,
  };
}
