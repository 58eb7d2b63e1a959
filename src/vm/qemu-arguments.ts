import { type Architecture, hostArchitecture } from './architecture.ts';
import type { Accelerator } from './contract.ts';
import type { VmStep } from './vm-plan.ts';

/** What every QEMU of ours begins with: no devices and no configuration but ours, and no window. */
export const bareMachine = ['-nodefaults', '-no-user-config', '-display', 'none'];

/**
 * MiB of translated code that emulation keeps; what does not fit any more is all thrown away and translated anew. A guest's kernel and
 * a container's start take 28. This much has cost neither containers nor a boot of Debian time that could be measured, while
 * QEMU's own bound, 1 GiB, is filled by the latter.
 */
const TRANSLATIONS = 128;

/** The accelerator, and the processor that goes with it. */
export function accelerationArguments(
  accelerator: Accelerator['name'],
  architecture = hostArchitecture(),
): string[] {
  const model = processorModel(accelerator, architecture);
  if (accelerator === 'kvm') return ['-accel', 'kvm', '-cpu', model];
  const processor = [model, ...architecture.emulatedProcessor.features].join(',');
  return ['-accel', `tcg,thread=multi,tb-size=${TRANSLATIONS}`, '-cpu', processor];
}

/** Loads a plugin of emulation. */
export function pluginArguments(path: string): string[] {
  return ['-plugin', `file=${escaped(path)}`];
}

/** All that the accelerator can do. */
export function processorModel(
  accelerator: Accelerator['name'],
  { emulatedProcessor }: Architecture = hostArchitecture(),
): string {
  return accelerator === 'kvm' ? 'host' : emulatedProcessor.model;
}

/** The files that an accelerator needs in QEMU's root. */
export function acceleratorFiles(accelerator: Accelerator['name']): { hostPath: string; name: string }[] {
  return accelerator === 'kvm' ? [{ hostPath: '/dev/kvm', name: '/dev/kvm' }] : [];
}

/** QEMU's own filter of system calls; the monitor confines it before it starts. */
export const confinement = [
  '-sandbox',
  'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny',
];

/** A comma ends an option's value for QEMU, two are one. */
export function escaped(value: string): string {
  return value.replaceAll(',', ',,');
}

/** A command of QMP. */
export function qmpCommand(execute: string, args?: Record<string, unknown>): VmStep & { command: object } {
  return { command: args === undefined ? { execute } : { execute, arguments: args } };
}
