import type { Accelerator } from './contract.ts';
import type { Hypervisor } from './hypervisor.ts';
import { acceleratorFiles, pluginArguments } from './qemu-arguments.ts';
import type { VmFile, VmMachine } from './vm-plan.ts';

/** What is run of a hypervisor. */
export type QemuParts = Pick<Hypervisor, 'path' | 'files' | 'plugin'>;

/** QEMU with its arguments, and all files in its root: its own, those of its accelerator, and `files`. */
export function qemuProgram(
  hypervisor: QemuParts,
  accelerator: Accelerator['name'],
  args: readonly string[],
  files: readonly VmFile[],
): Pick<VmMachine, 'program' | 'args' | 'files'> {
  const plugin = accelerator === 'tcg' ? hypervisor.plugin : undefined;
  return {
    program: hypervisor.path,
    args: [...args, ...(plugin === undefined ? [] : pluginArguments(plugin.name))],
    files: [
      ...hypervisor.files,
      ...(plugin === undefined ? [] : [plugin]),
      ...acceleratorFiles(accelerator),
      ...files,
    ],
  };
}
