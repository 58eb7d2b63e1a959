import { FieldWriter } from '../base/index.ts';

/**
 * The plan that `berth-vm run` carries out, and what the monitor of a running machine can be asked;
 * `native/common/vm-plan.h` is the same and says what each field and message means.
 */

/** The plan's name in the bundle folder. */
export const VM_PLAN_FILE = 'vm.plan';

/** The control socket's name in the runtime's folder of a machine. */
export const VM_CONTROL_SOCKET = 'control';

/** In the bundle: "1" once the guest's kernel has killed a process for want of memory. */
export const VM_OUT_OF_MEMORY_FILE = 'out-of-memory';

/** QEMU's descriptors. */
export const VM_AGENT_DESCRIPTOR = 3;
export const VM_QMP_DESCRIPTOR = 4;
export const VM_STATE_DESCRIPTOR = 5;
export const VM_GUEST_AGENT_DESCRIPTOR = 6;
export const VM_FILE_SERVER_DESCRIPTOR = 7;
export const VM_MEMORY_DESCRIPTOR = 8;
export const VM_TAP_DESCRIPTOR = 10;

export const vmPlanTag = {
  machine: 1,
  uidBase: 2,
  network: 3,
  tap: 4,
  cgroup: 5,
  setup: 6,
  process: 7,
  lease: 8,
} as const;

export const vmLeaseTag = {
  interface: 1,
  mac: 2,
  address: 3,
  router: 4,
  server: 5,
  serverMac: 6,
  hostname: 7,
  search: 8,
} as const;

export const vmMachineTag = {
  program: 1,
  argument: 2,
  file: 3,
  qmp: 4,
  await: 5,
  state: 6,
  templateMemory: 7,
  bootTimeout: 8,
  fileServer: 9,
  memory: 10,
  fileSize: 11,
} as const;

export const vmFileTag = { hostPath: 1, name: 2, writable: 3, idmap: 4 } as const;

export const vmAwaitTag = { event: 1, word: 2 } as const;

export const vmCgroupTag = { folder: 1, setting: 2 } as const;

export const vmSettingTag = { file: 1, value: 2 } as const;

export const vmControl = {
  exec: 0x40,
  stream: 0x41,
  pause: 0x42,
  resume: 0x43,
  state: 0x44,
  qmp: 0x45,
  events: 0x46,
  agent: 0x47,
  stateIs: 0xc4,
  qmpReturn: 0xc5,
  event: 0xc6,
} as const;

export const vmStateTag = { pid: 1, machine: 2, ready: 3, started: 4, passedOver: 5 } as const;

/** A container's virtual machine, or, without `setup` and `process`, a computer. */
export interface VmPlan {
  /** Tried in order: the first one that boots is the machine. At least one. */
  readonly machines: readonly VmMachine[];
  /** The host's user and group that are root in QEMU's user namespace; 65,536 of them are the machine's own. */
  readonly uidBase: number;
  readonly network: VmNetwork | undefined;
  readonly cgroups: readonly VmCgroup[];
  /** Payload of the guest protocol's SETUP without time and seed. */
  readonly setup?: Uint8Array;
  /** Payload of the guest protocol's START. */
  readonly process?: Uint8Array;
}

/** A program that runs in a root of its own. */
export interface VmProgram {
  /** Its path in that root. */
  readonly program: string;
  readonly args: readonly string[];
  /** All that its root holds. */
  readonly files: readonly VmFile[];
}

/** The program is QEMU. */
export interface VmMachine extends VmProgram {
  /** Serves folders to the guest by virtiofs, beside QEMU. */
  readonly fileServer?: VmProgram;
  readonly script: readonly VmStep[];
  /** A file on the host, for descriptor 5. */
  readonly state: string | undefined;
  /** The name of a file that QEMU wants to write and must not. */
  readonly templateMemory: string | undefined;
  /** A file on the host, of which descriptor 8 is a copy in memory. */
  readonly memory?: string;
  /** Bytes: none of QEMU's files becomes longer, as none of what it has to do makes one longer; undefined: they may. */
  readonly fileSizeLimit?: number | undefined;
  /** Milliseconds until the guest must be ready. */
  readonly bootTimeout: number;
}

export interface VmFile {
  readonly hostPath: string;
  readonly name: string;
  readonly writable?: boolean;
  /** Owners on the host are owners in QEMU's user namespace. */
  readonly idmap?: boolean;
}

export type VmStep =
  | { readonly command: { readonly execute: string; readonly arguments?: Record<string, unknown> } }
  | { readonly event: string; readonly words: readonly string[] };

export interface VmNetwork {
  /** Path of a network namespace. */
  readonly namespace: string;
  /** Its interfaces, each joined to a tap device. */
  readonly interfaces: readonly string[];
  /** Of computers: what the guest is told about its cards, by DHCP. */
  readonly leases?: readonly VmLease[];
}

