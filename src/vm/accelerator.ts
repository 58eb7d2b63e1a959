import { access, constants, readFile } from 'node:fs/promises';
import { run, systemErrorCode } from '../base/index.ts';
import { type Architecture, hostArchitecture } from './architecture.ts';
import type { Accelerator } from './contract.ts';

/**
 * Instructions of a loop a second, below which /dev/kvm is of no use: real processors run a billion and more, QEMU's own
 * translation hundreds of millions, an emulated KVM a few millions.
 */
const LEAST_SPEED = 200_000_000;

/** What can be measured of the host, by {@link HostProbe}; tests have their own. */
export interface Measurements {
  /** Runs `berth-vm` with a word; a failure is what it said. */
  measure(
    what: 'probe-kvm' | 'measure-tsc',
  ): Promise<{ readonly value: number } | { readonly failure: string }>;
  readonly kvmDevice: string;
}

/** Measures by the monitor's program. */
export function measurementsBy(program: string): Measurements {
  return {
    kvmDevice: '/dev/kvm',
    async measure(what) {
      const { code, stdout, stderr } = await run(program, [what]);
      const value = Number(stdout.toString().trim());
      if (code === 0 && Number.isSafeInteger(value) && value > 0) return { value };
      return { failure: stderr.trim().replace(/^berth-vm: /, '') || `${program} ${what} failed` };
    },
  };
}

/** What a host's processor is for its guests; measured once, but again after a measurement that could not be made. */
export class HostProbe {
  readonly #measurements: Measurements;
  #accelerator: Promise<Accelerator> | undefined;
  #counter: Promise<number | undefined> | undefined;
  #processor: Promise<string> | undefined;

  constructor(measurements: Measurements) {
    this.#measurements = measurements;
  }

  /** KVM where it is there and fast, and guests have the host's architecture, else TCG and why. */
  async accelerator({ name }: Architecture = hostArchitecture()): Promise<Accelerator> {
    const own = hostArchitecture().name;
    if (name !== own) return { name: 'tcg', why: `this host's processor is ${own}` };
    this.#accelerator ??= this.#chooseAccelerator().catch((error: unknown) => {
      this.#accelerator = undefined;
      throw error;
    });
    return this.#accelerator;
  }

  /** Kilohertz of the time stamp counter; undefined where there is none to measure. */
  counterKilohertz(): Promise<number | undefined> {
    this.#counter ??= this.#measureCounter().catch((error: unknown) => {
      this.#counter = undefined;
      throw error;
    });
    return this.#counter;
  }

  /** The first processor's description without what changes from moment to moment. */
  processor(): Promise<string> {
    this.#processor ??= readFile('/proc/cpuinfo', 'utf8').then(stableDescription);
    return this.#processor;
  }

  async #measureCounter(): Promise<number | undefined> {
    const measured = await this.#measurements.measure('measure-tsc');
    return 'value' in measured ? measured.value : undefined;
  }

  async #chooseAccelerator(): Promise<Accelerator> {
    const { kvmDevice } = this.#measurements;
    const obstacle = await obstacleTo(kvmDevice);
    if (obstacle !== undefined) return { name: 'tcg', why: obstacle };
    const measured = await this.#measurements.measure('probe-kvm');
    if ('failure' in measured) return { name: 'tcg', why: measured.failure };
    if (measured.value >= LEAST_SPEED) return { name: 'kvm' };
    const speed = `${Number((measured.value / 1e6).toPrecision(2))} million instructions a second`;
    return { name: 'tcg', why: `${kvmDevice} runs ${speed}, which is slower than emulation` };
  }
}

async function obstacleTo(device: string): Promise<string | undefined> {
  try {
    await access(device, constants.R_OK | constants.W_OK);
    return undefined;
  } catch (error) {
    const code = systemErrorCode(error);
    return code === 'ENOENT' ? `there is no ${device}` : `${device} cannot be opened (${code})`;
  }
}

/** Of /proc/cpuinfo (proc(5)): what tells one kind of processor from another. */
export function stableDescription(cpuinfo: string): string {
  const [first = ''] = cpuinfo.split('\n\n');
  return first
    .split('\n')
    .filter((line) =>
      /^(vendor_id|cpu family|model|model name|stepping|flags|CPU \w+|Features)\s*:/.test(line),
    )
    .join('\n');
}
