import { readFile } from 'node:fs/promises';
import { errorMessage, invalid, systemErrorCode } from '../../base/index.ts';
import type { ContainerCreateRequest, HostConfig } from '../../client/index.ts';
import { parsePairs, splitPair } from '../filters.ts';
import { parseDevices } from './devices.ts';
import { readEnvironment, readPairsFile } from './environment.ts';
import type { ContainerFlags } from './flags.ts';
import { healthConfig } from './health.ts';
import { containerLimits } from './limits.ts';
import { parseTmpfs, parseVolumes } from './mounts.ts';
import { endpointSettings, parseNetwork } from './networks.ts';
import { parsePorts } from './ports.ts';

/** Which of the container's streams this command takes part in. */
export interface Streams {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
}

/** The streams that `-a`, `-i` and `-d` mean. */
export function attachedStreams(flags: ContainerFlags, detach: boolean): Streams {
  if (detach) return { stdin: false, stdout: false, stderr: false };
  if (flags.attach.length === 0) return { stdin: flags.interactive === true, stdout: true, stderr: true };
  const names = flags.attach.map((name) => name.toLowerCase());
  const unknown = names.find((name) => !['stdin', 'stdout', 'stderr'].includes(name));
  if (unknown !== undefined) throw invalid('valid streams are STDIN, STDOUT and STDERR');
  return {
    stdin: names.includes('stdin'),
    stdout: names.includes('stdout'),
    stderr: names.includes('stderr'),
  };
}

/** The request that options, image and command make; undefined members are not sent. Throws `invalid` naming the option that is wrong. */
export async function containerRequest(
  flags: ContainerFlags,
  image: string,
  command: readonly string[],
  streams: Streams,
  env: NodeJS.ProcessEnv,
): Promise<ContainerCreateRequest> {
  const ports = parsePorts(flags.publish, flags.expose);
  const volumes = parseVolumes(flags.volume);
  const environment = await readEnvironment(flags.envFile, flags.env, env);
  const labels = { ...(await readLabels(flags, env)), ...stopModeLabel(flags) };
  const health = healthConfig(flags);
  const networks = [...flags.network, ...flags.net].map(parseNetwork);
  return {
    Image: image,
    Cmd: listed(command),
    Entrypoint: flags.entrypoint === undefined ? undefined : [flags.entrypoint],
    Env: environment,
    Labels: labels,
    AttachStdin: streams.stdin,
    AttachStdout: streams.stdout,
    AttachStderr: streams.stderr,
    OpenStdin: flags.interactive === true,
    StdinOnce: flags.interactive === true && streams.stdin,
    Tty: flags.tty === true,
    ExposedPorts: ports.exposed,
    Volumes: volumes.anonymous,
    Hostname: flags.hostname,
    Domainname: flags.domainname,
    User: flags.user,
    WorkingDir: flags.workdir,
    StopSignal: flags.stopSignal,
    StopTimeout: flags.stopTimeout,
    Healthcheck: health,
    HostConfig: {
      ...(await hostConfig(flags)),
      Binds: volumes.binds,
      PortBindings: ports.bindings,
      NetworkMode: networks[0]?.name ?? 'default',
    },
    NetworkingConfig: { EndpointsConfig: endpointSettings(flags, networks) },
  };
}

/** Docker's API has no word for it. */
function stopModeLabel({ stopMode }: ContainerFlags): Record<string, string> {
  return stopMode === undefined ? {} : { 'berth.stop-mode': stopMode };
}

