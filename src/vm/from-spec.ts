import { FieldWriter, type RawJson } from '../base/index.ts';
import {
  fileTag,
  guestWorker,
  interfaceTag,
  mountTag,
  processTag,
  routeTag,
  setupTag,
} from './guest-protocol.ts';

/** A process as an OCI configuration has it (runtime-spec, config.md, "Process"), as far as a guest starts it. */
export interface GuestProcess {
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  readonly user: { readonly uid: number; readonly gid: number; readonly additionalGids: readonly number[] };
  readonly terminal: boolean;
  readonly consoleSize?: { readonly height: number; readonly width: number };
  readonly noNewPrivileges: boolean;
  readonly rlimits?: readonly {
    readonly type: string;
    readonly soft: number | RawJson;
    readonly hard: number | RawJson;
  }[];
}

/** What START says beside the process itself. */
export interface GuestProcessOptions {
  /** A mask as in capset(2), for the bounding, effective and permitted sets. */
  readonly capabilities: bigint;
  /** Whether input will come. */
  readonly stdin: boolean;
  /** A health check: it and what it starts are none of the machine's processes when that is stopped. */
  readonly probe?: boolean;
  /** Berth's init is PID 1 and starts the command. */
  readonly init?: boolean;
  /** The signal that ends it, for the guest's rule of who gets it; undefined: signals go to the process alone. */
  readonly stopSignal?: number;
}

/** The payload of START. Throws TypeError for a limit that Linux does not know. */
export function startPayload(process: GuestProcess, options: GuestProcessOptions): Buffer {
  const writer = new FieldWriter();
  for (const argument of process.args) writer.text(processTag.argument, argument);
  for (const variable of process.env) writer.text(processTag.environment, variable);
  const { uid, gid, additionalGids } = process.user;
  writer.text(processTag.directory, process.cwd).number(processTag.uid, uid).number(processTag.gid, gid);
  for (const group of additionalGids) writer.number(processTag.group, group);
  if (process.terminal) writer.number(processTag.terminal, 1);
  if (process.terminal && process.consoleSize !== undefined) {
    const { height, width } = process.consoleSize;
    writer.number(processTag.rows, height).number(processTag.columns, width);
  }
  if (options.stdin) writer.number(processTag.stdin, 1);
  for (const set of [processTag.bounding, processTag.effective, processTag.permitted]) {
    writer.number(set, options.capabilities);
  }
  if (process.noNewPrivileges) writer.number(processTag.noNewPrivileges, 1);
  for (const { type, soft, hard } of process.rlimits ?? []) {
    writer.bytes(processTag.rlimit, rlimitBytes(type, soft, hard));
  }
  if (options.probe === true) writer.number(processTag.probe, 1);
  if (options.init === true) writer.number(processTag.init, 1);
  if (options.stopSignal !== undefined) {
    writer.number(processTag.stopSignal, options.stopSignal).number(processTag.stopGroup, 1);
  }
  return writer.finish();
}

/** What a file worker has as its root: what the processes see, the same without its mounts, or what was written of it. */
export type WorkerPlace = Exclude<keyof typeof guestWorker, 'connect' | 'wait'>;

/** Payload of a START of berth's file worker, whose connection is the process's input and output. */
export function workerPayload(place: WorkerPlace): Buffer {
  return new FieldWriter().number(processTag.worker, guestWorker[place]).number(processTag.stdin, 1).finish();
}

/** Payload of a START in the place of a machine's own process: it ends with its input, and has nothing to do meanwhile. */
export function waitPayload(): Buffer {
  return new FieldWriter().number(processTag.worker, guestWorker.wait).number(processTag.stdin, 1).finish();
}

/** Payload of a START of a TCP connection inside the guest, to the first of the addresses that accepts it. */
export function connectPayload(port: number, addresses: readonly string[]): Buffer {
  const writer = new FieldWriter().number(processTag.worker, guestWorker.connect).number(processTag.stdin, 1);
  for (const argument of [String(port), ...addresses]) writer.text(processTag.argument, argument);
  return writer.finish();
}

/** As in the generic <asm/resource.h>: x86 and arm64 have the same. */
const RESOURCES = [
  ...['CPU', 'FSIZE', 'DATA', 'STACK', 'CORE', 'RSS', 'NPROC', 'NOFILE', 'MEMLOCK', 'AS', 'LOCKS'],
  ...['SIGPENDING', 'MSGQUEUE', 'NICE', 'RTPRIO', 'RTTIME'],
];

function rlimitBytes(type: string, soft: number | RawJson, hard: number | RawJson): Buffer {
  const resource = RESOURCES.indexOf(type.replace(/^RLIMIT_/, ''));
  if (resource < 0) throw new TypeError(`unknown limit ${type}`);
  const bytes = Buffer.alloc(24);
  bytes.writeBigUInt64LE(BigInt(resource), 0);
  bytes.writeBigUInt64LE(limitOf(soft), 8);
  bytes.writeBigUInt64LE(limitOf(hard), 16);
  return bytes;
}

/** Text is a number that JavaScript cannot hold. */
function limitOf(value: number | RawJson): bigint {
  return typeof value === 'number' ? BigInt(value) : BigInt(value.rawJSON);
}

/** A card of the guest, in the order of the machine's. */
export interface GuestInterface {
  /** The card's address at boot; undefined: the next card. */
  readonly card?: string;
  readonly macAddress: string;
  readonly name: string;
  readonly mtu: number;
  /** With prefix length. */
  readonly addresses: readonly string[];
}

