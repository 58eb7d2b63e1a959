import { link, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { systemErrorCode } from '../base/index.ts';

/** Where the disk that a machine writes to is in its bundle. */
export const MACHINE_DISK = 'machine/writable';

/** The files of one machine, in its bundle: its disks, and names of its own for what it shares with others. */
export class MachineFolder {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  static async open(bundle: string): Promise<MachineFolder> {
    const path = join(bundle, 'machine');
    await mkdir(path, { recursive: true, mode: 0o700 });
    return new MachineFolder(path);
  }

  file(name: string): string {
    return join(this.path, name);
  }

  /**
   * A name in this folder for a file that somebody else may delete while the machine needs it: templates, kernels. Where
   * the file systems are different ones it stays as it is.
   */
  async keep(path: string, name: string): Promise<string> {
    const own = this.file(name);
    await rm(own, { force: true });
    try {
      await link(path, own);
      return own;
    } catch (error) {
      if (systemErrorCode(error) === 'EXDEV') return path;
      throw error;
    }
  }
}
