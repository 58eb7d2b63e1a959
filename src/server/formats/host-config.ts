import {
  type ContainerRecord,
  type DeviceRequest,
  type MountRequest,
  parseLink,
  type ResourceLimits,
} from '../../engine/index.ts';
import { type DeviceLimitKind, MASKED_PATHS, READONLY_PATHS } from '../../runtime/index.ts';

/** What depends on the host where a container says nothing. */
export interface HostConfigFacts {
  readonly defaultRuntime: string;
  /** "private" on the unified cgroup hierarchy, "host" on version 1. */
  readonly cgroupNamespace: 'private' | 'host';
}

/** What the host gives a container (Engine API, HostConfig), as it was asked for. */
export function hostConfig({ host, name }: ContainerRecord, facts: HostConfigFacts) {
  const { resources, restart } = host;
  const mounts = host.mounts.flatMap((mount) => mountText(mount) ?? []);
  return {
    Binds: listOrNull(host.mounts.flatMap((mount) => bindText(mount) ?? [])),
    ContainerIDFile: '',
    LogConfig: { Type: host.log.driver, Config: host.log.options },
    NetworkMode: networkMode(host.networkMode),
    PortBindings: portBindings(host.ports),
    RestartPolicy: {
      Name: restart.name,
      MaximumRetryCount: 'maximumRetries' in restart ? restart.maximumRetries : 0,
    },
    AutoRemove: host.autoRemove,
    VolumeDriver: host.volumeDriver ?? '',
    VolumesFrom: listOrNull(host.volumesFrom),
    ConsoleSize: [host.consoleSize?.rows ?? 0, host.consoleSize?.columns ?? 0],
    CapAdd: listOrNull(host.capAdd),
    CapDrop: listOrNull(host.capDrop),
    CgroupnsMode: host.cgroupnsMode || facts.cgroupNamespace,
    Dns: listOrNull(host.dns),
    DnsOptions: listOrNull(host.dnsOptions),
    DnsSearch: listOrNull(host.dnsSearch),
    ExtraHosts: listOrNull(host.extraHosts),
    GroupAdd: listOrNull(host.groupAdd),
    IpcMode: host.ipcMode,
    Cgroup: '',
    Links: listOrNull((host.links ?? []).map((link) => linkText(name, link))),
    OomScoreAdj: host.oomScoreAdj,
    PidMode: host.pidMode,
    Privileged: host.privileged,
    PublishAllPorts: host.publishAllPorts,
    ReadonlyRootfs: host.readonlyRootfs,
    SecurityOpt: listOrNull(host.securityOpt),
    ...(Object.keys(host.tmpfs).length === 0 ? {} : { Tmpfs: host.tmpfs }),
    UTSMode: host.utsMode,
    UsernsMode: host.usernsMode ?? '',
    ShmSize: host.shmSize,
    ...(Object.keys(host.sysctls).length === 0 ? {} : { Sysctls: host.sysctls }),
    Runtime: host.isolation ?? host.runtime ?? facts.defaultRuntime,
    Isolation: host.isolation ?? '',
    ...(host.diskSize === undefined ? {} : { StorageOpt: { size: String(host.diskSize) } }),
    ...(host.init === undefined ? {} : { Init: host.init }),
    CpuShares: resources.cpuShares,
    Memory: resources.memory,
    NanoCpus: resources.nanoCpus,
    CgroupParent: host.cgroupParent ?? '',
    BlkioWeight: resources.blkioWeight,
    CpuPeriod: resources.cpuPeriod,
    CpuQuota: resources.cpuQuota,
    CpusetCpus: resources.cpusetCpus,
    CpusetMems: resources.cpusetMems,
    Devices: listOrNull(
      host.devices.map(({ host: source, container, access }) => ({
        PathOnHost: source,
        PathInContainer: container,
        CgroupPermissions: access,
      })),
    ),
    DeviceCgroupRules: listOrNull(host.deviceRules ?? []),
    DeviceRequests: listOrNull((host.deviceRequests ?? []).map(deviceRequest)),
    MemoryReservation: resources.memoryReservation,
    MemorySwap: resources.memorySwap,
    MemorySwappiness: resources.memorySwappiness ?? null,
    OomKillDisable: resources.oomKillDisable ?? false,
    PidsLimit: resources.pidsLimit === 0 ? null : Math.max(resources.pidsLimit, 0),
    Ulimits: listOrNull(host.ulimits.map(({ name, hard, soft }) => ({ Name: name, Hard: hard, Soft: soft }))),
    BlkioWeightDevice: deviceLimits(resources, 'weight', 'Weight'),
    BlkioDeviceReadBps: deviceLimits(resources, 'read-bps', 'Rate'),
    BlkioDeviceWriteBps: deviceLimits(resources, 'write-bps', 'Rate'),
    BlkioDeviceReadIOps: deviceLimits(resources, 'read-iops', 'Rate'),
    BlkioDeviceWriteIOps: deviceLimits(resources, 'write-iops', 'Rate'),
    CpuRealtimePeriod: 0,
    CpuRealtimeRuntime: 0,
    CpuCount: 0,
    CpuPercent: 0,
    IOMaximumIOps: 0,
    IOMaximumBandwidth: 0,
    MaskedPaths: host.privileged ? null : (host.maskedPaths ?? MASKED_PATHS),
    ReadonlyPaths: host.privileged ? null : (host.readonlyPaths ?? READONLY_PATHS),
    ...(mounts.length === 0 ? {} : { Mounts: mounts }),
    ...(Object.keys(host.annotations ?? {}).length === 0 ? {} : { Annotations: host.annotations }),
  };
}