export interface GuestRoute {
  /** Undefined: everything of the gateway's family. */
  readonly destination?: string;
  readonly gateway: string;
  readonly interface: string;
}

/** A mount of an OCI configuration and, of a bind, where it is among the shares. */
export interface GuestMount {
  readonly type: 'share' | 'tmpfs';
  readonly destination: string;
  /** Below the export, as "/0" or "/1/file"; a tmpfs has none. */
  readonly source?: string;
  readonly options: readonly string[];
}

/** What the processes of a guest see around them. */
export interface GuestSetup {
  readonly hostname: string;
  readonly domainname: string;
  /** How many layers the disk has; partition i + 1 is layer i, the bottom one first. */
  readonly layers: number;
  /** What is written goes to the writable disk; false: into the guest's memory. */
  readonly hasDisk: boolean;
  readonly readOnlyRoot: boolean;
  readonly interfaces: readonly GuestInterface[];
  readonly routes: readonly GuestRoute[];
  readonly files: readonly { readonly path: string; readonly content: Uint8Array }[];
  readonly mounts: readonly GuestMount[];
  readonly sysctls: Readonly<Record<string, string>>;
  /** Bytes; 0: there is no /dev/shm. */
  readonly shmSize: number;
  readonly maskedPaths: readonly string[];
  readonly readonlyPaths: readonly string[];
  /** Questions to 127.0.0.11 are answered by the host. */
  readonly nameService: boolean;
  /** 0: none. */
  readonly pidsLimit: number;
}

/** Around a process that needs its layers alone: no disk, no network, nothing shared, nothing hidden. */
export const BARE_SETUP: GuestSetup = {
  hostname: 'machine',
  domainname: '',
  layers: 1,
  hasDisk: false,
  readOnlyRoot: false,
  interfaces: [],
  routes: [],
  files: [],
  mounts: [],
  sysctls: {},
  shmSize: 0,
  maskedPaths: [],
  readonlyPaths: [],
  nameService: false,
  pidsLimit: 0,
};

/** The payload of SETUP but for time and seed, which are the monitor's to say. */
export function setupPayload(setup: GuestSetup): Buffer {
  const writer = new FieldWriter().text(setupTag.hostname, setup.hostname);
  if (setup.domainname !== '') writer.text(setupTag.domainname, setup.domainname);
  for (let layer = 0; layer < setup.layers; layer++) writer.number(setupTag.layer, layer + 1);
  if (setup.hasDisk) writer.number(setupTag.writable, 1);
  if (setup.readOnlyRoot) writer.number(setupTag.readOnlyRoot, 1);
  for (const one of setup.interfaces) writer.bytes(setupTag.interface, interfaceFields(one));
  for (const route of setup.routes) writer.bytes(setupTag.route, routeFields(route));
  for (const { path, content } of setup.files) {
    writer.bytes(
      setupTag.file,
      new FieldWriter().text(fileTag.path, path).bytes(fileTag.content, content).finish(),
    );
  }
  for (const mount of setup.mounts) writer.bytes(setupTag.mount, mountFields(mount));
  for (const [name, value] of Object.entries(setup.sysctls)) writer.text(setupTag.sysctl, `${name}=${value}`);
  writer.number(setupTag.shmSize, setup.shmSize);
  for (const path of setup.maskedPaths) writer.text(setupTag.maskedPath, path);
  for (const path of setup.readonlyPaths) writer.text(setupTag.readOnlyPath, path);
  if (setup.nameService) writer.number(setupTag.nameService, 1);
  if (setup.pidsLimit > 0) writer.number(setupTag.pidsLimit, setup.pidsLimit);
  return writer.finish();
}

function interfaceFields({ card, macAddress, name, mtu, addresses }: GuestInterface): Buffer {
  const writer = new FieldWriter();
  if (card !== undefined) writer.bytes(interfaceTag.mac, macBytes(card));
  writer.bytes(interfaceTag.newMac, macBytes(macAddress)).text(interfaceTag.name, name);
  writer.number(interfaceTag.mtu, mtu);
  for (const address of addresses) writer.text(interfaceTag.address, address);
  return writer.finish();
}

function macBytes(text: string): Buffer {
  return Buffer.from(text.replaceAll(':', ''), 'hex');
}

function routeFields({ destination, gateway, interface: name }: GuestRoute): Buffer {
  const writer = new FieldWriter();
  if (destination !== undefined) writer.text(routeTag.destination, destination);
  return writer.text(routeTag.gateway, gateway).text(routeTag.interface, name).finish();
}

/** Words of mount(8) that say nothing in a guest: nothing is mounted on one side and appears on the other. */
const HOST_WORDS = /^(r?bind|r?private|r?shared|r?slave|r?ro|rw)$/;

function mountFields({ type, destination, source, options }: GuestMount): Buffer {
  const writer = new FieldWriter().text(mountTag.type, type);
  if (source !== undefined) writer.text(mountTag.source, source);
  writer.text(mountTag.destination, destination);
  if (options.includes('ro') || options.includes('rro')) writer.number(mountTag.readOnly, 1);
  const words = options.filter((option) => !HOST_WORDS.test(option));
  if (words.length > 0) writer.text(mountTag.options, words.join(','));
  return writer.finish();
}
