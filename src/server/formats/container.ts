import {
  type ContainerRecord,
  type ContainerSizes,
  type ContainerState,
  commandOf,
  dnsNames,
  type EndCause,
  type EndReport,
  endSentences,
  type Health,
  type Healthcheck,
  isActive,
  type NetworkAttachment,
  shortReason,
  standstillReason,
} from '../../engine/index.ts';
import type { Endpoint } from '../../network/index.ts';
import { showEndpointOptions } from '../endpoint-options.ts';
import { type HostConfigFacts, hostConfig } from './host-config.ts';

/** How networks are called and known. */
export interface NetworkFacts {
  readonly networkName: (id: string) => string;
  /** "" for a name that is no network's. */
  readonly networkId: (name: string) => string;
}

/** What inspect needs beside the record. */
export interface ContainerFacts extends HostConfigFacts, NetworkFacts {
  readonly logPath: string;
  /** The container's own folder. */
  readonly directory: string;
  readonly sandboxKey: string;
  /** Undefined where nothing checks it. */
  readonly health: Health | undefined;
  /** Ids of running exec sessions. */
  readonly execs: readonly string[];
  /** Only where they were asked for. */
  readonly sizes?: ContainerSizes;
}

/** Docker leaves out what is 0. */
export function sizeMembers({ sizes }: Pick<ContainerFacts, 'sizes'>) {
  return {
    ...(sizes === undefined || sizes.written === 0 ? {} : { SizeRw: sizes.written }),
    ...(sizes === undefined || sizes.root === 0 ? {} : { SizeRootFs: sizes.root }),
  };
}

/** GET /containers/{id}/json (Engine API, ContainerInspectResponse). */
export function containerInspect(record: ContainerRecord, facts: ContainerFacts, ends: readonly EndReport[]) {
  const { id, name, imageId, config, createdAt } = record;
  const [path = '', ...args] = commandOf(config);
  const wasStarted = record.state.status !== 'created' || record.state.error !== undefined;
  const fileIn = (file: string) => (wasStarted ? `${facts.directory}/${file}` : '');
  return {
    Id: id,
    Created: createdAt,
    Path: path,
    Args: args,
    State: { ...stateInspect(record.state, facts.health), ...endsMember(ends) },
    Image: imageId,
    ResolvConfPath: fileIn('resolv.conf'),
    HostnamePath: fileIn('hostname'),
    HostsPath: fileIn('hosts'),
    LogPath: wasStarted && record.host.log.driver === 'json-file' ? facts.logPath : '',
    Name: `/${name}`,
    RestartCount: record.restartCount,
    Driver: 'overlayfs',
    Platform: 'linux',
    MountLabel: '',
    ProcessLabel: '',
    AppArmorProfile: '',
    ExecIDs: facts.execs.length === 0 ? null : facts.execs,
    HostConfig: hostConfig(record, facts),
    GraphDriver: { Data: null, Name: 'overlayfs' },
    ...sizeMembers(facts),
    Mounts: mountPoints(record),
    Config: configInspect(record),
    NetworkSettings: networkSettings(record, facts),
    ...machineMember(record, facts),
  };
}

const NEVER = '0001-01-01T00:00:00Z';

/** What it does now, and how it ended. */
export function stateInspect(state: ContainerState, health: Health | undefined) {
  const active = isActive(state) ? state : undefined;
  const ended = state.status === 'exited' || state.status === 'restarting' ? state : undefined;
  const failed = state.status === 'created' ? state.error : undefined;
  return {
    Status: state.status,
    Running: active !== undefined || state.status === 'restarting',
    Paused: state.status === 'paused',
    Restarting: state.status === 'restarting',
    OOMKilled: ended?.oomKilled ?? false,
    Dead: false,
    Pid: active?.pid ?? 0,
    ExitCode: ended?.exitCode ?? failed?.exitCode ?? 0,
    Error: ended?.error ?? failed?.message ?? standstillReason(state) ?? '',
    StartedAt: active?.startedAt ?? ended?.startedAt ?? NEVER,
    FinishedAt: ended?.finishedAt ?? NEVER,
    ...(health === undefined ? {} : { Health: healthInspect(health) }),
  };
}

/** An extension: what a virtual machine that runs got. */
function machineMember({ state }: ContainerRecord, facts: ContainerFacts) {
  if (!isActive(state) || state.machine === undefined) return {};
  const { architecture, processors, memory, diskSize, accelerator, kernel, start } = state.machine;
  const cards = state.endpoints.map(({ containerInterface, networkId, macAddress }) => ({
    Name: containerInterface,
    Network: facts.networkName(networkId),
    MacAddress: macAddress,
  }));
  return {
    Berth: {
      VirtualMachine: {
        ...(architecture === undefined ? {} : { Architecture: architecture }),
        Processors: processors,
        Memory: memory,
        DiskSize: diskSize,
        NetworkCards: cards,
        Accelerator: accelerator,
        Kernel: kernel,
        Start: start.kind === 'warm' ? 'warm' : `cold: ${start.why}`,
      },
    },
  };
}

