import { conflict, formatBinarySize, invalid } from '../base/index.ts';
import type { Allotment, WantedResources } from './contract.ts';

const MIB = 1024 ** 2;

/** Of a machine for which no memory is asked. What it does not use goes back to the host. */
const DEFAULT_MEMORY = 512 * MIB;

/** Debian's kernel with its modules, its first root and a page cache that is more than nothing. */
const LEAST_MEMORY = 128 * MIB;

export interface HostResources {
  readonly processors: number;
  /** Bytes. */
  readonly memory: number;
}

/** What a machine gets on a host: see `VirtualMachines.allot`. */
export function allotResources(
  wanted: WantedResources,
  running: readonly Allotment[],
  host: HostResources,
): Allotment {
  const allotment = {
    processors: processorsFor(wanted.cpus, host.processors),
    memory: memoryFor(wanted.memory, host.memory),
  };
  requireRoom(allotment.memory, running, host.memory);
  return allotment;
}

/** Whole ones: 1.5 CPUs need two processors (the rest of the second one is the control group's to withhold). */
function processorsFor(cpus: number | undefined, available: number): number {
  if (cpus === undefined) return 1;
  const processors = Math.max(1, Math.ceil(cpus));
  if (processors > available) {
    throw invalid(`a virtual machine with ${processors} processors is more than this host's ${available}`, {
      hint: `Ask for at most --cpus ${available}`,
    });
  }
  return processors;
}

function memoryFor(bytes: number | undefined, available: number): number {
  const memory = Math.ceil((bytes ?? DEFAULT_MEMORY) / MIB) * MIB;
  if (memory < LEAST_MEMORY) {
    throw invalid(
      `a virtual machine cannot boot with ${formatBinarySize(memory)} of memory: it needs ${formatBinarySize(LEAST_MEMORY)}`,
      { hint: 'Ask for more with -m, or leave -m out' },
    );
  }
  if (memory > available) {
    throw invalid(
      `a virtual machine with ${formatBinarySize(memory)} of memory is more than this host's ${formatBinarySize(available)}`,
      { hint: 'Ask for less with -m' },
    );
  }
  return memory;
}

function requireRoom(memory: number, running: readonly Allotment[], available: number): void {
  const taken = running.reduce((sum, machine) => sum + machine.memory, 0);
  if (taken + memory <= available) return;
  throw conflict(
    `a virtual machine with ${formatBinarySize(memory)} of memory finds no room: this host has ${formatBinarySize(available)}, ` +
      `${formatBinarySize(taken)} of it promised to ${running.length} that run`,
    { hint: 'Ask for less with -m, or stop one that runs' },
  );
}
