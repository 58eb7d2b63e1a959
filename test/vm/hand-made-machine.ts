import { spawnSync } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { AttachSession, ExecSession, Supervisor, SupervisorPlan } from '../../src/runtime/contract.ts';
import { makeErofs, TestInstance } from '../../src/runtime/test-instance.ts';
import { hostArchitecture } from '../../src/vm/architecture.ts';
import { MachineControl } from '../../src/vm/control.ts';
import { BARE_SETUP, type GuestSetup, setupPayload, startPayload } from '../../src/vm/from-spec.ts';
import { type GuestInitramfs, GuestInitramfses } from '../../src/vm/guest-initramfs.ts';
import { type Hypervisor, Hypervisors } from '../../src/vm/hypervisor.ts';
import { type Kernel, Kernels } from '../../src/vm/kernel.ts';
import { type LayerDisk, writeLayerDisk } from '../../src/vm/layer-disk.ts';
import { bootSteps, machineArguments } from '../../src/vm/machine-arguments.ts';
import { encodeVmPlan, type VmFile, type VmMachine } from '../../src/vm/vm-plan.ts';

const KERNELS = `${process.env.BERTH_CACHE ?? '/var/cache/berth'}/machine-kernels`;

/** All capabilities: what these machines may do is not what is tested. */
const ALL_CAPABILITIES = (1n << 41n) - 1n;

/** The users of the machines of these tests: no other test has them. */
export const UID_BASE = 1_879_048_192;

export interface MachineOptions {
  readonly args?: readonly string[];
  readonly plan?: Partial<SupervisorPlan>;
  readonly setup?: Partial<GuestSetup>;
  /** Interfaces of the container's network that are the guest's cards. */
  readonly interfaces?: readonly string[];
  readonly shares?: readonly VmFile[];
  /** What is tried in place of a machine that boots. */
  readonly machines?: (good: VmMachine) => readonly VmMachine[];
}

/** What a session or an execution is asked for, most of the time. */
export const OUTPUT = { stdin: false, stdout: true, stderr: true, terminal: false };

/** A process of a guest, as `Supervisor.exec` takes it. */
export function guestProcess(
  args: readonly string[],
  { terminal = false, stdin = false, uid = 0 }: { terminal?: boolean; stdin?: boolean; uid?: number } = {},
): Buffer {
  const user = { uid, gid: uid, additionalGids: [] };
  const process = { args, env: ['PATH=/bin'], cwd: '/', user, terminal, noNewPrivileges: false };
  return startPayload(process, { capabilities: uid === 0 ? ALL_CAPABILITIES : 0n, stdin });
}

/**
 * Virtual machines without berthd: a supervisor whose OCI runtime is berth-vm, and a plan that is written here, which boots
 * a kernel for busybox.
 */
export class HandMadeMachines implements AsyncDisposable {
  readonly instance: TestInstance;
  readonly #kernel: Kernel;
  readonly #initramfs: GuestInitramfs;
  readonly #hypervisor: Hypervisor;
  readonly #disk: LayerDisk;
  readonly #empty: string;
  readonly #counterKilohertz: number;

  static async create(): Promise<HandMadeMachines> {
    const native = process.env.BERTH_NATIVE_DIRECTORY ?? join(import.meta.dirname, '../../native/build');
    const program = join(native, 'berth-vm');
    const instance = await TestInstance.create(program);
    const kernel = await new Kernels({ cache: KERNELS, configuration: '/nonexistent' }).find(undefined);
    const initramfs = await new GuestInitramfses(join(instance.folder, 'initramfs'), native).for(kernel);
    const hypervisor = await new Hypervisors(process.env.PATH ?? '').find();
    const layer = join(instance.folder, 'layer.erofs');
    await makeErofs(instance.layer, layer);
    const disk = join(instance.folder, 'disk');
    const empty = join(instance.folder, 'empty');
    for (const folder of [disk, empty]) await mkdir(folder);
    const counter = Number(spawnSync(program, ['measure-tsc']).stdout.toString());
    return new HandMadeMachines(instance, {
      kernel,
      initramfs,
      hypervisor,
      disk: await writeLayerDisk(disk, [layer]),
      empty,
      counter,
    });
  }