/** An extension: the container's last ends, and starts that failed, the newest first. */
function endsMember(ends: readonly EndReport[]) {
  return ends.length === 0 ? {} : { Berth: { Ends: ends.map(endInspect) } };
}

/** One end of a container, in words and in numbers. */
export function endInspect(end: EndReport) {
  const { startedAt, finishedAt, exitCode, cause, memory, restarted, log } = end;
  return {
    ...(startedAt === undefined ? {} : { StartedAt: startedAt }),
    FinishedAt: finishedAt,
    ExitCode: exitCode,
    Cause: cause.kind,
    Reason: shortReason(end) ?? '',
    Explanation: endSentences(end),
    ...(cause.kind === 'signal' ? { Signal: signalInspect(cause) } : {}),
    ...(memory === undefined ? {} : { Memory: { Peak: memory.peak ?? null, Limit: memory.limit ?? null } }),
    Restarted: restarted,
    Log: log.map(({ stream, text, time }) => ({ Stream: stream, Text: text, Time: time })),
  };
}

function signalInspect({ signal, sender }: Extract<EndCause, { kind: 'signal' }>) {
  if (typeof sender === 'string') return { Number: signal, Sender: sender };
  return { Number: signal, Sender: sender.by, Time: sender.at };
}

function healthInspect({ status, failingStreak, log }: Health) {
  return {
    Status: status,
    FailingStreak: failingStreak,
    Log: log.map(({ start, end, exitCode, output }) => ({
      Start: start.toISOString(),
      End: end.toISOString(),
      ExitCode: exitCode,
      Output: output,
    })),
  };
}

function configInspect({ config }: ContainerRecord) {
  return {
    Hostname: config.hostname,
    Domainname: config.domainname,
    User: config.user,
    AttachStdin: config.attachStdin,
    AttachStdout: config.attachStdout,
    AttachStderr: config.attachStderr,
    ...(config.exposedPorts.length === 0 ? {} : { ExposedPorts: keySet(config.exposedPorts) }),
    ...(config.healthcheck === undefined ? {} : { Healthcheck: healthcheckInspect(config.healthcheck) }),
    Tty: config.tty,
    OpenStdin: config.openStdin,
    StdinOnce: config.stdinOnce,
    Env: config.env,
    Cmd: config.cmd ?? null,
    Image: config.image,
    Volumes: config.volumes.length === 0 ? null : keySet(config.volumes),
    WorkingDir: config.workingDir,
    Entrypoint: config.entrypoint ?? null,
    Labels: config.labels,
    ...(config.stopSignal === undefined ? {} : { StopSignal: config.stopSignal }),
    ...(config.stopTimeout === undefined ? {} : { StopTimeout: config.stopTimeout }),
    ...(config.shell === undefined ? {} : { Shell: config.shell }),
  };
}

/** What was left open is not shown, as in Docker. */
export function healthcheckInspect(healthcheck: Healthcheck) {
  const { test, interval, timeout, startPeriod, startInterval, retries } = healthcheck;
  return {
    ...(test.length === 0 ? {} : { Test: test }),
    ...(interval === 0 ? {} : { Interval: interval }),
    ...(timeout === 0 ? {} : { Timeout: timeout }),
    ...(startPeriod === 0 ? {} : { StartPeriod: startPeriod }),
    ...(startInterval === 0 ? {} : { StartInterval: startInterval }),
    ...(retries === 0 ? {} : { Retries: retries }),
  };
}

function keySet(keys: readonly string[]): Record<string, object> {
  return Object.fromEntries(keys.map((key) => [key, {}]));
}

export function mountPoints({ mounts }: ContainerRecord) {
  return mounts.flatMap((mount) => {
    if (mount.type === 'tmpfs') return mount.listed === true ? [tmpfsPoint(mount.target)] : [];
    const common = { Source: mount.source, Destination: mount.target, RW: !mount.readOnly };
    if (mount.type === 'bind') {
      return [{ Type: 'bind', ...common, Mode: mount.mode ?? '', Propagation: mount.propagation }];
    }
    if (mount.type === 'image') {
      return [{ Type: 'image', Name: mount.image, ...common, Mode: '', Propagation: 'rprivate' }];
    }
    const { volume, mode = 'z' } = mount;
    return [{ Type: 'volume', Name: volume, ...common, Driver: 'local', Mode: mode || 'z', Propagation: '' }];
  });
}

function tmpfsPoint(target: string) {
  return { Type: 'tmpfs', Source: '', Destination: target, RW: true, Mode: '', Propagation: '' };
}

