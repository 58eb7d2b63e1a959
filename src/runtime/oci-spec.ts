import { join } from 'node:path';
import { invalid } from '../base/index.ts';
import { capabilitySets, containerCapabilities } from './capabilities.ts';
import { type DeviceInput, deviceRules } from './devices.ts';
import { processEnvironment } from './environment.ts';
import type { HostFacts } from './host-facts.ts';
import { containerMounts, type MountInput, rootPropagation } from './mounts.ts';
import type { OciDeviceRule, OciHooks, OciLinux, OciNamespace, OciProcess, OciSpec } from './oci-types.ts';
import { ociResources, type ResourceInput } from './resources.ts';
import { type SeccompInput, seccompFilter } from './seccomp.ts';
import { SECCOMP_ANNOTATION } from './seccomp-cache.ts';
import { rlimits, type UlimitInput } from './ulimits.ts';
import type { ResolvedUser } from './users.ts';

/**
 * A namespace of the container: a new one, the host's, or the one at a path like /proc/<pid>/ns/net. The path must not
 * be that of the host's namespace: sysctls are set in it, and not every OCI runtime notices.
 */
export type NamespaceInput =
  | { readonly kind: 'new' }
  | { readonly kind: 'host' }
  | { readonly kind: 'path'; readonly path: string };

/** A process that runs in a container: its own PID 1, or one of an exec. */
export interface ProcessInput {
  /** Program and arguments; not empty. */
  readonly args: readonly string[];
  /** "NAME=value"; a later one wins, "NAME" alone removes a default. */
  readonly env: readonly string[];
  /** Absolute; empty: "/". */
  readonly cwd: string;
  readonly user: ResolvedUser;
  readonly terminal: boolean;
  /** For HOSTNAME; undefined: it is not set. */
  readonly hostname: string | undefined;
  readonly capabilities: { readonly add: readonly string[]; readonly drop: readonly string[] };
  readonly privileged: boolean;
  readonly noNewPrivileges: boolean;
  readonly ulimits: readonly UlimitInput[];
  /** Size of the terminal at the start. */
  readonly consoleSize?: ConsoleSize | undefined;
}

/** Of a terminal, in characters. */
export interface ConsoleSize {
  readonly rows: number;
  readonly columns: number;
}

/** Everything that a container's OCI configuration is made from, already parsed and checked for form. */
export interface ContainerSpecInput extends ProcessInput {
  readonly id: string;
  /** The berth instance, which names the cgroup. */
  readonly instance: string;
  /** Absolute path of the mounted root, as the OCI runtime sees it. */
  readonly root: string;
  readonly readOnlyRoot: boolean;
  readonly domainname?: string;
  readonly mounts: readonly MountInput[];
  /** A host folder that becomes /dev/shm; undefined: there is none. */
  readonly shm: string | undefined;
  readonly namespaces: {
    readonly network: NamespaceInput;
    readonly pid: NamespaceInput;
    readonly ipc: NamespaceInput;
    readonly uts: NamespaceInput;
    readonly cgroup: NamespaceInput;
  };
  readonly seccomp: SeccompInput;
  readonly resources: ResourceInput;
  readonly oomScoreAdj: number;
  readonly sysctls: Readonly<Record<string, string>>;
  readonly devices: readonly DeviceInput[];
  readonly deviceRules: readonly OciDeviceRule[];
  /** Undefined: Docker's. Ignored for privileged containers, which have none. */
  readonly maskedPaths?: readonly string[] | undefined;
  readonly readonlyPaths?: readonly string[] | undefined;
  /** `--cgroup-parent`; undefined and empty: `/berth-<instance>`. */
  readonly cgroupParent?: string | undefined;
  readonly annotations: Readonly<Record<string, string>>;
  readonly hooks?: OciHooks;
  /** Host path of a static init that reaps processes and becomes PID 1 (`--init`). */
  readonly init: string | undefined;
}

/** A result and what the user should know about it, one sentence each. */
export interface WithWarnings<T> {
  readonly value: T;
  readonly warnings: readonly string[];
}

const OCI_VERSION = '1.0.2';

const INIT_PATH = '/sbin/docker-init';

/** Docker's masks (moby, daemon/pkg/oci/defaults.go). */
export const MASKED_PATHS: readonly string[] = [
  '/proc/acpi',
  '/proc/asound',
  '/proc/interrupts',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/sys/devices/virtual/powercap',
  '/sys/firmware',
];

/** Docker's read-only paths (moby, daemon/pkg/oci/defaults.go). */
export const READONLY_PATHS: readonly string[] = [
  '/proc/bus',
  '/proc/fs',
  '/proc/irq',
  '/proc/sys',
  '/proc/sysrq-trigger',
];

/**
 * The OCI configuration of a container with Docker's defaults, as crun and runc accept it. Write it with
 * `JSON.stringify`. Throws `invalid` in Docker's words for what cannot be.
 */
