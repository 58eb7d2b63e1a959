import { isIP } from 'node:net';
import { invalid } from '../base/index.ts';
import {
  type ContainerConfig,
  type Healthcheck,
  type HostOptions,
  type NetworkAttachment,
  type NewContainer,
  parseLogConfig,
} from '../engine/index.ts';
import { parseConsoleSize } from './console-size.ts';
import { cleanTarget, parseMounts, parseTmpfs } from './container-mounts.ts';
import { parseResources, parseRestart } from './container-resources.ts';
import { parseEndpointOptions } from './endpoint-options.ts';
import type { Fields } from './fields.ts';
import { parseDeviceRequests, parseModes, refuseContradictions } from './host-modes.ts';
import { parsePorts, portKey } from './port-bindings.ts';
import { refuseMissingOptions } from './refused-options.ts';
import { parseDiskSize } from './storage-options.ts';

/** Parses the body of POST /containers/create into the engine's command (Engine API, ContainerCreate). */
export function parseNewContainer(name: string, body: Fields): NewContainer {
  refuseMissingOptions(body);
  const host = body.object('HostConfig');
  const config = parseConfig(body);
  if (config.image === '') throw invalid('no image specified: the member Image is missing');
  const options = parseHost(host);
  refuseContradictions(config, options);
  return { name, config, host: options, networks: parseNetworks(body, options.networkMode) };
}

function parseConfig(body: Fields): ContainerConfig {
  return {
    image: body.text('Image'),
    hostname: body.text('Hostname'),
    domainname: body.text('Domainname'),
    user: body.text('User'),
    env: body.texts('Env').map(environmentEntry),
    entrypoint: emptyAsUnset(body.optionalTexts('Entrypoint')),
    cmd: emptyAsUnset(body.optionalTexts('Cmd')),
    workingDir: workingDir(body.text('WorkingDir')),
    labels: body.textMap('Labels'),
    exposedPorts: body.object('ExposedPorts').names().map(portKey),
    volumes: body.object('Volumes').names().map(cleanTarget),
    tty: body.flag('Tty'),
    openStdin: body.flag('OpenStdin'),
    stdinOnce: body.flag('StdinOnce'),
    attachStdin: body.flag('AttachStdin'),
    attachStdout: body.flag('AttachStdout'),
    attachStderr: body.flag('AttachStderr'),
    stopSignal: body.text('StopSignal') || undefined,
    stopTimeout: body.has('StopTimeout') ? body.number('StopTimeout') : undefined,
    healthcheck: body.has('Healthcheck') ? parseHealthcheck(body.object('Healthcheck')) : undefined,
    shell: emptyAsUnset(body.optionalTexts('Shell')),
  };
}

const MILLISECOND = 1e6;

/** Docker's HealthConfig. */
export function parseHealthcheck(health: Fields): Healthcheck {
  const duration = (name: string) => {
    const nanoseconds = health.number(name);
    if (nanoseconds !== 0 && nanoseconds < MILLISECOND) {
      throw invalid(`${name} in Healthcheck cannot be less than 1ms`);
    }
    return nanoseconds;
  };
  const retries = health.number('Retries');
  if (retries < 0) throw invalid('Retries in Healthcheck cannot be negative');
  return {
    test: health.texts('Test'),
    interval: duration('Interval'),
    timeout: duration('Timeout'),
    startPeriod: duration('StartPeriod'),
    startInterval: duration('StartInterval'),
    retries,
  };
}

function environmentEntry(text: string): string {
  if (text === '' || text.startsWith('=')) throw invalid(`invalid environment variable: ${text}`);
  return text;
}

/** "NAME:ADDRESS"; the address host-gateway is the host's. */
function extraHost(text: string): string {
  const [, name, address = ''] = /^([^:=]+)[:=](.+)$/.exec(text) ?? [];
  if (name === undefined) throw invalid(`bad format for add-host: "${text}"`);
  const bare = address.replace(/^\[(.*)\]$/, '$1');
  if (bare !== 'host-gateway' && isIP(bare) === 0) {
    throw invalid(`invalid IP address in add-host: "${address}"`);
  }
  return `${name}:${bare}`;
}

function dnsServer(text: string): string {
  if (isIP(text) === 0) throw invalid(`HostConfig.Dns: "${text}" is no IP address`);
  return text;
}

/** An empty list means the image's own value, as null does. */
function emptyAsUnset(list: string[] | undefined): string[] | undefined {
  return list === undefined || list.length === 0 ? undefined : list;
}

function workingDir(path: string): string {
  if (path !== '' && !path.startsWith('/')) {
    throw invalid(`the working directory '${path}' is invalid, it needs to be an absolute path`);
  }
  return path;
}