  private constructor(
    instance: TestInstance,
    parts: {
      kernel: Kernel;
      initramfs: GuestInitramfs;
      hypervisor: Hypervisor;
      disk: LayerDisk;
      empty: string;
      counter: number;
    },
  ) {
    this.instance = instance;
    this.#kernel = parts.kernel;
    this.#initramfs = parts.initramfs;
    this.#hypervisor = parts.hypervisor;
    this.#disk = parts.disk;
    this.#empty = parts.empty;
    this.#counterKilohertz = parts.counter;
  }

  /** A supervisor with the plan of a machine in its bundle. */
  async prepare(options: MachineOptions = {}): Promise<{ supervisor: Supervisor; plan: SupervisorPlan }> {
    const plan = await this.instance.plan(options.plan);
    const supervisor = await this.instance.launcher.launch(plan);
    await writeFile(join(plan.directory, 'vm.plan'), this.#plan(plan, options));
    return { supervisor, plan };
  }

  /** Boots a machine, attached to its output. */
  async start(options: MachineOptions): Promise<RunningMachine> {
    const { supervisor, plan } = await this.prepare(options);
    const session = await supervisor.attach({ stdin: plan.openStdin, stdout: true, stderr: true });
    const { pid } = await supervisor.run();
    return new RunningMachine(supervisor, plan, session, pid);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.instance[Symbol.asyncDispose]();
  }

  #plan(plan: SupervisorPlan, options: MachineOptions): Buffer {
    const interfaces = options.interfaces ?? [];
    const machine = this.#machine(interfaces.length, options.shares ?? []);
    return encodeVmPlan({
      machines: options.machines?.(machine) ?? [machine],
      uidBase: UID_BASE,
      network: plan.network === undefined ? undefined : { namespace: plan.network.path, interfaces },
      cgroups: [],
      setup: setupPayload({ ...BARE_SETUP, ...options.setup }),
      process: guestProcess(options.args ?? ['true'], { terminal: plan.terminal, stdin: plan.openStdin }),
    });
  }

  #machine(cards: number, shares: readonly VmFile[]): VmMachine {
    const architecture = hostArchitecture().name;
    const memory = 192 * 1024 ** 2;
    const shape = { architecture, accelerator: 'tcg', processors: 1, memory, cards } as const;
    const boot = { kernel: '/kernel', initramfs: '/initramfs', counterKilohertz: this.#counterKilohertz };
    const { descriptor, extents } = this.#disk;
    return {
      program: this.#hypervisor.path,
      args: machineArguments(
        shape,
        { kind: 'cold', boot, shares: shares.length > 0 ? '9p' : undefined },
        { kind: '9p', folder: '/shares' },
      ),
      files: [
        ...this.#hypervisor.files,
        { hostPath: this.#kernel.path, name: '/kernel', idmap: true },
        { hostPath: this.#initramfs.path, name: '/initramfs', idmap: true },
        ...[descriptor, ...extents].map(({ path, name }) => ({
          hostPath: path,
          name: `/disk/${name}`,
          idmap: true,
        })),
        ...(shares.length === 0 ? [{ hostPath: this.#empty, name: '/shares' }] : shares),
      ],
      script: bootSteps({ layers: `/disk/${descriptor.name}`, writable: undefined }),
      state: undefined,
      templateMemory: undefined,
      bootTimeout: 60_000,
    };
  }
}

export class RunningMachine {
  readonly supervisor: Supervisor;
  readonly plan: SupervisorPlan;
  readonly session: AttachSession;
  /** Of the monitor. */
  readonly pid: number;
  readonly control: MachineControl;

  constructor(supervisor: Supervisor, plan: SupervisorPlan, session: AttachSession, pid: number) {
    this.supervisor = supervisor;
    this.plan = plan;
    this.session = session;
    this.pid = pid;
    this.control = new MachineControl(join(plan.runtime.root, plan.id));
  }

  /** QEMU is the monitor's only child. */
  async qemu(): Promise<number> {
    const children = await readFile(`/proc/${this.pid}/task/${this.pid}/children`, 'utf8');
    return Number(children);
  }

  exec(args: readonly string[]): Promise<ExecSession> {
    return this.supervisor.exec(guestProcess(args), OUTPUT);
  }
}

/** What a process has in memory that nobody else has. */
export async function privateKilobytes(pid: number): Promise<number> {
  const rollup = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8');
  const sizes = [...rollup.matchAll(/^Private_\w+:\s+(\d+) kB/gm)].map(([, size]) => Number(size));
  return sizes.reduce((sum, size) => sum + size, 0);
}