function networkSettings(record: ContainerRecord, facts: ContainerFacts) {
  const isRunning = isActive(record.state);
  return {
    SandboxID: isRunning ? record.id : '',
    SandboxKey: facts.sandboxKey,
    Ports: isRunning ? inspectPorts(record) : {},
    ...(record.networks.some(({ network }) => network === 'bridge') ? onDefaultBridge(record, facts) : {}),
    Networks: networks(record, facts),
  };
}

/** Members from before there were other networks: of containers on the default one alone, as in dockerd. */
function onDefaultBridge({ state }: ContainerRecord, facts: ContainerFacts) {
  const endpoints = isActive(state) ? state.endpoints : [];
  const endpoint = endpoints.find(({ networkId }) => facts.networkName(networkId) === 'bridge');
  return {
    EndpointID: endpoint === undefined ? '' : endpointId(endpoint),
    Gateway: endpoint?.gateway ?? '',
    GlobalIPv6Address: endpoint?.ipv6?.address ?? '',
    GlobalIPv6PrefixLen: endpoint?.ipv6?.prefixLength ?? 0,
    IPAddress: endpoint?.address ?? '',
    IPPrefixLen: endpoint?.prefixLength ?? 0,
    IPv6Gateway: endpoint?.ipv6?.gateway ?? '',
    MacAddress: endpoint?.macAddress ?? '',
  };
}

function inspectPorts({ state, config }: ContainerRecord) {
  const ports: Record<string, { HostIp: string; HostPort: string }[] | null> = {};
  for (const key of config.exposedPorts) ports[key] = null;
  if (!isActive(state)) return ports;
  for (const { containerPort, protocol, hostIp, hostPort } of state.ports) {
    const key = `${containerPort}/${protocol}`;
    ports[key] = [...(ports[key] ?? []), { HostIp: hostIp, HostPort: String(hostPort) }];
  }
  // What a routed network leads to directly has no port of the host.
  const direct = state.endpoints.flatMap(({ directPorts = [] }) => directPorts);
  for (const { protocol, address, port } of direct.filter(({ from }) => from === undefined)) {
    const key = `${port}/${protocol}`;
    ports[key] = [...(ports[key] ?? []), { HostIp: address.includes(':') ? '::' : '0.0.0.0', HostPort: '' }];
  }
  return ports;
}

export function networks(record: ContainerRecord, facts: NetworkFacts) {
  const { networkMode: mode } = record.host;
  if (mode === 'host' || mode === 'none') {
    return { [mode]: endpointInspect(record, undefined, mode, facts) };
  }
  const active = isActive(record.state) ? record.state : undefined;
  return Object.fromEntries(
    record.networks.map(({ network }, index) => {
      const endpoint = active?.endpoints[index];
      return [
        endpoint === undefined ? network : facts.networkName(endpoint.networkId),
        endpointInspect(record, endpoint, network, facts),
      ];
    }),
  );
}

function endpointInspect(
  record: ContainerRecord,
  endpoint: Endpoint | undefined,
  network: string,
  facts: NetworkFacts,
) {
  const attachment = record.networks.find((candidate) => candidate.network === network);
  return {
    IPAMConfig: attachment === undefined ? null : wantedAddresses(attachment),
    Links: attachment?.links ?? null,
    Aliases: attachment === undefined || attachment.aliases.length === 0 ? null : attachment.aliases,
    MacAddress: endpoint?.macAddress ?? '',
    DriverOpts: showEndpointOptions(attachment ?? {}),
    GwPriority: attachment?.gatewayPriority ?? 0,
    NetworkID: endpoint?.networkId ?? (record.state.status === 'created' ? '' : facts.networkId(network)),
    EndpointID: endpoint === undefined ? '' : endpointId(endpoint),
    Gateway: endpoint?.gateway ?? '',
    IPAddress: endpoint?.address ?? '',
    IPPrefixLen: endpoint?.prefixLength ?? 0,
    IPv6Gateway: endpoint?.ipv6?.gateway ?? '',
    GlobalIPv6Address: endpoint?.ipv6?.address ?? '',
    GlobalIPv6PrefixLen: endpoint?.ipv6?.prefixLength ?? 0,
    DNSNames: attachment === undefined || !hasNames(record, network) ? null : dnsNames(record, attachment),
  };
}

/** Of a container that was never started, dockerd shows none yet. */
function hasNames({ state }: ContainerRecord, network: string): boolean {
  return state.status !== 'created' && network !== 'bridge';
}

function wantedAddresses({ address, ipv6Address }: NetworkAttachment) {
  if (address === undefined && ipv6Address === undefined) return null;
  return {
    ...(address === undefined ? {} : { IPv4Address: address }),
    ...(ipv6Address === undefined ? {} : { IPv6Address: ipv6Address }),
  };
}

/** Docker gives endpoints ids of their own; here container and network name one. */
function endpointId(endpoint: Endpoint): string {
  return `${endpoint.containerId.slice(0, 32)}${endpoint.networkId.slice(0, 32)}`;
}
