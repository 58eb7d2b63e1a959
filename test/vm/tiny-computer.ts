import { mkdtemp, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runChecked } from '../../src/base/index.ts';
import type { AttachSession, Supervisor, SupervisorPlan } from '../../src/runtime/contract.ts';
import { ended, TestInstance } from '../../src/runtime/test-instance.ts';
import { ComputerControl } from '../../src/vm/computer/control.ts';
import { MachineControl } from '../../src/vm/control.ts';
import { type Hypervisor, Hypervisors } from '../../src/vm/hypervisor.ts';
import {
  encodeVmPlan,
  VM_AGENT_DESCRIPTOR,
  VM_GUEST_AGENT_DESCRIPTOR,
  VM_QMP_DESCRIPTOR,
  type VmMachine,
} from '../../src/vm/vm-plan.ts';
import { UID_BASE } from './hand-made-machine.ts';

/** The disk of tiny-system.S; BIOSes want more than its one sector. */
const DISK_BYTES = 1024 ** 2;

export interface TinyOptions {
  readonly plan?: Partial<SupervisorPlan>;
  /** What is tried in place of a computer that boots. */
  readonly machines?: (good: VmMachine) => readonly VmMachine[];
}

/** Computers without berthd: a supervisor whose OCI runtime is berth-vm, and tiny-system.S, which boots in no time. */
export class TinyComputers implements AsyncDisposable {
  readonly instance: TestInstance;
  readonly #program: string;
  readonly #hypervisor: Hypervisor;
  readonly #disk: string;

  static async create(): Promise<TinyComputers> {
    const native = process.env.BERTH_NATIVE_DIRECTORY ?? join(import.meta.dirname, '../../native/build');
    const program = join(native, 'berth-vm');
    const instance = await TestInstance.create(program);
    const hypervisor = await new Hypervisors(process.env.PATH ?? '').find();
    const disk = await assemble(join(import.meta.dirname, 'tiny-system.S'), instance.folder);
    return new TinyComputers(instance, program, hypervisor, disk);
  }

  private constructor(instance: TestInstance, program: string, hypervisor: Hypervisor, disk: string) {
    this.instance = instance;
    this.#program = program;
    this.#hypervisor = hypervisor;
    this.#disk = disk;
  }

  /** A supervisor with the plan of a computer in its bundle. */
  async prepare(options: TinyOptions = {}): Promise<{ supervisor: Supervisor; plan: SupervisorPlan }> {
    const plan = await this.instance.plan({ terminal: true, openStdin: true, ...options.plan });
    const supervisor = await this.instance.launcher.launch(plan);
    const machine = this.#machine();
    const content = encodeVmPlan({
      machines: options.machines?.(machine) ?? [machine],
      uidBase: UID_BASE,
      network: undefined,
      cgroups: [],
    });
    await writeFile(join(plan.directory, 'vm.plan'), content);
    return { supervisor, plan };
  }

  /** Starts a computer, attached to its console. */
  async start(options: TinyOptions = {}): Promise<TinyComputer> {
    const { supervisor, plan } = await this.prepare(options);
    const session = await supervisor.attach({ stdin: true, stdout: true, stderr: true });
    const { pid } = await supervisor.run();
    return new TinyComputer(supervisor, plan, session, pid, this.#program);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.instance[Symbol.asyncDispose]();
  }

  #machine(): VmMachine {
    const disk = { driver: 'file', 'node-name': 'disk', filename: '/disk', 'read-only': true };
    return {
      program: this.#hypervisor.path,
      args: [
        ...[
          '-nodefaults',
          '-no-user-config',
          '-display',
          'none',
          '-M',
          'q35',
          '-accel',
          'tcg',
          '-m',
          '64M',
          '-S',
        ],
        ...['-chardev', `socket,id=qmp,fd=${VM_QMP_DESCRIPTOR}`, '-mon', 'chardev=qmp,mode=control'],
        ...['-chardev', `socket,id=console,fd=${VM_AGENT_DESCRIPTOR}`, '-serial', 'chardev:console'],
        ...['-chardev', `socket,id=agent,fd=${VM_GUEST_AGENT_DESCRIPTOR}`, '-serial', 'chardev:agent'],
        ...['-blockdev', JSON.stringify(disk), '-device', 'virtio-blk-pci,drive=disk', '-device', 'pvpanic'],
        ...['-sandbox', 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny'],
      ],
      files: [...this.#hypervisor.files, { hostPath: this.#disk, name: '/disk', idmap: true }],
      script: [{ command: { execute: 'qmp_capabilities' } }, { command: { execute: 'cont' } }],
      state: undefined,
      templateMemory: undefined,
      bootTimeout: 60_000,
    };
  }
}

/** The boot sector as a disk. */
async function assemble(source: string, folder: string): Promise<string> {
  const work = await mkdtemp(join(folder, 'tiny-'));
  const [object, disk] = [join(work, 'object'), join(work, 'disk')];
  await runChecked('gcc', ['-m32', '-c', '-o', object, source]);
  await runChecked('ld', ['-m', 'elf_i386', '-Ttext=0x7c00', '--oformat', 'binary', '-o', disk, object]);
  await truncate(disk, DISK_BYTES);
  return disk;
}

export class TinyComputer {
  readonly supervisor: Supervisor;
  readonly plan: SupervisorPlan;
  readonly session: AttachSession;
  /** Of the monitor. */
  readonly pid: number;
  readonly control: ComputerControl;
  /** The machine's folder of the monitor. */
  readonly folder: string;

  constructor(
    supervisor: Supervisor,
    plan: SupervisorPlan,
    session: AttachSession,
    pid: number,
    program: string,
  ) {
    this.supervisor = supervisor;
    this.plan = plan;
    this.session = session;
    this.pid = pid;
    this.folder = join(plan.runtime.root, plan.id);
    this.control = new ComputerControl(this.folder, program);
  }

  /** QEMU's process. */
  async qemu(): Promise<number> {
    const fields = await new MachineControl(this.folder).state();
    return fields.pid;
  }

  type(text: string): Promise<void> {
    return this.session.write(Buffer.from(text));
  }

  async kill(): Promise<void> {
    await this.supervisor.signal(9);
    await ended(this.supervisor);
  }
}