/** Addresses are IPv4 in their usual notation. */
export interface VmLease {
  /** One of the network's interfaces; its addresses in the namespace are taken away. */
  readonly interface: string;
  /** Of the guest's card: nobody else is answered. */
  readonly macAddress: string;
  /** With the length of the network's prefix: 10.0.0.2/16. */
  readonly address: string;
  readonly router: string | undefined;
  /** Who answers to DHCP and to DNS: the router's address, or one that nobody has. */
  readonly server: string;
  /** Of the router, if `server` is its address. */
  readonly serverMacAddress: string | undefined;
  readonly hostname: string | undefined;
  readonly search: readonly string[];
}

export interface VmCgroup {
  readonly folder: string;
  readonly settings: readonly { readonly file: string; readonly value: string }[];
}

/** The content of {@link VM_PLAN_FILE}. */
export function encodeVmPlan(plan: VmPlan): Buffer {
  const fields = new FieldWriter();
  for (const machine of plan.machines) fields.bytes(vmPlanTag.machine, encodeMachine(machine));
  fields.number(vmPlanTag.uidBase, plan.uidBase);
  if (plan.network !== undefined) fields.text(vmPlanTag.network, plan.network.namespace);
  for (const name of plan.network?.interfaces ?? []) fields.text(vmPlanTag.tap, name);
  for (const cgroup of plan.cgroups) fields.bytes(vmPlanTag.cgroup, encodeCgroup(cgroup));
  if (plan.setup !== undefined) fields.bytes(vmPlanTag.setup, plan.setup);
  if (plan.process !== undefined) fields.bytes(vmPlanTag.process, plan.process);
  for (const lease of plan.network?.leases ?? []) fields.bytes(vmPlanTag.lease, encodeLease(lease));
  return fields.finish();
}

function encodeLease(lease: VmLease): Buffer {
  const fields = new FieldWriter()
    .text(vmLeaseTag.interface, lease.interface)
    .text(vmLeaseTag.mac, lease.macAddress)
    .text(vmLeaseTag.address, lease.address);
  if (lease.router !== undefined) fields.text(vmLeaseTag.router, lease.router);
  fields.text(vmLeaseTag.server, lease.server);
  if (lease.serverMacAddress !== undefined) fields.text(vmLeaseTag.serverMac, lease.serverMacAddress);
  if (lease.hostname !== undefined) fields.text(vmLeaseTag.hostname, lease.hostname);
  for (const domain of lease.search) fields.text(vmLeaseTag.search, domain);
  return fields.finish();
}

function encodeMachine(machine: VmMachine): Buffer {
  const fields = programFields(machine);
  if (machine.fileServer !== undefined) {
    fields.bytes(vmMachineTag.fileServer, programFields(machine.fileServer).finish());
  }
  for (const step of machine.script) encodeStep(fields, step);
  if (machine.state !== undefined) fields.text(vmMachineTag.state, machine.state);
  if (machine.templateMemory !== undefined) fields.text(vmMachineTag.templateMemory, machine.templateMemory);
  if (machine.memory !== undefined) fields.text(vmMachineTag.memory, machine.memory);
  if (machine.fileSizeLimit !== undefined) fields.number(vmMachineTag.fileSize, machine.fileSizeLimit);
  return fields.number(vmMachineTag.bootTimeout, machine.bootTimeout).finish();
}

function programFields({ program, args, files }: VmProgram): FieldWriter {
  const fields = new FieldWriter().text(vmMachineTag.program, program);
  for (const argument of args) fields.text(vmMachineTag.argument, argument);
  for (const file of files) fields.bytes(vmMachineTag.file, encodeFile(file));
  return fields;
}

function encodeFile(file: VmFile): Buffer {
  const fields = new FieldWriter().text(vmFileTag.hostPath, file.hostPath).text(vmFileTag.name, file.name);
  if (file.writable === true) fields.number(vmFileTag.writable, 1);
  if (file.idmap === true) fields.number(vmFileTag.idmap, 1);
  return fields.finish();
}

function encodeStep(fields: FieldWriter, step: VmStep): void {
  if ('command' in step) {
    fields.text(vmMachineTag.qmp, JSON.stringify(step.command));
    return;
  }
  const awaited = new FieldWriter().text(vmAwaitTag.event, step.event);
  for (const word of step.words) awaited.text(vmAwaitTag.word, word);
  fields.bytes(vmMachineTag.await, awaited.finish());
}

function encodeCgroup(cgroup: VmCgroup): Buffer {
  const fields = new FieldWriter().text(vmCgroupTag.folder, cgroup.folder);
  for (const { file, value } of cgroup.settings) {
    const setting = new FieldWriter().text(vmSettingTag.file, file).text(vmSettingTag.value, value);
    fields.bytes(vmCgroupTag.setting, setting.finish());
  }
  return fields.finish();
}
