import type { Readable } from 'node:stream';
import type { ExportedMachine, ImportedMachine, MachineArchives, MachineDisks } from './contract.ts';
import { exportMachine } from './export-machine.ts';
import { importMachine } from './import-machine.ts';
import type { QemuImg } from './qemu-img.ts';

export interface ArchiveParts {
  /** Emptied by each start of berthd, and on the file system of the machines: <data root>/tmp. */
  readonly temporary: string;
  readonly disks: MachineDisks;
  readonly qemuImg: QemuImg;
}

/** Machines as tars. */
export class TarArchives implements MachineArchives {
  readonly #parts: ArchiveParts;

  constructor(parts: ArchiveParts) {
    this.#parts = parts;
  }

  export(machine: ExportedMachine, signal?: AbortSignal): Promise<Readable> {
    return exportMachine(machine, this.#parts.temporary, this.#parts.disks, signal);
  }

  import(archive: Readable, signal?: AbortSignal): Promise<ImportedMachine> {
    return importMachine(archive, this.#parts.temporary, this.#parts.qemuImg, signal);
  }
}
