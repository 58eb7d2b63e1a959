import { stringify } from 'yaml';
import type {
  Project,
  ProjectNetwork,
  ProjectVolume,
  Service,
  ServiceBlockIo,
  ServiceDeviceLimit,
  ServiceMachine,
  ServiceVolume,
} from './model.ts';

/** The project as one Compose file in long form: what `config` prints. Reading it again gives the same project. */
export function configText(project: Project): string {
  const text = stringify(configOf(project), {
    lineWidth: 0,
    singleQuote: false,
    aliasDuplicateObjects: false,
  });
  // A dollar that came out of the files is one, not the start of a variable.
  return text.replaceAll('$', '$$$$');
}

function configOf({ name, services, networks, volumes }: Project) {
  return stated({
    name,
    services: Object.fromEntries(services.map((service) => [service.name, serviceConfig(service)])),
    networks: Object.fromEntries(networks.map((network) => [network.key, networkConfig(network)])),
    volumes: Object.fromEntries(volumes.map((volume) => [volume.key, volumeConfig(volume)])),
  });
}

function serviceConfig(service: Service) {
  const { build, healthcheck, logging } = service;
  return stated({
    build:
      build === undefined
        ? undefined
        : stated({
            context: build.context,
            dockerfile: build.dockerfile,
            args: build.args,
            target: build.target,
            labels: build.labels,
            tags: build.tags,
            no_cache: build.noCache,
            pull: build.pull,
            network: build.network,
            extra_hosts: build.extraHosts,
            cache_from: build.cacheFrom,
            shm_size: build.shmSize,
            isolation: build.isolation,
          }),
    image: service.image,
    platform: service.platform,
    container_name: service.containerName,
    command: even(service.command),
    entrypoint: even(service.entrypoint),
    environment: service.environment,
    ports: service.ports.map(({ containerPort, hostPort, hostIp, protocol }) =>
      stated({
        mode: 'ingress',
        host_ip: hostIp === '' ? undefined : hostIp,
        target: containerPort,
        published: hostPort === '' ? undefined : hostPort,
        protocol,
      }),
    ),
    expose: service.expose,
    volumes: service.volumes.map(mountConfig),
    volumes_from: service.volumesFrom.map(
      ({ kind, name, readOnly }) =>
        `${kind === 'container' ? 'container:' : ''}${name}:${readOnly ? 'ro' : 'rw'}`,
    ),
    networks: Object.fromEntries(
      service.networks.map(({ name, aliases, address, address6, macAddress }) => [
        name,
        orNull(stated({ aliases, ipv4_address: address, ipv6_address: address6, mac_address: macAddress })),
      ]),
    ),
    network_mode: service.networkMode,
    depends_on: Object.fromEntries(
      service.dependsOn.map(({ service: name, condition, required, restart }) => [
        name,
        { condition, required, ...(restart ? { restart } : {}) },
      ]),
    ),
    restart: service.restart,
    labels: service.labels,
    user: service.user,
    working_dir: service.workingDir,
    hostname: service.hostname,
    domainname: service.domainname,
    stdin_open: service.stdinOpen,
    tty: service.tty,
    init: even(service.init),
    privileged: service.privileged,
    read_only: service.readOnly,
    cap_add: service.capAdd,
    cap_drop: service.capDrop,
    group_add: service.groupAdd,
    security_opt: service.securityOpt,
    tmpfs: service.tmpfs,
    extra_hosts: service.extraHosts.map((text) => text.replace(':', '=')),
    dns: service.dns,
    dns_search: service.dnsSearch,
    dns_opt: service.dnsOptions,
    sysctls: service.sysctls,
    ulimits: Object.fromEntries(service.ulimits.map(({ name, soft, hard }) => [name, { soft, hard }])),
    devices: service.devices.map(({ source, target, permissions }) => `${source}:${target}:${permissions}`),
    mem_limit: service.memory,
    mem_reservation: service.memoryReservation,
    memswap_limit: service.memorySwap,
    cpus: service.cpus,
    cpu_shares: service.cpuShares,
    cpuset: service.cpuset,
    pids_limit: service.pidsLimit,
    oom_score_adj: service.oomScoreAdj,
    oom_kill_disable: even(service.oomKillDisable),
    ipc: service.ipc,
    pid: service.pid,
    uts: service.uts,
    userns_mode: service.usernsMode,
    cgroup: service.cgroup,
    cgroup_parent: service.cgroupParent,
    runtime: service.runtime,
    isolation: service.isolation,
    'x-berth': service.machine === undefined ? undefined : { machine: machineText(service.machine) },
    storage_opt: service.storageOpt,
    shm_size: service.shmSize,
    stop_signal: service.stopSignal,
    stop_grace_period: service.stopGracePeriod === undefined ? undefined : `${service.stopGracePeriod}s`,
    healthcheck:
      healthcheck === undefined
        ? undefined
        : stated({
            test: healthcheck.test,
            interval: durationText(healthcheck.interval),
            timeout: durationText(healthcheck.timeout),
            start_period: durationText(healthcheck.startPeriod),
            start_interval: durationText(healthcheck.startInterval),
            retries: healthcheck.retries,
          }),
    logging: logging === undefined ? undefined : stated({ driver: logging.driver, options: logging.options }),
    pull_policy: service.pullPolicy,
    profiles: service.profiles,
    scale: service.scale === 1 ? undefined : service.scale,
    annotations: service.annotations,
    blkio_config: service.blockIo === undefined ? undefined : blockIoConfig(service.blockIo),
    cpu_period: service.cpuPeriod,
    cpu_quota: service.cpuQuota,
    device_cgroup_rules: service.deviceRules,
    gpus: service.gpus.map(({ driver, count, deviceIds, capabilities }) =>
      stated({ driver: driver || undefined, count: count || undefined, device_ids: deviceIds, capabilities }),
    ),
    mem_swappiness: service.memorySwappiness,
  });
}

