import type {
  ContainerCreateRequest,
  EndpointSettings,
  HealthConfig,
  HostConfig,
  MachineCreateRequest,
  MountRequest,
  PortBinding,
  RestartPolicy,
} from '../client/index.ts';
import { withValues } from './labels.ts';
import type {
  Project,
  Service,
  ServiceBlockIo,
  ServiceDeviceLimit,
  ServiceHealthcheck,
  ServiceMachine,
  ServiceNetwork,
  ServiceVolume,
} from './model.ts';
import { machineRequest } from './service-machine.ts';

/** What a container gets beside its service's own words. */
export interface ContainerPlace {
  readonly name: string;
  readonly image: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Volumes of the container that it replaces. */
  readonly inherited: readonly { readonly name: string; readonly target: string }[];
  /** The first container of a service, for namespaces that are shared. */
  readonly containerOf: (service: string) => string;
}

/** A service as the body of POST /containers/create. */
export function containerRequest(
  project: Project,
  service: Service,
  place: ContainerPlace,
): ContainerCreateRequest {
  const exposed = [
    ...service.ports.map(({ containerPort, protocol }) => `${containerPort}/${protocol}`),
    ...service.expose.map((port) => (port.includes('/') ? port : `${port}/tcp`)),
  ];
  return {
    Image: place.image,
    Hostname: service.hostname,
    Domainname: service.domainname,
    User: service.user,
    AttachStdin: false,
    AttachStdout: true,
    AttachStderr: true,
    Tty: service.tty,
    OpenStdin: service.stdinOpen,
    StdinOnce: false,
    Env: [...service.environment].map(([name, value]) => `${name}=${value}`),
    Cmd: service.command,
    Entrypoint: service.entrypoint,
    WorkingDir: service.workingDir,
    Labels: place.labels,
    ExposedPorts: Object.fromEntries(exposed.map((port) => [port, {}])),
    Healthcheck: service.healthcheck === undefined ? undefined : healthConfig(service.healthcheck),
    StopSignal: service.stopSignal,
    StopTimeout: service.stopGracePeriod,
    HostConfig: hostConfig(project, service, place),
    NetworkingConfig: { EndpointsConfig: endpoints(project, service, place) },
  };
}

/** A service that is a machine as the body of POST /berth/machines/create. */
export function machineCreateRequest(
  project: Project,
  service: Service,
  machine: ServiceMachine,
  place: Pick<ContainerPlace, 'name' | 'labels'>,
): MachineCreateRequest {
  const { healthcheck, restart } = service;
  return machineRequest(service, machine, {
    labels: place.labels,
    networks: endpoints(project, service, place),
    ports: portBindings(service),
    common: {
      RestartPolicy: restartPolicy(restart),
      Healthcheck: healthcheck === undefined ? undefined : healthConfig(healthcheck),
    },
  });
}

