import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ControlGroupPlaces, controllerFolder, findControlGroup, HOST_PLACES } from './control-group.ts';

/**
 * Before the kernel moves a process into a control group it waits for a grace period of RCU, 8 to 16 ms on a machine with
 * little to do, unless it has moved another one just before (percpu_down_write of cgroup_threadgroup_rwsem). The OCI
 * runtime moves each process that it makes. So that wait is begun as soon as a start is to be expected, and what else the
 * start needs is prepared meanwhile.
 */
export class CgroupGracePeriod {
  readonly #version: 1 | 2;
  readonly #places: ControlGroupPlaces;
  #isUnderWay = false;

  constructor(version: 1 | 2, places: ControlGroupPlaces = HOST_PLACES) {
    this.#version = version;
    this.#places = places;
  }

  /**
   * Begins the wait, unless one is under way. Resolves when it is over, and never rejects: where it cannot be begun, the
   * start is slower and nothing else.
   */
  async begin(): Promise<void> {
    if (this.#isUnderWay) return;
    this.#isUnderWay = true;
    await this.#moveInPlace().catch(() => {});
    this.#isUnderWay = false;
  }

  /** To where this process is: nothing changes by it, but the kernel waits all the same. */
  async #moveInPlace(): Promise<void> {
    const group = await findControlGroup({ pid: process.pid }, this.#version, this.#places);
    const folder = controllerFolder(group, 'freezer');
    if (folder !== undefined)
      await writeFile(join(folder, 'cgroup.procs'), String(process.pid), { flag: 'r+' });
  }
}