function parseHost(host: Fields): HostOptions {
  const modes = parseModes(host);
  const autoRemove = host.flag('AutoRemove');
  const restart = parseRestart(host.object('RestartPolicy'));
  if (autoRemove && restart.name !== 'no')
    throw invalid(`can't create 'AutoRemove' container with restart policy`);
  return {
    ...modes,
    ...parseDiskSize(host, modes),
    mounts: parseMounts(host),
    volumesFrom: host.texts('VolumesFrom'),
    links: isOnDefaultNetwork(host.text('NetworkMode')) ? host.texts('Links') : [],
    ports: parsePorts(host.object('PortBindings')),
    publishAllPorts: host.flag('PublishAllPorts'),
    autoRemove,
    consoleSize: parseConsoleSize(host),
    restart,
    privileged: host.flag('Privileged'),
    readonlyRootfs: host.flag('ReadonlyRootfs'),
    capAdd: host.texts('CapAdd'),
    capDrop: host.texts('CapDrop'),
    securityOpt: host.texts('SecurityOpt'),
    groupAdd: host.texts('GroupAdd'),
    tmpfs: parseTmpfs(host),
    shmSize: parseShmSize(host),
    resources: parseResources(host),
    ulimits: host.objects('Ulimits').map((limit) => ({
      name: limit.text('Name'),
      soft: limit.number('Soft'),
      hard: limit.number('Hard'),
    })),
    sysctls: host.textMap('Sysctls'),
    devices: host.objects('Devices').map((device) => ({
      host: device.text('PathOnHost'),
      container: device.text('PathInContainer'),
      access: device.text('CgroupPermissions', 'rwm') || 'rwm',
    })),
    extraHosts: host.texts('ExtraHosts').map(extraHost),
    dns: host.texts('Dns').map(dnsServer),
    dnsSearch: host.texts('DnsSearch'),
    dnsOptions: host.texts('DnsOptions'),
    log: parseLog(host.object('LogConfig')),
    oomScoreAdj: host.number('OomScoreAdj'),
    init: host.has('Init') ? host.flag('Init') : undefined,
    annotations: parseAnnotations(host),
    deviceRules: host.texts('DeviceCgroupRules'),
    deviceRequests: parseDeviceRequests(host),
    volumeDriver: host.text('VolumeDriver'),
    maskedPaths: host.optionalTexts('MaskedPaths'),
    readonlyPaths: host.optionalTexts('ReadonlyPaths'),
  };
}

function parseAnnotations(host: Fields): Record<string, string> {
  const annotations = host.textMap('Annotations');
  if ('' in annotations) {
    throw invalid('invalid Annotations: the empty string is not permitted as an annotation key');
  }
  return annotations;
}

const DEFAULT_SHM = 64 * 1024 * 1024;

function parseShmSize(host: Fields): number {
  const size = host.number('ShmSize');
  if (size < 0) throw invalid('SHM size can not be less than 0');
  return size === 0 ? DEFAULT_SHM : size;
}

/** Docker's LogConfig; json-file by default. */
export function parseLog(log: Fields): HostOptions['log'] {
  return parseLogConfig(log.text('Type') || 'json-file', log.textMap('Config'));
}

function parseNetworks(body: Fields, networkMode: string): NetworkAttachment[] {
  const endpoints = body.object('NetworkingConfig').object('EndpointsConfig');
  if (['host', 'none'].includes(networkMode) || networkMode.startsWith('container:')) {
    const other = endpoints.names().find((name) => name !== networkMode);
    if (other === undefined) return [];
    throw invalid(`conflicting options: the network mode ${networkMode} and the network ${other}`);
  }
  const main = networkMode === 'default' ? 'bridge' : networkMode;
  const named = endpoints
    .names()
    .map((name) => parseEndpoint(name === 'default' ? 'bridge' : name, endpoints.object(name)));
  const macAddress = body.text('MacAddress') || undefined;
  const wanted = named.find(({ network }) => network === main) ?? {
    network: main,
    aliases: [],
    address: undefined,
    ipv6Address: undefined,
    macAddress,
  };
  const links = isOnDefaultNetwork(networkMode) ? [] : body.object('HostConfig').texts('Links');
  const first = links.length === 0 ? wanted : { ...wanted, links: [...(wanted.links ?? []), ...links] };
  return [first, ...named.filter(({ network }) => network !== main)];
}

const isOnDefaultNetwork = (networkMode: string) => ['', 'default', 'bridge'].includes(networkMode);

/** Parses what a container asks of its place in a network (Engine API, EndpointSettings). */
export function parseEndpoint(network: string, endpoint: Fields): NetworkAttachment {
  const addresses = endpoint.object('IPAMConfig');
  const links = endpoint.texts('Links');
  const gatewayPriority = endpoint.number('GwPriority');
  return {
    network,
    aliases: endpoint.texts('Aliases'),
    address: addresses.text('IPv4Address') || undefined,
    ipv6Address: addresses.text('IPv6Address') || undefined,
    macAddress: endpoint.text('MacAddress') || undefined,
    ...(links.length === 0 ? {} : { links }),
    ...(gatewayPriority === 0 ? {} : { gatewayPriority }),
    ...parseEndpointOptions(endpoint.object('DriverOpts')),
  };
}
