import { availableParallelism, totalmem } from 'node:os';
import { join } from 'node:path';
import { HostProbe, measurementsBy } from './accelerator.ts';
import type { Architecture } from './architecture.ts';
import { requireProgram } from './host-program.ts';
import { type Hypervisor, Hypervisors } from './hypervisor.ts';
import type { HostResources } from './resources.ts';
import { UserRanges } from './user-ranges.ts';

/** What all of an instance's QEMUs stand on, whatever runs inside them: machines of containers and computers. */
export class QemuHost {
  /** berth-vm, which runs them. */
  readonly program: string;
  readonly probe: HostProbe;
  readonly users: UserRanges;
  readonly #hypervisors: Hypervisors;

  /** `folder` is where what they share is kept. */
  constructor(folder: string, nativeDirectory: string) {
    this.program = join(nativeDirectory, 'berth-vm');
    this.#hypervisors = new Hypervisors(
      process.env.PATH ?? '/usr/bin:/bin',
      join(nativeDirectory, 'idle-memory.so'),
    );
    this.probe = new HostProbe(measurementsBy(this.program));
    this.users = new UserRanges(join(folder, 'users'));
  }

  /**
   * QEMU for the host's architecture or another one. Throws `unavailable` when that or berth-vm is missing or cannot be
   * executed, with the way out.
   */
  async hypervisor(architecture?: Architecture, signal?: AbortSignal): Promise<Hypervisor> {
    const need = 'virtual machines cannot run';
    await requireProgram({ path: this.program, need, install: 'It comes with berth: install berth again' });
    return this.#hypervisors.find(architecture, signal);
  }

  /** What all of them together may have at most. */
  resources(): HostResources {
    return { processors: availableParallelism(), memory: totalmem() };
  }
}
