import { readFileSync } from 'node:fs';
import { errorMessage, parseDuration, parseSize, systemErrorCode } from '../base/index.ts';
import { parseEnvFile } from './env-file.ts';
import { BUILD, checkKeys, DEPLOY, PORT, SERVICE, SERVICE_NETWORK, VOLUME_MOUNT } from './known-keys.ts';
import {
  asFlag,
  asList,
  asMap,
  asNumber,
  asPairs,
  asText,
  asTexts,
  type Located,
  type LocatedMap,
  missingAt,
  wrongAt,
} from './located-yaml.ts';
import type {
  Dependency,
  Service,
  ServiceBuild,
  ServiceNetwork,
  ServicePort,
  ServiceVolume,
} from './model.ts';
import { hostPath, parsePortShort, parseVolumeShort, splitCommand } from './short-forms.ts';

/** What a service is parsed with. */
export interface ServiceContext {
  readonly directory: string;
  /** Called when a container_name was no valid name and another is used. */
  readonly onRenamed: (from: string, to: string) => void;
}

/** Reads one service of a merged, interpolated file. Throws `invalid` or `not-implemented` with the place. */
export function parseService(name: string, node: Located, context: ServiceContext): Service {
  const map = asMap(node);
  checkKeys(map, SERVICE);
  const get = <T>(key: string, read: (value: Located) => T): T | undefined => {
    const value = map.entries.get(key);
    return value === undefined || (value.kind === 'scalar' && value.value === null) ? undefined : read(value);
  };
  const deploy = get('deploy', (value) => parseDeploy(asMap(value)));
  const service: Service = {
    name,
    image: get('image', asText),
    build: get('build', (value) => parseBuild(value, context.directory)),
    containerName: get('container_name', (value) => containerName(value, context.onRenamed)),
    command: get('command', commandArgs),
    entrypoint: get('entrypoint', commandArgs),
    environment: new Map([
      ...(get('env_file', (value) => envFiles(value, context.directory)) ?? []),
      ...(get('environment', asPairs) ?? []),
    ]),
    ports: get('ports', (value) => asList(value).flatMap(parsePort)) ?? [],
    expose: get('expose', asTexts) ?? [],
    volumes:
      get('volumes', (value) => asList(value).map((item) => parseVolume(item, context.directory))) ?? [],
    networks: get('networks', parseNetworks) ?? [],
    networkMode: get('network_mode', asText),
    dependsOn: get('depends_on', parseDependencies) ?? [],
    restart: get('restart', asText),
    labels: get('labels', asPairs) ?? new Map(),
    user: get('user', asText),
    workingDir: get('working_dir', asText),
    hostname: get('hostname', asText),
    stdinOpen: get('stdin_open', asFlag) ?? false,
    tty: get('tty', asFlag) ?? false,
    privileged: get('privileged', asFlag) ?? false,
    readOnly: get('read_only', asFlag) ?? false,
    capAdd: get('cap_add', asTexts) ?? [],
    capDrop: get('cap_drop', asTexts) ?? [],
    securityOpt: get('security_opt', asTexts) ?? [],
    tmpfs: get('tmpfs', asTexts) ?? [],
    extraHosts: get('extra_hosts', extraHosts) ?? [],
    dns: get('dns', asTexts) ?? [],
    dnsSearch: get('dns_search', asTexts) ?? [],
    sysctls: get('sysctls', asPairs) ?? new Map(),
    memory: get('mem_limit', bytes) ?? deploy?.memory,
    cpus: get('cpus', asNumber) ?? deploy?.cpus,
    pidsLimit: get('pids_limit', asNumber) ?? deploy?.pids,
    shmSize: get('shm_size', bytes),
    stopSignal: get('stop_signal', asText),
    stopGracePeriod: get('stop_grace_period', seconds),
    logging: get('logging', parseLogging),
    pullPolicy: get('pull_policy', asText),
    profiles: get('profiles', asTexts) ?? [],
    scale: get('scale', asNumber) ?? deploy?.replicas ?? 1,
  };
  if (service.image === undefined && service.build === undefined) {
    throw wrongAt(
      node,
      `service "${name}" has neither an image nor a build context specified: invalid compose project`,
    );
  }
  if (service.containerName !== undefined && service.scale > 1) {
    throw wrongAt(
      node,
      `service "${name}" has a container_name and cannot be scaled to ${service.scale}: names are unique`,
    );
  }
  return service;
}