async function hostConfig(flags: ContainerFlags): Promise<HostConfig> {
  const devices = parseDevices(flags.device, flags.gpus);
  const security = await securityOptions(flags.securityOpt);
  return {
    ...containerLimits(flags),
    AutoRemove: flags.rm === true,
    Privileged: flags.privileged === true,
    PublishAllPorts: flags.publishAll === true,
    ReadonlyRootfs: flags.readOnly === true,
    RestartPolicy: flags.restart ?? { Name: 'no', MaximumRetryCount: 0 },
    CapAdd: listed(flags.capAdd),
    CapDrop: listed(flags.capDrop),
    Annotations: annotations(flags),
    BlkioDeviceReadBps: listed(flags.deviceReadBps),
    BlkioDeviceReadIOps: listed(flags.deviceReadIops),
    BlkioDeviceWriteBps: listed(flags.deviceWriteBps),
    BlkioDeviceWriteIOps: listed(flags.deviceWriteIops),
    BlkioWeightDevice: listed(flags.blkioWeightDevice),
    CgroupnsMode: flags.cgroupns,
    CgroupParent: flags.cgroupParent,
    CpuRealtimePeriod: flags.cpuRtPeriod,
    CpuRealtimeRuntime: flags.cpuRtRuntime,
    DeviceCgroupRules: listed(flags.deviceCgroupRule),
    DeviceRequests: listed(devices.requests),
    Devices: listed(devices.mappings),
    Dns: listed(flags.dns),
    DnsOptions: listed(flags.dnsOption),
    DnsSearch: listed(flags.dnsSearch),
    ExtraHosts: listed(flags.addHost.map(parseExtraHost)),
    GroupAdd: listed(flags.groupAdd),
    Init: flags.init,
    IpcMode: flags.ipc,
    Isolation: flags.isolation,
    Links: listed(flags.link),
    LogConfig: logConfig(flags),
    MemorySwappiness: flags.memorySwappiness,
    Mounts: listed(flags.mount),
    OomKillDisable: flags.oomKillDisable,
    OomScoreAdj: flags.oomScoreAdj,
    PidMode: flags.pid,
    Runtime: flags.runtime,
    SecurityOpt: listed(security.options),
    ...(security.unmasked ? { MaskedPaths: [], ReadonlyPaths: [] } : {}),
    ShmSize: flags.shmSize,
    StorageOpt: flags.storageOpt.length === 0 ? undefined : parsePairs(flags.storageOpt),
    Sysctls: flags.sysctl.length === 0 ? undefined : parsePairs(flags.sysctl),
    Tmpfs: flags.tmpfs.length === 0 ? undefined : parseTmpfs(flags.tmpfs),
    Ulimits: listed(flags.ulimit),
    UsernsMode: flags.userns,
    UTSMode: flags.uts,
    VolumeDriver: flags.volumeDriver,
    VolumesFrom: listed(flags.volumesFrom),
  };
}

/** Docker's API has no word for a kernel. */
function annotations({ annotation, kernel }: ContainerFlags): HostConfig['Annotations'] {
  const given = annotation.length === 0 ? undefined : parsePairs(annotation);
  return kernel === undefined ? given : { ...given, 'berth.kernel': kernel };
}

function listed<T>(list: readonly T[]): readonly T[] | undefined {
  return list.length === 0 ? undefined : list;
}

async function readLabels(flags: ContainerFlags, env: NodeJS.ProcessEnv): Promise<Record<string, string>> {
  const files = await Promise.all(flags.labelFile.map((file) => readPairsFile(file, env)));
  const labels = [...files.flat(), ...flags.label];
  const nameless = labels.find((label) => label === '' || label.startsWith('='));
  if (nameless !== undefined) throw invalid(`invalid label '${nameless}': empty name`);
  return parsePairs(labels);
}

function logConfig({ logDriver = '', logOpt }: ContainerFlags): HostConfig['LogConfig'] {
  if (logDriver === '' && logOpt.length === 0) return undefined;
  return { Type: logDriver, Config: parsePairs(logOpt) };
}

/**
 * `seccomp=FILE` sends the file's content, as the engine may be on another machine; `systempaths=unconfined` is no option of
 * the API, but empty lists of what is masked.
 */
async function securityOptions(given: readonly string[]): Promise<{ options: string[]; unmasked: boolean }> {
  const options = given.filter((option) => !UNMASKED.includes(option));
  return {
    options: await Promise.all(options.map(withSeccompProfile)),
    unmasked: options.length < given.length,
  };
}

const UNMASKED = ['systempaths=unconfined', 'systempaths:unconfined'];

async function withSeccompProfile(option: string): Promise<string> {
  const [name, value] = splitPair(option);
  if (name !== 'seccomp' || value === undefined || ['unconfined', 'builtin'].includes(value)) return option;
  try {
    return `seccomp=${JSON.stringify(JSON.parse(await readFile(value, 'utf8')))}`;
  } catch (cause) {
    const action = systemErrorCode(cause) === undefined ? 'reading' : 'opening';
    throw invalid(`${action} seccomp profile (${value}) failed: ${errorMessage(cause)}`, { cause });
  }
}

/** `host:ip` or `host=ip`. */
function parseExtraHost(text: string): string {
  const [, host, address] = /^([^:=]+)[:=](.+)$/.exec(text) ?? [];
  if (host === undefined || address === undefined) throw invalid(`bad format for add-host: "${text}"`);
  return `${host}:${address}`;
}
