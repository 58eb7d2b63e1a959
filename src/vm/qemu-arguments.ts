import type { Accelerator } from './contract.ts';
import type { VmStep } from './vm-plan.ts';

/** What every QEMU of ours begins with: no devices and no configuration but ours, and no window. */
export const bareMachine = ['-nodefaults', '-no-user-config', '-display', 'none'];

/** `translations`: MiB that emulation may keep of translated code; undefined: an eighth of the host's memory, at most 1 GiB. */
export function accelerationArguments(accelerator: Accelerator['name'], translations?: number): string[] {
  const emulation = [
    'tcg',
    'thread=multi',
    ...(translations === undefined ? [] : [`tb-size=${translations}`]),
  ];
  return [
    ...['-accel', accelerator === 'kvm' ? 'kvm' : emulation.join(',')],
    ...['-cpu', processorModel(accelerator)],
  ];
}

/** Loads a plugin of emulation. */
export function pluginArguments(path: string): string[] {
  return ['-plugin', `file=${escaped(path)}`];
}

/** All that the accelerator can do. */
export function processorModel(accelerator: Accelerator['name']): string {
  return accelerator === 'kvm' ? 'host' : 'max';
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
