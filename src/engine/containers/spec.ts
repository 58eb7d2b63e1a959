import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { conflict, invalid } from '../../base/index.ts';
import type { RunStep } from '../../build/index.ts';
import {
  blockDeviceNumbers,
  type ContainerSpecInput,
  containerSpec,
  type DeviceEdits,
  type DeviceInput,
  type DeviceLimitInput,
  editsOf,
  type HostFacts,
  hostDevices,
  type MountInput,
  type NamespaceInput,
  type OciSpec,
  type ProcessInput,
  type Propagation,
  parseDeviceRule,
  processSpec,
  type ResourceInput,
  requirePropagation,
  resolveDevice,
  resolveUser,
  type Supervisor,
  type WithWarnings,
} from '../../runtime/index.ts';
import type { Connection } from './connect.ts';
import {
  type ContainerMount,
  type ContainerRecord,
  commandOf,
  type HostOptions,
  hasOwnKernel,
  isActive,
  isMachine,
  type ResourceLimits,
} from './container.ts';
import type { ContainerContext } from './context.ts';
import { requestedDevices } from './device-requests.ts';
import type { ExecConfig } from './exec.ts';
import { sharedMemoryOf } from './host-mounts.ts';
import { sourceOf } from './mounts.ts';
import { parseSecurity, seccompOf } from './security.ts';
import { execPayload, guestFacts } from './vm/payload.ts';

/** A host file that is bind-mounted into the container: hosts, hostname, resolv.conf. */
export interface FileMount {
  readonly source: string;
  readonly target: string;
}

/** The OCI configuration of a container, from its record and what this start has prepared. */
export async function specOf(
  context: ContainerContext,
  record: ContainerRecord,
  prepared: { connection: Connection; supervisor: Supervisor; files: readonly FileMount[] },
): Promise<WithWarnings<OciSpec>> {
  const { config, host } = record;
  const { supervisor, files } = prepared;
  const isVm = isMachine(record);
  const facts = factsFor(context, record);
  const mounts = await Promise.all(record.mounts.map(mountInput));
  await requirePropagation(mounts);
  const edits = await deviceEdits(context, host);
  const input: ContainerSpecInput = {
    ...processOf(
      record,
      {
        args: commandOf(config),
        env: [...config.env, ...edits.env],
        user: config.user,
        cwd: config.workingDir,
      },
      supervisor,
      edits.additionalGids.map(String),
    ),
    terminal: config.tty,
    consoleSize: host.consoleSize,
    id: record.id,
    instance: context.parts.settings.instance,
    root: 'rootfs',
    readOnlyRoot: host.readonlyRootfs,
    domainname: config.domainname,
    mounts: [...withoutShadowed(files, record.mounts), ...edits.mounts, ...mounts],
    shm: sharedMemoryOf(context, record),
    namespaces: {
      network: networkNamespace(prepared.connection, supervisor),
      pid: sharedNamespace(context, host.pidMode, 'pid'),
      ipc: sharedNamespace(context, host.ipcMode, 'ipc'),
      uts: sharedNamespace(context, host.utsMode, 'uts'),
      cgroup: cgroupNamespace(facts, host.cgroupnsMode),
    },
    // A profile guards the kernel that containers share.
    seccomp: isVm ? { kind: 'unconfined' } : await seccompOf(parseSecurity(host.securityOpt)),
    resources: { ...host.resources, devices: await deviceLimits(host.resources) },
    oomScoreAdj: host.oomScoreAdj,
    sysctls: host.sysctls,
    devices: [...(await devicesOf(record)), ...edits.devices],
    deviceRules: (host.deviceRules ?? []).map(parseDeviceRule),
    maskedPaths: host.maskedPaths,
    readonlyPaths: host.readonlyPaths,
    cgroupParent: host.cgroupParent,
    annotations: host.annotations ?? {},
    hooks: edits.hooks,
    init:
      host.init === true && !isVm ? join(context.parts.settings.nativeDirectory, 'berth-init') : undefined,
  };
  return containerSpec(input, facts);
}

/** The process of an exec session, as the container's runtime takes it. */
export function execSpec(
  context: ContainerContext,
  record: ContainerRecord,
  config: ExecConfig,
  accounts: Supervisor['accounts'],
): object | Uint8Array {
  const input = {
    ...processOf(
      record,
      {
        args: config.args,
        env: [...record.config.env, ...config.env],
        user: config.user === '' ? record.config.user : config.user,
        cwd: config.workingDir === '' ? record.config.workingDir : config.workingDir,
      },
      { accounts },
    ),
    terminal: config.tty,
    consoleSize: config.consoleSize,
    privileged: config.privileged || record.host.privileged,
  };
  const { value: process } = processSpec(input, factsFor(context, record));
  return isMachine(record) ? execPayload(process, config.attachStdin, config.probe) : process;
}

/** The OCI configuration of a build step: Docker's defaults, no options. */
export function stepSpec(
  step: RunStep,
  prepared: {
    id: string;
    instance: string;
    directory: string;
    namespacePath: string | undefined;
    accounts: Supervisor['accounts'];
    files: readonly FileMount[];
    facts: HostFacts;
    resources: ResourceInput;
  },
): OciSpec {
  const { facts, files, resources } = prepared;
  const isolated: NamespaceInput = { kind: 'new' };
  const { namespacePath } = prepared;
  return containerSpec(
    {
      args: step.args,
      env: step.env,
      cwd: step.config.WorkingDir ?? '/',
      user: resolveUser(step.config.User ?? '', prepared.accounts, []),
      terminal: false,
      hostname: 'buildkitsandbox',
      capabilities: { add: [], drop: [] },
      privileged: false,
      noNewPrivileges: false,
      ulimits: [],
      id: prepared.id,
      instance: prepared.instance,
      root: 'rootfs',
      readOnlyRoot: false,
      mounts: files.map(fileMount),
      shm: `${prepared.directory}/shm`,
      namespaces: {
        network: namespacePath === undefined ? { kind: 'host' } : { kind: 'path', path: namespacePath },
        pid: isolated,
        ipc: isolated,
        uts: isolated,
        cgroup: cgroupNamespace(facts),
      },
      seccomp: { kind: 'default' },
      resources,
      oomScoreAdj: 0,
      sysctls: {},
      devices: [],
      deviceRules: [],
      annotations: {},
      init: undefined,
    },
    facts,
  ).value;
}