/** What cannot be a container's name is made one: Docker's own Compose refuses it. */
function containerName(node: Located, onRenamed: ServiceContext['onRenamed']): string {
  const wanted = asText(node);
  const name = wanted.replace(/[^a-zA-Z0-9_.-]+/g, '-').replace(/^[^a-zA-Z0-9]+/, '');
  if (name.length < 2) throw wrongAt(node, `${node.path}: "${wanted}" cannot be made a container's name`);
  if (name !== wanted) onRenamed(wanted, name);
  return name;
}

function commandArgs(node: Located): string[] {
  return node.kind === 'list' ? asTexts(node) : explained(node, () => splitCommand(asText(node)));
}

function parseBuild(node: Located, directory: string): ServiceBuild {
  const none = { args: new Map(), labels: new Map(), tags: [], target: undefined, noCache: false };
  if (node.kind === 'scalar')
    return { ...none, context: hostPath(asText(node), directory), dockerfile: 'Dockerfile' };
  const map = asMap(node);
  checkKeys(map, BUILD);
  const get = <T>(key: string, read: (value: Located) => T): T | undefined => {
    const value = map.entries.get(key);
    return value === undefined ? undefined : read(value);
  };
  return {
    context: hostPath(get('context', asText) ?? '.', directory),
    dockerfile: get('dockerfile', asText) ?? 'Dockerfile',
    args: get('args', asPairs) ?? none.args,
    target: get('target', asText),
    labels: get('labels', asPairs) ?? none.labels,
    tags: get('tags', asTexts) ?? none.tags,
    noCache: get('no_cache', asFlag) ?? false,
  };
}

function parsePort(node: Located): ServicePort[] {
  if (node.kind === 'scalar') return explained(node, () => parsePortShort(asText(node)));
  const map = asMap(node);
  checkKeys(map, PORT);
  const text = (key: string) => {
    const value = map.entries.get(key);
    return value === undefined ? '' : asText(value);
  };
  const published = text('published');
  return explained(node, () =>
    parsePortShort(
      `${published === '' ? '' : `${published}:`}${text('target')}/${text('protocol') || 'tcp'}`,
    ),
  ).map((port) => ({ ...port, hostIp: text('host_ip') }));
}

function parseVolume(node: Located, directory: string): ServiceVolume {
  if (node.kind === 'scalar') return explained(node, () => parseVolumeShort(asText(node), directory));
  const map = asMap(node);
  checkKeys(map, VOLUME_MOUNT);
  const text = (key: string) => {
    const value = map.entries.get(key);
    return value === undefined ? '' : asText(value);
  };
  const readOnlyNode = map.entries.get('read_only');
  const readOnly = readOnlyNode !== undefined && asFlag(readOnlyNode);
  const target = text('target');
  if (target === '') throw wrongAt(node, `${node.path}.target is missing`);
  switch (text('type')) {
    case 'bind': {
      const source = hostPath(text('source'), directory);
      return { type: 'bind', source, target, readOnly, createSource: createsSource(map) };
    }
    case 'volume':
      return { type: 'volume', source: text('source'), target, readOnly };
    case 'tmpfs':
      return { type: 'tmpfs', target };
    default:
      throw wrongAt(node, `${node.path}.type must be bind, volume or tmpfs, not "${text('type')}"`);
  }
}

function createsSource(map: LocatedMap): boolean {
  const bind = map.entries.get('bind');
  const flag = bind?.kind === 'map' ? bind.entries.get('create_host_path') : undefined;
  return flag === undefined || asFlag(flag);
}