export function containerSpec(input: ContainerSpecInput, host: HostFacts): WithWarnings<OciSpec> {
  const process = processSpec(
    input.init === undefined ? input : { ...input, args: [INIT_PATH, '--', ...input.args] },
    host,
  );
  if (SECCOMP_ANNOTATION in input.annotations) {
    throw invalid(`the annotation ${SECCOMP_ANNOTATION} cannot be set`, {
      hint: 'Use --security-opt seccomp=FILE for another filter',
    });
  }
  const linux = linuxSpec(input, process.value.capabilities.bounding, host);
  const isOwnUts = input.namespaces.uts.kind === 'new';
  const spec: OciSpec = {
    ociVersion: OCI_VERSION,
    process: { ...process.value, oomScoreAdj: input.oomScoreAdj },
    root: { path: input.root, readonly: input.readOnlyRoot },
    ...(isOwnUts && input.hostname !== undefined ? { hostname: input.hostname } : {}),
    mounts: containerMounts({ ...input, mounts: [...initMount(input.init), ...input.mounts] }),
    ...(Object.keys(input.annotations).length === 0 ? {} : { annotations: input.annotations }),
    linux: linux.value,
    ...(input.hooks === undefined || Object.keys(input.hooks).length === 0 ? {} : { hooks: input.hooks }),
  };
  return { value: spec, warnings: [...process.warnings, ...linux.warnings] };
}

/** The OCI process of a container or of an exec in it. Throws `invalid` in Docker's words. */
export function processSpec(input: ProcessInput, host: HostFacts): WithWarnings<OciProcess> {
  const cwd = input.cwd === '' ? '/' : input.cwd;
  if (!cwd.startsWith('/')) {
    throw invalid(`the working directory '${cwd}' is invalid, it needs to be an absolute path`);
  }
  if (input.args.length === 0) throw invalid('no command specified');
  const limits = rlimits(input.ulimits, host);
  const { uid, gid, additionalGids, home } = input.user;
  const capabilities = containerCapabilities(
    { ...input.capabilities, privileged: input.privileged },
    host.capabilities,
  );
  const size = input.consoleSize;
  const spec: OciProcess = {
    terminal: input.terminal,
    ...(input.terminal && size !== undefined
      ? { consoleSize: { height: size.rows, width: size.columns } }
      : {}),
    user: { uid, gid, additionalGids },
    args: input.args,
    env: processEnvironment({ ...input, home }),
    cwd,
    capabilities: capabilitySets(capabilities),
    ...(limits.rlimits.length === 0 ? {} : { rlimits: limits.rlimits }),
    noNewPrivileges: input.noNewPrivileges,
  };
  return { value: spec, warnings: limits.warnings };
}

function linuxSpec(
  input: ContainerSpecInput,
  bounding: readonly string[],
  host: HostFacts,
): WithWarnings<OciLinux> {
  const { privileged } = input;
  const rules = deviceRules({ devices: input.devices, extraRules: input.deviceRules, privileged });
  const { resources, warnings } = ociResources(input.resources, rules, host.cgroups);
  const sysctl = sysctls(input);
  const seccomp = seccompFilter(
    privileged && input.seccomp.kind === 'default' ? { kind: 'unconfined' } : input.seccomp,
    { ...host, capabilities: bounding },
  );
  const propagation = rootPropagation(input.mounts);
  const linux: OciLinux = {
    namespaces: namespaces(input.namespaces),
    cgroupsPath: controlGroupPath(input.instance, input.id, input.cgroupParent),
    devices: input.devices.map(({ node }) => node),
    resources,
    maskedPaths: privileged ? [] : (input.maskedPaths ?? [...MASKED_PATHS, ...host.thermalFolders]),
    readonlyPaths: privileged ? [] : (input.readonlyPaths ?? READONLY_PATHS),
    ...(Object.keys(sysctl).length === 0 ? {} : { sysctl }),
    ...(seccomp === undefined ? {} : { seccomp }),
    ...(propagation === undefined ? {} : { rootfsPropagation: propagation }),
  };
  return { value: linux, warnings };
}

/** The host's namespaces are simply not listed. */
/** The control group of a container of an instance, below the root of each hierarchy; `parent` in the place of the instance's. */
export function controlGroupPath(instance: string, id: string, parent = ''): string {
  return join('/', parent || `berth-${instance}`, id);
}

function namespaces(input: ContainerSpecInput['namespaces']): OciNamespace[] {
  const wanted = (['network', 'uts', 'pid', 'ipc', 'cgroup'] as const).flatMap((type): OciNamespace[] => {
    const namespace = input[type];
    if (namespace.kind === 'host') return [];
    return [namespace.kind === 'new' ? { type } : { type, path: namespace.path }];
  });
  return [{ type: 'mount' }, ...wanted];
}

/** Without privileges, ping and ports below 1024 work in a container's own network, as in Docker. */
function sysctls(input: ContainerSpecInput): Record<string, string> {
  const isOwnNetwork = input.namespaces.network.kind !== 'host';
  return {
    ...(isOwnNetwork
      ? {
          'net.ipv4.ip_unprivileged_port_start': '0',
          'net.ipv4.ping_group_range': '0 2147483647',
        }
      : {}),
    ...(input.domainname && input.namespaces.uts.kind === 'new'
      ? { 'kernel.domainname': input.domainname }
      : {}),
    ...input.sysctls,
  };
}

function initMount(init: string | undefined): MountInput[] {
  if (init === undefined) return [];
  return [{ kind: 'bind', source: init, destination: INIT_PATH, readOnly: true, recursive: false }];
}