function hostConfig(project: Project, service: Service, place: ContainerPlace): HostConfig {
  const inherited = place.inherited.filter(({ target }) => isInherited(service, target));
  const targets = new Set(inherited.map(({ target }) => target));
  const volumes = service.volumes.filter(({ target }) => !targets.has(target));
  const shared = (mode: string | undefined) => sharedNamespace(mode, place);
  return {
    Binds: [
      ...volumes.flatMap((volume) => bindText(project, volume) ?? []),
      ...inherited.map(({ name, target }) => `${name}:${target}`),
    ],
    Mounts: volumes.flatMap((volume) =>
      bindText(project, volume) === undefined ? [mountRequest(project, volume)] : [],
    ),
    VolumesFrom: service.volumesFrom.map(({ kind, name, readOnly }) => {
      const container = kind === 'service' ? place.containerOf(name) : name;
      return `${container}:${readOnly ? 'ro' : 'rw'}`;
    }),
    Tmpfs: Object.fromEntries(service.tmpfs.map(splitTmpfs)),
    NetworkMode: shared(service.networkMode) ?? mainNetwork(project, service),
    PortBindings: portBindings(service),
    RestartPolicy: restartPolicy(service.restart),
    Privileged: service.privileged,
    ReadonlyRootfs: service.readOnly,
    CapAdd: service.capAdd,
    CapDrop: service.capDrop,
    SecurityOpt: service.securityOpt,
    Init: service.init,
    Memory: service.memory,
    MemoryReservation: service.memoryReservation,
    MemorySwap: service.memorySwap,
    NanoCpus: service.cpus === undefined ? undefined : Math.round(service.cpus * 1e9),
    CpuShares: service.cpuShares,
    CpusetCpus: service.cpuset,
    PidsLimit: service.pidsLimit,
    CpuPeriod: service.cpuPeriod,
    CpuQuota: service.cpuQuota,
    MemorySwappiness: service.memorySwappiness,
    Annotations: withValues(service.annotations),
    DeviceCgroupRules: service.deviceRules,
    DeviceRequests: service.gpus.map(({ driver, count, deviceIds, capabilities }) => ({
      Driver: driver,
      Count: count,
      DeviceIDs: deviceIds,
      Capabilities: [capabilities],
    })),
    ...blockIoLimits(service.blockIo),
    ShmSize: service.shmSize,
    Dns: service.dns,
    DnsSearch: service.dnsSearch,
    DnsOptions: service.dnsOptions,
    ExtraHosts: service.extraHosts,
    GroupAdd: service.groupAdd,
    PidMode: shared(service.pid),
    IpcMode: shared(service.ipc),
    UTSMode: service.uts,
    UsernsMode: service.usernsMode,
    CgroupnsMode: service.cgroup,
    CgroupParent: service.cgroupParent,
    Runtime: service.runtime,
    Isolation: service.isolation,
    StorageOpt: withValues(service.storageOpt),
    OomScoreAdj: service.oomScoreAdj,
    OomKillDisable: service.oomKillDisable,
    Sysctls: withValues(service.sysctls),
    Ulimits: service.ulimits.map(({ name, soft, hard }) => ({ Name: name, Soft: soft, Hard: hard })),
    Devices: service.devices.map(({ source, target, permissions }) => ({
      PathOnHost: source,
      PathInContainer: target,
      CgroupPermissions: permissions,
    })),
    LogConfig:
      service.logging === undefined
        ? undefined
        : { Type: service.logging.driver, Config: withValues(service.logging.options) },
  };
}

function blockIoLimits(limits: ServiceBlockIo | undefined): HostConfig {
  if (limits === undefined) return {};
  const rates = (list: readonly ServiceDeviceLimit[]) =>
    list.map(({ path, value }) => ({ Path: path, Rate: value }));
  return {
    BlkioWeight: limits.weight,
    BlkioWeightDevice: limits.weightDevices.map(({ path, value }) => ({ Path: path, Weight: value })),
    BlkioDeviceReadBps: rates(limits.readBps),
    BlkioDeviceWriteBps: rates(limits.writeBps),
    BlkioDeviceReadIOps: rates(limits.readIops),
    BlkioDeviceWriteIOps: rates(limits.writeIops),
  };
}

/** An anonymous volume stays with its place: the service's own, and one that the image declares. */
function isInherited(service: Service, target: string): boolean {
  const own = service.volumes.find((volume) => volume.target === target);
  return own === undefined || (own.type === 'volume' && own.source === '');
}

/** The short form, which shows in `inspect` as it does with Docker Compose; undefined where only a mount says it. */
function bindText(project: Project, volume: ServiceVolume): string | undefined {
  if (volume.type === 'tmpfs' || volume.type === 'image') return undefined;
  const options = [volume.readOnly ? 'ro' : 'rw'];
  if (volume.type === 'bind') {
    if (!volume.createSource || volume.source.includes(':') || volume.recursive !== undefined)
      return undefined;
    if (volume.propagation !== undefined) options.push(volume.propagation);
    return `${volume.source}:${volume.target}:${options.join()}`;
  }
  if (volume.source === '' || volume.subpath !== undefined) return undefined;
  if (volume.noCopy) options.push('nocopy');
  return `${volumeName(project, volume.source)}:${volume.target}:${options.join()}`;
}