function blockIoConfig(limits: ServiceBlockIo): Record<string, unknown> {
  const rates = (list: readonly ServiceDeviceLimit[]) =>
    list.map(({ path, value }) => ({ path, rate: value }));
  return stated({
    weight: limits.weight,
    weight_device: limits.weightDevices.map(({ path, value }) => ({ path, weight: value })),
    device_read_bps: rates(limits.readBps),
    device_write_bps: rates(limits.writeBps),
    device_read_iops: rates(limits.readIops),
    device_write_iops: rates(limits.writeIops),
  });
}

function mountConfig(volume: ServiceVolume) {
  switch (volume.type) {
    case 'bind': {
      const { type, source, target, readOnly, createSource, propagation, recursive } = volume;
      const bind = orNothing(
        stated({ create_host_path: createSource ? undefined : 'false', propagation, recursive }),
      );
      return stated({ type, source, target, read_only: readOnly, bind });
    }
    case 'volume': {
      const { type, source, target, readOnly, noCopy, subpath } = volume;
      const options = orNothing(stated({ nocopy: noCopy, subpath }));
      return stated({
        type,
        source: source === '' ? undefined : source,
        target,
        read_only: readOnly,
        volume: options,
      });
    }
    case 'image': {
      const { type, source, target, subpath } = volume;
      return stated({ type, source, target, image: orNothing(stated({ subpath })) });
    }
    case 'tmpfs':
      return stated({
        type: volume.type,
        target: volume.target,
        tmpfs: orNothing(stated({ size: volume.size, mode: volume.mode })),
      });
  }
}

function networkConfig(network: ProjectNetwork) {
  const { name, external } = network;
  if (external) return { name, external };
  const { subnet, ipRange, gateway } = network;
  const pool = stated({ subnet, ip_range: ipRange, gateway });
  return stated({
    name,
    driver: network.driver,
    internal: network.internal,
    attachable: network.attachable,
    enable_ipv6: even(network.enableIpv6),
    ipam: Object.keys(pool).length === 0 ? undefined : { config: [pool] },
    labels: network.labels,
    driver_opts: network.driverOptions,
  });
}

function volumeConfig({ name, external, driver, labels, driverOptions }: ProjectVolume) {
  return external ? { name, external } : stated({ name, driver, labels, driver_opts: driverOptions });
}

function durationText(nanoseconds: number | undefined): string | undefined {
  return nanoseconds === undefined ? undefined : `${nanoseconds / 1e6}ms`;
}

/** A value that says something even when it is false or empty. */
class Even {
  readonly value: unknown;

  constructor(value: unknown) {
    this.value = value;
  }
}

function even(value: unknown): Even | undefined {
  return value === undefined ? undefined : new Even(value);
}

/** The members that say something: not undefined, false or empty. Maps become objects. */
function stated(members: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const plain = Object.entries(members)
    .map(([name, value]) => [name, value instanceof Map ? Object.fromEntries(value) : value] as const)
    .filter(([, value]) => !saysNothing(value))
    .map(([name, value]) => [name, value instanceof Even ? value.value : value]);
  return Object.fromEntries(plain);
}

function saysNothing(value: unknown): boolean {
  if (value === undefined || value === false) return true;
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0;
}

function orNull(members: Record<string, unknown>): Record<string, unknown> | null {
  return Object.keys(members).length === 0 ? null : members;
}

function orNothing(members: Record<string, unknown>): Record<string, unknown> | undefined {
  return Object.keys(members).length === 0 ? undefined : members;
}

/** In the words of `x-berth.machine`. */
function machineText(machine: ServiceMachine) {
  return {
    from: sourceText(machine.source),
    ...{ cpus: machine.cpus, memory: machine.memory, type: machine.model, firmware: machine.firmware },
    disks: Object.fromEntries(machine.disks.map(({ Name, Size }) => [Name, Size])),
    ...{ iso: machine.iso, user: machine.user, ssh_keys: machine.sshKeys },
    ...{ packages: machine.packages, run: machine.run },
  };
}

function sourceText(source: ServiceMachine['source']): string | undefined {
  if (source.Kind === 'empty') return undefined;
  if (source.Kind === 'debian') return source.Release === undefined ? 'debian' : `debian:${source.Release}`;
  return 'Path' in source ? source.Path : `${source.Url}#sha256=${source.Sha256}`;
}