function listOrNull<T>(list: readonly T[]): readonly T[] | null {
  return list.length === 0 ? null : list;
}

/** As the container was asked for; undefined: by Mounts. */
function bindText(mount: MountRequest): string | undefined {
  return mount.type === 'bind' || mount.type === 'volume' ? mount.bind : undefined;
}

/** An element of HostConfig.Mounts; undefined: it was asked for by Binds. */
function mountText(mount: MountRequest): object | undefined {
  if (mount.type === 'tmpfs') return { Type: 'tmpfs', Target: mount.target, ...tmpfsText(mount.options) };
  if (mount.type === 'image') {
    const { source, target, subpath } = mount;
    const options = subpath === '' ? {} : { ImageOptions: { Subpath: subpath } };
    return { Type: 'image', Source: source, Target: target, ...options };
  }
  if (mount.bind !== undefined) return undefined;
  const { type, source, target, readOnly } = mount;
  const options = type === 'bind' ? bindOptions(mount) : volumeOptions(mount);
  return {
    Type: type,
    ...(source === '' ? {} : { Source: source }),
    Target: target,
    ...(readOnly ? { ReadOnly: true } : {}),
    ...options,
  };
}

function bindOptions({ propagation, createSource, submounts }: Extract<MountRequest, { type: 'bind' }>) {
  const options = {
    ...(propagation === 'rprivate' ? {} : { Propagation: propagation }),
    ...(createSource ? { CreateMountpoint: true } : {}),
    ...(submounts === 'none' ? { NonRecursive: true } : {}),
    ...(submounts === 'writable' ? { ReadOnlyNonRecursive: true } : {}),
    ...(submounts === 'read-only' ? { ReadOnlyForceRecursive: true } : {}),
  };
  return Object.keys(options).length === 0 ? {} : { BindOptions: options };
}

function volumeOptions(mount: Extract<MountRequest, { type: 'volume' }>) {
  const { noCopy, subpath = '', driver = '', driverOptions = {}, labels = {} } = mount;
  const hasDriver = driver !== '' || Object.keys(driverOptions).length > 0;
  const options = {
    ...(noCopy ? { NoCopy: true } : {}),
    ...(Object.keys(labels).length === 0 ? {} : { Labels: labels }),
    ...(subpath === '' ? {} : { Subpath: subpath }),
    ...(hasDriver ? { DriverConfig: { Name: driver, Options: driverOptions } } : {}),
  };
  return Object.keys(options).length === 0 ? {} : { VolumeOptions: options };
}

function tmpfsText(text: string) {
  const words = text.split(',').filter(Boolean);
  const textOf = (name: string) => words.find((word) => word.startsWith(`${name}=`))?.slice(name.length + 1);
  const [size, mode] = [textOf('size'), textOf('mode')];
  const others = words.filter((word) => word !== 'ro' && !/^(size|mode)=/.test(word));
  const options = {
    ...(size === undefined ? {} : { SizeBytes: Number(size) }),
    ...(mode === undefined ? {} : { Mode: Number.parseInt(mode, 8) }),
    ...(others.length === 0 ? {} : { Options: others.map((word) => [word]) }),
  };
  return {
    ...(words.includes('ro') ? { ReadOnly: true } : {}),
    ...(Object.keys(options).length === 0 ? {} : { TmpfsOptions: options }),
  };
}

function deviceLimits({ deviceLimits: limits = [] }: ResourceLimits, kind: DeviceLimitKind, member: string) {
  const list = limits.filter((limit) => limit.kind === kind);
  return listOrNull(list.map(({ path, value }) => ({ Path: path, [member]: value })));
}

function deviceRequest({ driver, count, deviceIds, capabilities }: DeviceRequest) {
  return {
    Driver: driver,
    Count: count,
    DeviceIDs: listOrNull(deviceIds),
    Capabilities: listOrNull(capabilities),
    Options: {},
  };
}

/** As lists and inspections show it. */
export const networkMode = (mode: string) => (mode === 'default' ? 'bridge' : mode);

function portBindings(ports: ContainerRecord['host']['ports']) {
  const byPort: Record<string, { HostIp: string; HostPort: string }[]> = {};
  for (const binding of ports) {
    const key = `${binding.containerPort}/${binding.protocol}`;
    byPort[key] = [...(byPort[key] ?? []), { HostIp: binding.hostIp, HostPort: hostPorts(binding) }];
  }
  return byPort;
}

function hostPorts({ hostPort, lastHostPort }: ContainerRecord['host']['ports'][number]): string {
  if (lastHostPort !== undefined) return `${hostPort}-${lastHostPort}`;
  return hostPort === 0 ? '' : String(hostPort);
}

/** "/db:/web/store": the other container, and what this one calls it. */
function linkText(name: string, link: string): string {
  const { container, alias } = parseLink(link);
  return `/${container}:/${name}/${alias}`;
}