function mountRequest(project: Project, volume: ServiceVolume): MountRequest {
  switch (volume.type) {
    case 'bind':
      return {
        Type: 'bind',
        Source: volume.source,
        Target: volume.target,
        ReadOnly: volume.readOnly,
        BindOptions: {
          Propagation: volume.propagation,
          CreateMountpoint: volume.createSource,
          NonRecursive: volume.recursive === 'disabled',
          ReadOnlyNonRecursive: volume.recursive === 'writable',
          ReadOnlyForceRecursive: volume.recursive === 'readonly',
        },
      };
    case 'volume':
      return {
        Type: 'volume',
        Source: volume.source === '' ? undefined : volumeName(project, volume.source),
        Target: volume.target,
        ReadOnly: volume.readOnly,
        VolumeOptions: { NoCopy: volume.noCopy, Subpath: volume.subpath },
      };
    case 'image':
      return {
        Type: 'image',
        Source: volume.source,
        Target: volume.target,
        ImageOptions: { Subpath: volume.subpath },
      };
    case 'tmpfs':
      return {
        Type: 'tmpfs',
        Target: volume.target,
        TmpfsOptions: { SizeBytes: volume.size, Mode: volume.mode },
      };
  }
}

function volumeName({ volumes }: Project, key: string): string {
  return volumes.find((volume) => volume.key === key)?.name ?? key;
}

function splitTmpfs(text: string): [string, string] {
  const colon = text.indexOf(':');
  return colon < 0 ? [text, ''] : [text.slice(0, colon), text.slice(colon + 1)];
}

/** `service:NAME` as the container that is meant. */
function sharedNamespace(mode: string | undefined, { containerOf }: ContainerPlace): string | undefined {
  if (mode?.startsWith('service:') !== true) return mode;
  return `container:${containerOf(mode.slice('service:'.length))}`;
}

function mainNetwork(project: Project, service: Service): string {
  const [first] = inOrder(service.networks);
  return first === undefined ? 'none' : networkName(project, first.name);
}

function endpoints(
  project: Project,
  service: Service,
  { name }: Pick<ContainerPlace, 'name'>,
): Record<string, EndpointSettings> {
  return Object.fromEntries(
    inOrder(service.networks).map((network) => [
      networkName(project, network.name),
      {
        Aliases: [name, service.name, ...network.aliases],
        ...(network.address === undefined && network.address6 === undefined
          ? {}
          : { IPAMConfig: { IPv4Address: network.address, IPv6Address: network.address6 } }),
        MacAddress: network.macAddress,
      },
    ]),
  );
}

function inOrder(networks: readonly ServiceNetwork[]): ServiceNetwork[] {
  return [...networks].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** A network's name at the engine. */
export function networkName({ networks }: Project, key: string): string {
  return networks.find((network) => network.key === key)?.name ?? key;
}

function portBindings({ ports }: Service): Record<string, PortBinding[]> {
  const bindings: Record<string, PortBinding[]> = {};
  for (const { containerPort, protocol, hostIp, hostPort } of ports) {
    const key = `${containerPort}/${protocol}`;
    bindings[key] = [...(bindings[key] ?? []), { HostIp: hostIp, HostPort: hostPort }];
  }
  return bindings;
}

function restartPolicy(text = 'no'): RestartPolicy {
  if (text === 'always' || text === 'unless-stopped') return { Name: text };
  const name = (['on-failure', 'on-unhealthy'] as const).find((policy) => text.startsWith(policy));
  if (name === undefined) return { Name: 'no' };
  const retries = text.split(':')[1];
  return { Name: name, ...(retries === undefined ? {} : { MaximumRetryCount: Number(retries) }) };
}

function healthConfig(healthcheck: ServiceHealthcheck): HealthConfig {
  return {
    Test: healthcheck.test,
    Interval: healthcheck.interval,
    Timeout: healthcheck.timeout,
    StartPeriod: healthcheck.startPeriod,
    StartInterval: healthcheck.startInterval,
    Retries: healthcheck.retries,
  };
}