function factsFor({ parts }: ContainerContext, record: ContainerRecord): HostFacts {
  return isMachine(record) ? guestFacts(parts.hostFacts) : parts.hostFacts;
}

function processOf(
  { config, host }: ContainerRecord,
  process: { args: readonly string[]; env: readonly string[]; user: string; cwd: string },
  { accounts }: Pick<Supervisor, 'accounts'>,
  moreGroups: readonly string[] = [],
): Omit<ProcessInput, 'terminal'> {
  return {
    args: process.args,
    env: process.env,
    cwd: process.cwd,
    user: resolveUser(process.user, accounts, [...host.groupAdd, ...moreGroups]),
    hostname: config.hostname === '' ? undefined : config.hostname,
    capabilities: { add: host.capAdd, drop: host.capDrop },
    privileged: host.privileged,
    noNewPrivileges: parseSecurity(host.securityOpt).noNewPrivileges,
    ulimits: host.ulimits,
  };
}

/** A user's own mount on /etc/hosts and the like wins over berth's. */
function withoutShadowed(files: readonly FileMount[], mounts: readonly ContainerMount[]): MountInput[] {
  return files.filter(({ target }) => !mounts.some((mount) => mount.target === target)).map(fileMount);
}

function fileMount({ source, target }: FileMount): MountInput {
  return { kind: 'bind', source, destination: target, readOnly: false };
}

async function mountInput(mount: ContainerMount): Promise<MountInput> {
  if (mount.type === 'tmpfs') {
    return { kind: 'tmpfs', destination: mount.target, options: mount.options.split(',').filter(Boolean) };
  }
  const { type, target, readOnly } = mount;
  return {
    kind: type === 'volume' ? 'volume' : 'bind',
    source: await sourceOf(mount),
    destination: target,
    readOnly,
    ...(mount.type === 'bind'
      ? {
          propagation: parsePropagation(mount.propagation),
          recursive: mount.submounts !== 'none',
          // A file has nothing below it, and crun takes the wish for a folder's.
          recursiveReadOnly: mount.submounts !== 'writable' && (await isFolder(mount.source)),
        }
      : {}),
  };
}

async function isFolder(path: string): Promise<boolean> {
  const status = await stat(path).catch(() => undefined);
  return status?.isDirectory() === true;
}

function parsePropagation(text: string): Propagation {
  switch (text) {
    case 'private':
    case 'rprivate':
    case 'shared':
    case 'rshared':
    case 'slave':
    case 'rslave':
      return text;
    default:
      throw invalid(`invalid propagation mode: ${text}`);
  }
}

function networkNamespace(connection: Connection, supervisor: Supervisor): NamespaceInput {
  if (connection.host) return { kind: 'host' };
  const path = connection.joined?.path ?? supervisor.networkPath;
  return path === undefined ? { kind: 'new' } : { kind: 'path', path };
}

/** A private cgroup namespace on the unified hierarchy, the host's on version 1 (Docker's defaults). */
function cgroupNamespace(facts: HostFacts, mode: '' | 'host' | 'private' = ''): NamespaceInput {
  const chosen = mode === '' ? (facts.cgroups.version === 2 ? 'private' : 'host') : mode;
  return chosen === 'private' ? { kind: 'new' } : { kind: 'host' };
}

function sharedNamespace(
  context: ContainerContext,
  mode: string,
  type: 'pid' | 'ipc' | 'uts',
): NamespaceInput {
  if (mode === '' || mode === 'private' || mode === 'shareable' || mode === 'none') return { kind: 'new' };
  if (mode === 'host') return { kind: 'host' };
  const reference = /^container:(.+)$/.exec(mode)?.[1];
  if (reference === undefined) throw invalid(`invalid ${type} mode: ${mode}`);
  const other = context.collection.find(reference);
  const { state, id } = other;
  if (hasOwnKernel(other)) {
    throw invalid(
      `failed to join ${type.toUpperCase()} namespace: ${other.name} is a virtual machine, with a kernel of its own`,
    );
  }
  if (!isActive(state)) {
    throw conflict(`failed to join ${type.toUpperCase()} namespace: container ${id} is not running`);
  }
  return { kind: 'path', path: `/proc/${state.pid}/ns/${type}` };
}

async function deviceLimits({ deviceLimits: limits = [] }: ResourceLimits): Promise<DeviceLimitInput[]> {
  return Promise.all(
    limits.map(async ({ kind, path, value }) => ({ kind, value, ...(await blockDeviceNumbers(path)) })),
  );
}

/** What the devices that a driver provides ask of the container. */
async function deviceEdits(context: ContainerContext, host: HostOptions): Promise<DeviceEdits> {
  const catalogue = await requestedDevices(context, host);
  return editsOf(catalogue, catalogue.names);
}

async function devicesOf({ host }: ContainerRecord): Promise<DeviceInput[]> {
  if (host.privileged) return hostDevices();
  const resolved = await Promise.all(
    host.devices.map((device) => resolveDevice(device.host, device.container || device.host, device.access)),
  );
  return resolved.flat();
}
