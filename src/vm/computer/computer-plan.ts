import { type QemuParts, qemuProgram } from '../qemu-program.ts';
import type { VmFile, VmMachine } from '../vm-plan.ts';
import { beginSteps, type ComputerFiles, computerArguments, guestUuid } from './arguments.ts';
import type { ComputerLayout, ComputerRequest } from './contract.ts';
import type { UefiFirmware } from './firmware.ts';

/** To read the state of a large memory takes a slow disk its time; a computer that boots runs at once. */
const START_TIMEOUT_MS = 120_000;

/** What a computer consists of, beside what is asked for. */
export interface ComputerBody {
  readonly hypervisor: QemuParts;
  readonly uefi: UefiFirmware | undefined;
  readonly layout: ComputerLayout;
}

/** The one way in which a computer starts. */
export function computerMachine(request: ComputerRequest, body: ComputerBody): VmMachine {
  const { hypervisor, layout } = body;
  const { files, inside } = filesInRoot(request, body.uefi);
  const begin = request.resume === undefined ? 'boot' : 'resume';
  const args = computerArguments(layout, inside, guestUuid(request.id), begin);
  return {
    ...qemuProgram(hypervisor, layout.accelerator, args, files),
    script: beginSteps(begin),
    state: request.resume?.state,
    templateMemory: undefined,
    bootTimeout: START_TIMEOUT_MS,
  };
}

interface FilesInRoot {
  readonly files: readonly VmFile[];
  /** By the names that they have there. */
  readonly inside: ComputerFiles;
}

/** The files that QEMU's root has for a computer, each once. */
function filesInRoot(request: ComputerRequest, uefi: UefiFirmware | undefined): FilesInRoot {
  const root = new Root();
  const disks = request.disks.map(({ name, path, backing }) => ({
    name,
    path: root.add(path, `/disks/${name}`, 'written'),
    backing: backing.map((image) => ({ ...image, path: root.addImage(image.path) })),
  }));
  const media = request.media.map((medium) => {
    return { ...medium, path: root.add(medium.path, `/media/${medium.name}`, 'read') };
  });
  const flash = uefi && {
    code: root.addPublic(uefi.code, '/firmware/code'),
    variables: root.add(request.variables, '/firmware/variables', 'written'),
  };
  return { files: root.files, inside: { disks, media, flash } };
}

class Root {
  readonly #files: VmFile[] = [];
  readonly #images = new Map<string, string>();

  get files(): readonly VmFile[] {
    return this.#files;
  }

  /** Returns `name`. Files of the host's root are root's for QEMU, too, which is another user. */
  add(hostPath: string, name: string, use: 'read' | 'written'): string {
    this.#files.push({ hostPath, name, writable: use === 'written', idmap: true });
    return name;
  }

  /** What everybody on the host may read. */
  addPublic(hostPath: string, name: string): string {
    this.#files.push({ hostPath, name });
    return name;
  }

  /** Several disks may stand on the same one. */
  addImage(hostPath: string): string {
    const known = this.#images.get(hostPath);
    if (known !== undefined) return known;
    const name = this.add(hostPath, `/images/${this.#images.size}`, 'read');
    this.#images.set(hostPath, name);
    return name;
  }
}
