import type { Accelerator } from './contract.ts';
import type { VmStep } from './vm-plan.ts';

/** What every QEMU of ours begins with: no devices and no configuration but ours, and no window. */
export const bareMachine = ['-nodefaults', '-no-user-config', '-display', 'none'];

export function accelerationArguments(accelerator: Accelerator['name']): string[] {
  return [
    ...['-accel', accelerator === 'kvm' ? 'kvm' : 'tcg,thread=multi'],
    ...['-cpu', processorModel(accelerator)],
  ];
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
