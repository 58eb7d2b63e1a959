import { readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  asBerthError,
  type ContainerId,
  errorMessage,
  invalid,
  systemErrorCode,
  type Timeline,
} from '../base/index.ts';
import { type ArchitectureName, architectureNamed, architectureNames } from './architecture.ts';
import type {
  Accelerator,
  Allotment,
  MachineHost,
  MachineRequest,
  MachineStart,
  MachineStorage,
  Part,
  PreparedMachine,
  VirtualMachines,
  WantedResources,
} from './contract.ts';
import { GuestInitramfses } from './guest-initramfs.ts';
import type { Hypervisor } from './hypervisor.ts';
import { type Kernel, Kernels } from './kernel.ts';
import type { Boot, MachineShape } from './machine-arguments.ts';
import { MachineFolder } from './machine-folder.ts';
import {
  coldMachine,
  type MachineBody,
  type MachineFiles,
  machineFiles,
  warmMachine,
} from './machine-plan.ts';
import { QemuHost } from './qemu-host.ts';
import { allotResources } from './resources.ts';
import { type Template, type TemplateBasis, Templates } from './template.ts';
import { encodeVmPlan, VM_PLAN_FILE } from './vm-plan.ts';
import { WritableDisks } from './writable-disk.ts';

export interface MachinePlaces {
  /** Everything that machines share is kept below its folder `vm`. */
  readonly dataRoot: string;
  /** For sockets, which need a short path. */
  readonly execRoot: string;
  /** Where berth's native programs are. */
  readonly nativeDirectory: string;
  /** /etc/berth: may hold a kernel. */
  readonly configuration: string;
}

/** What a machine on this host stands on. */
interface Foundation extends TemplateBasis {
  readonly hypervisor: Hypervisor;
  readonly accelerator: Accelerator;
  readonly kernel: Kernel;
  readonly boot: Boot;
}

/** The virtual machines of an instance: QEMU's, each from a template where that is possible. */
export class QemuMachines implements VirtualMachines, AsyncDisposable {
  readonly runtime: VirtualMachines['runtime'];
  readonly architectures = architectureNames();
  readonly #folder: string;
  readonly #host: QemuHost;
  readonly #kernels: Kernels;
  readonly #initramfs: GuestInitramfses;
  readonly #templates: Templates;
  readonly #disks: WritableDisks;

  /** `host`: of all that the instance runs by QEMU. */
  constructor(places: MachinePlaces, host = qemuHostOf(places)) {
    const folder = machinesFolder(places);
    this.runtime = { path: host.program, args: [] };
    this.#folder = folder;
    this.#host = host;
    this.#kernels = new Kernels({ cache: join(folder, 'kernels'), configuration: places.configuration });
    this.#initramfs = new GuestInitramfses(join(folder, 'initramfs'), places.nativeDirectory);
    this.#templates = new Templates(join(folder, 'templates'), places.execRoot);
    this.#disks = new WritableDisks(join(folder, 'disks'));
  }