function parseNetworks(node: Located): ServiceNetwork[] {
  if (node.kind === 'list') return asTexts(node).map((name) => ({ name, aliases: [], address: undefined }));
  return [...asMap(node).entries].map(([name, value]) => {
    if (value.kind !== 'map') return { name, aliases: [], address: undefined };
    checkKeys(value, SERVICE_NETWORK);
    const aliases = value.entries.get('aliases');
    const address = value.entries.get('ipv4_address');
    return {
      name,
      aliases: aliases === undefined ? [] : asTexts(aliases),
      address: address === undefined ? undefined : asText(address),
    };
  });
}

const CONDITIONS = ['service_started', 'service_healthy', 'service_completed_successfully'] as const;

function parseDependencies(node: Located): Dependency[] {
  if (node.kind === 'list')
    return asTexts(node).map((service) => ({ service, condition: 'service_started' }));
  return [...asMap(node).entries].map(([service, value]) => {
    const given = asMap(value).entries.get('condition');
    const text = given === undefined ? 'service_started' : asText(given);
    const condition = CONDITIONS.find((known) => known === text);
    if (condition === undefined)
      throw wrongAt(given ?? value, `${value.path}.condition must be one of ${CONDITIONS.join(', ')}`);
    if (condition === 'service_healthy')
      throw missingAt(given ?? value, 'the condition service_healthy is not there yet');
    return { service, condition };
  });
}

function parseDeploy(map: LocatedMap) {
  checkKeys(map, DEPLOY);
  const replicas = map.entries.get('replicas');
  const resources = map.entries.get('resources');
  const limits = resources === undefined ? undefined : asMap(resources).entries.get('limits');
  const get = <T>(key: string, read: (value: Located) => T): T | undefined => {
    const value = limits === undefined ? undefined : asMap(limits).entries.get(key);
    return value === undefined ? undefined : read(value);
  };
  return {
    replicas: replicas === undefined ? undefined : asNumber(replicas),
    memory: get('memory', bytes),
    cpus: get('cpus', asNumber),
    pids: get('pids', asNumber),
  };
}

function parseLogging(node: Located): Service['logging'] {
  const { entries } = asMap(node);
  const driver = entries.get('driver');
  const options = entries.get('options');
  return {
    driver: driver === undefined ? 'json-file' : asText(driver),
    options: options === undefined ? new Map() : asPairs(options),
  };
}

/** A list of "name:address", or a mapping of names. */
function extraHosts(node: Located): string[] {
  if (node.kind === 'list') return asTexts(node).map((text) => text.replace('=', ':'));
  return [...asPairs(node)].map(([name, address]) => `${name}:${address ?? ''}`);
}

function envFiles(node: Located, directory: string): Map<string, string | null> {
  const files = node.kind === 'list' ? asList(node) : [node];
  const variables = new Map<string, string | null>();
  for (const file of files) {
    const pathNode = file.kind === 'map' ? file.entries.get('path') : file;
    if (pathNode === undefined) throw wrongAt(file, `${file.path}.path is missing`);
    const requiredNode = file.kind === 'map' ? file.entries.get('required') : undefined;
    const path = hostPath(asText(pathNode), directory);
    try {
      for (const [name, value] of parseEnvFile(readFileSync(path, 'utf8'))) variables.set(name, value);
    } catch (error) {
      if (requiredNode !== undefined && !asFlag(requiredNode)) continue;
      throw wrongAt(
        file,
        `env file ${path} cannot be read: ${systemErrorCode(error) ?? errorMessage(error)}`,
      );
    }
  }
  return variables;
}

function bytes(node: Located): number {
  return explained(node, () => parseSize(asText(node)));
}

function seconds(node: Located): number {
  return explained(node, () => Math.ceil(parseDuration(asText(node)) / 1e9));
}

/** Adds the place to an error of a parser that does not know it. */
function explained<T>(node: Located, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw wrongAt(node, `${node.path}: ${errorMessage(error)}`);
  }
}
