import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { AttachSession, Supervisor, SupervisorPlan } from '../../src/runtime/contract.ts';
import { ended, readUntil, TestInstance } from '../../src/runtime/test-instance.ts';
import { ComputerControl } from '../../src/vm/computer/control.ts';
import { MachineControl } from '../../src/vm/control.ts';
import { type Hypervisor, Hypervisors } from '../../src/vm/hypervisor.ts';
import {
  encodeVmPlan,
  VM_AGENT_DESCRIPTOR,
  VM_GUEST_AGENT_DESCRIPTOR,
  VM_QMP_DESCRIPTOR,
  type VmFile,
  type VmLease,
  type VmMachine,
} from '../../src/vm/vm-plan.ts';
import { UID_BASE } from '../vm/hand-made-machine.ts';

/** What a computer boots: QEMU's arguments beside its channels, and the files that they name. */
export interface ComputerSystem {
  readonly args: readonly string[];
  readonly files: readonly VmFile[];
}

export interface ComputerOptions {
  readonly plan?: Partial<SupervisorPlan>;
  /** What is tried in place of a computer that boots. */
  readonly machines?: (good: VmMachine) => readonly VmMachine[];
  /** For interfaces of the plan's network, whose taps are the computer's cards. */
  readonly leases?: readonly VmLease[];
}

/** Computers without berthd: a supervisor whose OCI runtime is berth-vm, and a plan that is written here. */
export class HandMadeComputers implements AsyncDisposable {
  readonly instance: TestInstance;
  readonly #program: string;
  readonly #hypervisor: Hypervisor;

  static async create(): Promise<HandMadeComputers> {
    const native = process.env.BERTH_NATIVE_DIRECTORY ?? join(import.meta.dirname, '../../native/build');
    const program = join(native, 'berth-vm');
    const hypervisor = await new Hypervisors(process.env.PATH ?? '').find();
    return new HandMadeComputers(await TestInstance.create(program), program, hypervisor);
  }

  private constructor(instance: TestInstance, program: string, hypervisor: Hypervisor) {
    this.instance = instance;
    this.#program = program;
    this.#hypervisor = hypervisor;
  }

  /** A supervisor with the plan of a computer in its bundle. */
  async prepare(
    system: ComputerSystem,
    options: ComputerOptions = {},
  ): Promise<{ supervisor: Supervisor; plan: SupervisorPlan }> {
    const plan = await this.instance.plan({ terminal: true, openStdin: true, ...options.plan });
    const supervisor = await this.instance.launcher.launch(plan);
    const machine = this.#machine(system);
    const { leases = [] } = options;
    const interfaces = leases.map((lease) => lease.interface);
    const content = encodeVmPlan({
      machines: options.machines?.(machine) ?? [machine],
      uidBase: UID_BASE,
      network: plan.network === undefined ? undefined : { namespace: plan.network.path, interfaces, leases },
      cgroups: [],
    });
    await writeFile(join(plan.directory, 'vm.plan'), content);
    return { supervisor, plan };
  }

  /** Starts a computer, attached to its console. */
  async start(system: ComputerSystem, options: ComputerOptions = {}): Promise<RunningComputer> {
    const { supervisor, plan } = await this.prepare(system, options);
    const session = await supervisor.attach({ stdin: true, stdout: true, stderr: true });
    const { pid } = await supervisor.run();
    return new RunningComputer(supervisor, plan, session, pid, this.#program);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.instance[Symbol.asyncDispose]();
  }

  #machine(system: ComputerSystem): VmMachine {
    return {
      program: this.#hypervisor.path,
      args: [
        ...['-nodefaults', '-no-user-config', '-display', 'none', '-accel', 'tcg', '-S'],
        ...['-chardev', `socket,id=qmp,fd=${VM_QMP_DESCRIPTOR}`, '-mon', 'chardev=qmp,mode=control'],
        ...['-chardev', `socket,id=console,fd=${VM_AGENT_DESCRIPTOR}`, '-serial', 'chardev:console'],
        ...['-chardev', `socket,id=agent,fd=${VM_GUEST_AGENT_DESCRIPTOR}`],
        ...['-sandbox', 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny'],
        ...system.args,
      ],
      files: [...this.#hypervisor.files, ...system.files],
      script: [{ command: { execute: 'qmp_capabilities' } }, { command: { execute: 'cont' } }],
      state: undefined,
      templateMemory: undefined,
      bootTimeout: 60_000,
    };
  }
}

export class RunningComputer {
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

  /** What the console shows up to these words, after what was waited for before. */
  shows(words: string): Promise<string> {
    return readUntil(this.session, words);
  }

  async kill(): Promise<void> {
    await this.supervisor.signal(9);
    await ended(this.supervisor);
  }
}