  async describe(name: ArchitectureName, signal?: AbortSignal): Promise<MachineHost> {
    const architecture = architectureNamed(name);
    const [accelerator, hypervisor, kernel, programs] = await Promise.all([
      this.#host.probe.accelerator(architecture).catch((error: unknown) => {
        return { name: 'tcg', why: errorMessage(error) } as const;
      }),
      part<Pick<Hypervisor, 'path' | 'version'>>(async () => {
        const { path, version } = await this.#host.hypervisor(architecture, signal);
        return { state: 'ready', path, version };
      }),
      part<{ readonly release: string; readonly path: string }>(() =>
        this.#kernels.look(architecture, signal),
      ),
      part<{ readonly path: string }>(async () => {
        return { state: 'ready', path: await this.#initramfs.programs(architecture) };
      }),
    ]);
    return { accelerator, hypervisor, kernel, programs };
  }

  allot(wanted: WantedResources, running: readonly Allotment[]): Allotment {
    return allotResources(wanted, running, this.#host.resources());
  }

  async prepare(request: MachineRequest, timeline: Timeline, signal?: AbortSignal): Promise<PreparedMachine> {
    const folder = await MachineFolder.open(request.directory);
    const parts = [
      this.#source(request, timeline, signal),
      timeline.step('disks', () => machineFiles(request, folder, this.#disks, signal)),
    ] as const;
    await Promise.allSettled(parts); // when one fails, the other must not go on in a folder that is removed
    const [found, files] = await Promise.all(parts);
    await timeline.step('plan', () => this.#writePlan(request, folder, found, files));
    const { accelerator, kernel, source } = found;
    return { accelerator, kernelRelease: kernel.version, start: startOf(source) };
  }

  async discardTemplate(key: string): Promise<void> {
    await this.#templates.discard(key);
  }

  async release(id: ContainerId): Promise<void> {
    await this.#host.users.release(id);
  }

  async usage(): Promise<MachineStorage> {
    const { all, stale } = await this.#templates.usage(await this.#presentBases());
    const kernels = await sizeOf(join(this.#folder, 'kernels'));
    return { kernels, templates: all, reclaimable: stale };
  }

  async prune(): Promise<number> {
    return this.#templates.prune(await this.#presentBases());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#templates[Symbol.asyncDispose]();
  }
  async #source(request: MachineRequest, timeline: Timeline, signal?: AbortSignal): Promise<FoundMachine> {
    const foundation = await timeline.step('kernel', () => this.#foundation(request, signal));
    const { accelerator, kernel } = foundation;
    requireTransport(kernel, request);
    const shape = shapeOf(request, accelerator);
    const source = await timeline.step('template', () => this.#template(shape, foundation, signal));
    return { ...foundation, shape, source };
  }

  async #foundation(
    wanted: Pick<MachineRequest, 'architecture' | 'kernel'>,
    signal?: AbortSignal,
  ): Promise<Foundation> {
    const architecture = architectureNamed(wanted.architecture);
    const hypervisor = await this.#host.hypervisor(architecture, signal);
    await this.#initramfs.programs(architecture); // before a kernel is fetched for nothing
    const [accelerator, counterKilohertz, processor, kernel] = await Promise.all([
      this.#host.probe.accelerator(architecture),
      architecture.countsByHost ? this.#host.probe.counterKilohertz() : undefined,
      this.#host.probe.processor(),
      this.#kernels.find(wanted.kernel, architecture, signal),
    ]);
    const initramfs = await this.#initramfs.for(kernel, architecture);
    return {
      ...{ hypervisor, accelerator, processor, kernel },
      kernelDigest: kernel.digest,
      initramfsDigest: initramfs.digest,
      boot: { kernel: kernel.path, initramfs: initramfs.path, counterKilohertz },
    };
  }

  /** What new machines of the default kernels stand on; nothing for an architecture of which something is missing or not fetched yet. */
  async #presentBases(): Promise<readonly TemplateBasis[]> {
    const bases = this.architectures.map(async (architecture) => {
      const { hypervisor, kernel, programs } = await this.describe(architecture);
      if ([hypervisor, kernel, programs].some(({ state }) => state !== 'ready')) return [];
      return [await this.#foundation({ architecture, kernel: undefined })];
    });
    return (await Promise.all(bases)).flat();
  }

  /** Whatever prevents a template, the machine can still boot by itself. */
  async #template(shape: MachineShape, foundation: Foundation, signal?: AbortSignal): Promise<Source> {
    try {
      return { template: await this.#templates.provide({ ...foundation, shape }, signal) };
    } catch (error) {
      signal?.throwIfAborted();
      return { template: undefined, why: errorMessage(error) };
    }
  }

  async #writePlan(
    request: MachineRequest,
    folder: MachineFolder,
    { hypervisor, shape, boot, source: { template } }: FoundMachine,
    files: MachineFiles,
  ): Promise<void> {
    const body: MachineBody = { ...files, hypervisor, shape };
    const warm = template === undefined ? [] : [await warmMachine(body, template, folder)];
    const plan = encodeVmPlan({
      machines: [...warm, await coldMachine(body, boot, folder)],
      uidBase: await this.#host.users.take(request.id),
      network: request.network,
      cgroups: request.controlGroups,
      setup: request.setup,
      process: request.process,
    });
    await writeFile(join(request.directory, VM_PLAN_FILE), plan, { mode: 0o600 });
  }
}

/** What computers of the same instance are to stand on, too. */
export function qemuHostOf(places: MachinePlaces): QemuHost {
  return new QemuHost(machinesFolder(places), places.nativeDirectory);
}

function machinesFolder({ dataRoot }: MachinePlaces): string {
  return join(dataRoot, 'vm');
}

interface FoundMachine extends Foundation {
  readonly shape: MachineShape;
  readonly source: Source;
}

/** What a machine starts from; without a template it boots. */
type Source = { readonly template: Template } | { readonly template: undefined; readonly why: string };

function startOf(source: Source): MachineStart {
  if (source.template === undefined) return { kind: 'cold', why: source.why };
  return { kind: 'warm', template: source.template.key };
}

function shapeOf({ architecture, allotment, network }: MachineRequest, { name }: Accelerator): MachineShape {
  return { ...allotment, architecture, accelerator: name, cards: network?.interfaces.length ?? 0 };
}

function requireTransport(kernel: Kernel, { shares: [first], shareTransport }: MachineRequest): void {
  if (first === undefined || kernel.transports.includes(shareTransport)) return;
  throw invalid(`${first.path} cannot be shared: the kernel ${kernel.version} has no ${shareTransport}`, {
    hint: 'Leave out --kernel to have a kernel that shares folders',
  });
}

async function part<T>(find: () => Promise<Part<T>>): Promise<Part<T>> {
  try {
    return await find();
  } catch (error) {
    const { message, hint = '' } = asBerthError(error);
    return { state: 'missing', why: message, hint };
  }
}

/** Bytes on disk of the files in the folders of a folder. */
async function sizeOf(directory: string): Promise<number> {
  const entries = await readdir(directory, { recursive: true }).catch((error: unknown) => {
    if (systemErrorCode(error) === 'ENOENT') return [];
    throw error;
  });
  const sizes = entries.map(async (name) => (await stat(join(directory, name))).blocks * 512);
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}
