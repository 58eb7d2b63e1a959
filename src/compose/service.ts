import { existsSync, readFileSync } from 'node:fs';
import { errorMessage, systemErrorCode } from '../base/index.ts';
import { parseEnvFile } from './env-file.ts';
import { asBytes, asNanoseconds, asSeconds, explained, fieldsOf, isNull } from './fields.ts';
import {
  checkKeys,
  DEPENDENCY,
  DEPLOY,
  ENV_FILE,
  HEALTHCHECK,
  LIMITS,
  LOGGING,
  RESERVATIONS,
  RESOURCES,
  RESTART_POLICY,
  SERVICE,
  ULIMIT,
} from './known-keys.ts';
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
  wrongAt,
} from './located-yaml.ts';
import type {
  Dependency,
  Service,
  ServiceDevice,
  ServiceHealthcheck,
  ServiceUlimit,
  VolumesFrom,
} from './model.ts';
import { parseBuild, parseExtraHosts } from './service-build.ts';
import { parseBlockIo, parseGpus } from './service-devices.ts';
import { checkMachineService, parseMachine } from './service-machine.ts';
import { parseMounts } from './service-mounts.ts';
import { parseNetworks, parsePorts } from './service-network.ts';
import { hostPath, splitCommand } from './short-forms.ts';

/** What a service is parsed with. */
export interface ServiceContext {
  readonly directory: string;
  /** The caller's environment, for keys of `environment` without a value. */
  readonly variables: (name: string) => string | undefined;
  /** Called when a container_name was no valid name and another is used. */
  readonly onRenamed: (from: string, to: string) => void;
}

/** Reads one service of a merged, interpolated file. Throws `invalid` or `not-implemented` with the place. */
export function parseService(name: string, node: Located, context: ServiceContext): Service {
  const map = asMap(node);
  checkKeys(map, SERVICE);
  const get = fieldsOf(map);
  const { directory } = context;
  const deploy = parseDeploy(get('deploy', asMap));
  const volumesFrom = get('volumes_from', (value) => asList(value).map(parseVolumesFrom)) ?? [];
  const namespaces = [get('network_mode', asText), get('ipc', asText), get('pid', asText)];
  const service: Service = {
    name,
    image: get('image', asText),
    build: get('build', (value) => parseBuild(value, context)),
    containerName: get('container_name', (value) => containerName(value, context.onRenamed)),
    command: get('command', commandArgs),
    entrypoint: get('entrypoint', commandArgs),
    environment: parseEnvironment(map, context),
    ports: get('ports', parsePorts) ?? [],
    expose: get('expose', asTexts) ?? [],
    volumes: get('volumes', (value) => parseMounts(value, directory)) ?? [],
    volumesFrom,
    networks: get('networks', parseNetworks) ?? [],
    networkMode: get('network_mode', asText),
    dependsOn: withNeeded(get('depends_on', parseDependencies) ?? [], [
      ...namespaces.flatMap((mode) => (mode?.startsWith('service:') ? mode.slice('service:'.length) : [])),
      ...volumesFrom.flatMap(({ kind, name }) => (kind === 'service' ? name : [])),
    ]),
    restart: get('restart', restartPolicy) ?? deploy.restart,
    labels: new Map([...labelFiles(get, directory), ...(get('labels', asPairs) ?? [])]),
    user: get('user', asText),
    workingDir: get('working_dir', asText),
    hostname: get('hostname', asText),
    domainname: get('domainname', asText),
    stdinOpen: get('stdin_open', asFlag) ?? false,
    tty: get('tty', asFlag) ?? false,
    init: get('init', asFlag),
    privileged: get('privileged', asFlag) ?? false,
    readOnly: get('read_only', asFlag) ?? false,
    capAdd: get('cap_add', asTexts) ?? [],
    capDrop: get('cap_drop', asTexts) ?? [],
    groupAdd: get('group_add', asTexts) ?? [],
    securityOpt: get('security_opt', asTexts) ?? [],
    tmpfs: get('tmpfs', asTexts) ?? [],
    extraHosts: get('extra_hosts', parseExtraHosts) ?? [],
    dns: get('dns', asTexts) ?? [],
    dnsSearch: get('dns_search', asTexts) ?? [],
    dnsOptions: get('dns_opt', asTexts) ?? [],
    sysctls: get('sysctls', asPairs) ?? new Map(),
    ulimits: get('ulimits', parseUlimits) ?? [],
    devices: get('devices', (value) => asList(value).map(parseDevice)) ?? [],
    memory: get('mem_limit', asBytes) ?? deploy.memory,
    memoryReservation: get('mem_reservation', asBytes) ?? deploy.memoryReservation,
    memorySwap: get('memswap_limit', swapLimit),
    cpus: get('cpus', asNumber) ?? deploy.cpus,
    cpuShares: get('cpu_shares', asNumber),
    cpuset: get('cpuset', asText),
    pidsLimit: get('pids_limit', asNumber) ?? deploy.pids,
    oomScoreAdj: get('oom_score_adj', asNumber),
    oomKillDisable: get('oom_kill_disable', asFlag),
    ipc: get('ipc', asText),
    pid: get('pid', asText),
    uts: get('uts', asText),
    usernsMode: get('userns_mode', asText),
    cgroup: get('cgroup', asText),
    cgroupParent: get('cgroup_parent', asText),
    runtime: get('runtime', asText),
    isolation: get('isolation', asText),
    storageOpt: get('storage_opt', asPairs) ?? new Map(),
    platform: get('platform', asText),
    shmSize: get('shm_size', asBytes),
    stopSignal: get('stop_signal', asText),
    stopGracePeriod: get('stop_grace_period', asSeconds),
    healthcheck: get('healthcheck', parseHealthcheck),
    logging: get('logging', parseLogging),
    pullPolicy: get('pull_policy', pullPolicy),
    profiles: get('profiles', asTexts) ?? [],
    scale: get('scale', asNumber) ?? deploy.replicas ?? 1,
    annotations: get('annotations', asPairs) ?? new Map(),
    blockIo: get('blkio_config', parseBlockIo),
    cpuPeriod: get('cpu_period', asNumber),
    cpuQuota: get('cpu_quota', asNumber),
    deviceRules: get('device_cgroup_rules', asTexts) ?? [],
    gpus: get('gpus', parseGpus) ?? [],
    memorySwappiness: get('mem_swappiness', asNumber),
    machine: get('x-berth', (value) => parseMachine(value, directory)),
  };
  if (service.machine !== undefined) checkMachineService(name, map);
  checkTogether(node, service);
  return service;
}

/** What is wrong only in combination. */
function checkTogether(node: Located, service: Service): void {
  const { name, image, build, containerName, scale, networks, networkMode } = service;
  if (image === undefined && build === undefined && service.machine === undefined) {
    throw wrongAt(
      node,
      `service "${name}" has neither an image nor a build context specified: invalid compose project`,
    );
  }
  if (containerName !== undefined && scale > 1) {
    throw wrongAt(
      node,
      `service "${name}" has a container_name and cannot be scaled to ${scale}: names are unique`,
    );
  }
  if (networkMode !== undefined && networks.length > 0) {
    throw wrongAt(
      node,
      `service "${name}" declares mutually exclusive \`network_mode\` and \`networks\`: invalid compose project`,
    );
  }
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

/** Files first, then the mapping; a key without a value takes the caller's, and goes where the caller has none. */
function parseEnvironment(map: LocatedMap, { directory, variables }: ServiceContext): Map<string, string> {
  const get = fieldsOf(map);
  const environment = new Map<string, string>(get('env_file', (value) => envFiles(value, directory)) ?? []);
  for (const [name, given] of get('environment', asPairs) ?? []) {
    const value = given ?? variables(name);
    if (value === undefined) environment.delete(name);
    else environment.set(name, value);
  }
  return environment;
}

/** The labels of files, of which a later one wins. */
function labelFiles(get: ReturnType<typeof fieldsOf>, directory: string): Map<string, string> {
  const labels = new Map<string, string>();
  for (const file of get('label_file', (value) => (value.kind === 'list' ? asList(value) : [value])) ?? []) {
    const path = hostPath(asText(file), directory);
    for (const [name, value] of readPairs(file, 'label file', path)) labels.set(name, value);
  }
  return labels;
}

function readPairs(node: Located, what: string, path: string): Map<string, string> {
  try {
    return parseEnvFile(readFileSync(path, 'utf8'));
  } catch (error) {
    const reason = systemErrorCode(error) === 'ENOENT' ? 'not found' : errorMessage(error);
    throw wrongAt(node, `${what} ${path} not readable: ${reason}`);
  }
}

function envFiles(node: Located, directory: string): Map<string, string> {
  const files = node.kind === 'list' ? asList(node) : [node];
  const variables = new Map<string, string>();
  for (const file of files) {
    const map = file.kind === 'map' ? file : undefined;
    if (map !== undefined) checkKeys(map, ENV_FILE);
    const get = fieldsOf(map);
    const given = map === undefined ? asText(file) : get('path', asText);
    if (given === undefined) throw wrongAt(file, `${file.path}.path is missing`);
    const path = hostPath(given, directory);
    if (get('required', asFlag) === false && !existsSync(path)) continue;
    for (const [name, value] of readPairs(file, 'env file', path)) variables.set(name, value);
  }
  return variables;
}

const CONDITIONS = ['service_started', 'service_healthy', 'service_completed_successfully'] as const;

function parseDependencies(node: Located): Dependency[] {
  const started = { condition: 'service_started', required: true, restart: false } as const;
  if (node.kind === 'list') return asTexts(node).map((service) => ({ service, ...started }));
  return [...asMap(node).entries].map(([service, value]) => {
    if (isNull(value)) return { service, ...started };
    const map = asMap(value);
    checkKeys(map, DEPENDENCY);
    const get = fieldsOf(map);
    return {
      service,
      condition: get('condition', (given) => oneOf(given, CONDITIONS)) ?? 'service_started',
      required: get('required', asFlag) ?? true,
      restart: get('restart', asFlag) ?? false,
    };
  });
}

/** Who shares a namespace of another service, or has its volumes, depends on it. */
function withNeeded(dependencies: Dependency[], services: readonly string[]): Dependency[] {
  const known = new Map(dependencies.map((dependency) => [dependency.service, dependency]));
  for (const service of services) {
    if (known.has(service)) continue;
    known.set(service, { service, condition: 'service_started', required: true, restart: true });
  }
  return [...known.values()];
}

/** `SERVICE[:ro]` or `container:NAME[:ro]`. */
function parseVolumesFrom(node: Located): VolumesFrom {
  const text = asText(node);
  const [, container, name = '', mode = 'rw'] = /^(container:)?([^:]+)(?::(ro|rw))?$/.exec(text) ?? [];
  if (name === '')
    throw wrongAt(node, `${node.path}: "${text}" is neither SERVICE[:ro] nor container:NAME[:ro]`);
  return { kind: container === undefined ? 'service' : 'container', name, readOnly: mode === 'ro' };
}

function parseDeploy(map: LocatedMap | undefined) {
  if (map !== undefined) checkKeys(map, DEPLOY);
  const get = fieldsOf(map);
  const resources = get('resources', asMap);
  if (resources !== undefined) checkKeys(resources, RESOURCES);
  const limitsMap = fieldsOf(resources)('limits', asMap);
  const reservationsMap = fieldsOf(resources)('reservations', asMap);
  if (limitsMap !== undefined) checkKeys(limitsMap, LIMITS);
  if (reservationsMap !== undefined) checkKeys(reservationsMap, RESERVATIONS);
  const limits = fieldsOf(limitsMap);
  return {
    replicas: get('replicas', asNumber),
    restart: get('restart_policy', (value) => deployRestart(asMap(value))),
    memory: limits('memory', asBytes),
    cpus: limits('cpus', asNumber),
    pids: limits('pids', asNumber),
    memoryReservation: fieldsOf(reservationsMap)('memory', asBytes),
  };
}

/** Swarm's words for what `restart` says. */
function deployRestart(map: LocatedMap): string {
  checkKeys(map, RESTART_POLICY);
  const get = fieldsOf(map);
  const attempts = get('max_attempts', asNumber);
  switch (get('condition', (value) => oneOf(value, ['none', 'on-failure', 'any']))) {
    case 'none':
      return 'no';
    case 'on-failure':
      return attempts === undefined ? 'on-failure' : `on-failure:${attempts}`;
    default:
      return 'always';
  }
}

function restartPolicy(node: Located): string {
  const text = node.kind === 'scalar' && node.value === false ? 'no' : asText(node);
  if (/^(?:no|always|unless-stopped|on-(?:failure|unhealthy)(?::\d+)?)$/.test(text)) return text;
  throw wrongAt(
    node,
    `${node.path} must be no, always, unless-stopped, on-failure[:retries] or on-unhealthy[:retries], not "${text}"`,
  );
}

function pullPolicy(node: Located): string {
  const text = asText(node);
  if (/^(?:always|never|missing|if_not_present|build|daily|weekly|every_\w+)$/.test(text)) return text;
  throw wrongAt(node, `${node.path} must be always, missing, never or build, not "${text}"`);
}

function parseHealthcheck(node: Located): ServiceHealthcheck {
  const map = asMap(node);
  checkKeys(map, HEALTHCHECK);
  const get = fieldsOf(map);
  const disabled = get('disable', asFlag) ?? false;
  return {
    test: disabled ? ['NONE'] : get('test', healthTest),
    interval: get('interval', asNanoseconds),
    timeout: get('timeout', asNanoseconds),
    startPeriod: get('start_period', asNanoseconds),
    startInterval: get('start_interval', asNanoseconds),
    retries: get('retries', asNumber),
  };
}

function healthTest(node: Located): string[] {
  if (node.kind === 'scalar') return ['CMD-SHELL', asText(node)];
  const test = asTexts(node);
  const [first = ''] = test;
  if (['NONE', 'CMD', 'CMD-SHELL'].includes(first)) return test;
  throw wrongAt(node, `${node.path} must begin with NONE, CMD or CMD-SHELL, not "${first}"`);
}

function parseUlimits(node: Located): ServiceUlimit[] {
  return [...asMap(node).entries].map(([name, value]) => {
    if (value.kind !== 'map') return { name, soft: asNumber(value), hard: asNumber(value) };
    checkKeys(value, ULIMIT);
    const get = fieldsOf(value);
    const [soft, hard] = [get('soft', asNumber), get('hard', asNumber)];
    if (soft === undefined || hard === undefined)
      throw wrongAt(value, `${value.path} must have soft and hard`);
    return { name, soft, hard };
  });
}

function parseDevice(node: Located): ServiceDevice {
  const [source = '', target = source, permissions = 'rwm'] = asText(node).split(':');
  return { source, target, permissions };
}

function swapLimit(node: Located): number {
  return node.kind === 'scalar' && String(node.value) === '-1' ? -1 : asBytes(node);
}

function parseLogging(node: Located): Service['logging'] {
  const map = asMap(node);
  checkKeys(map, LOGGING);
  const get = fieldsOf(map);
  return {
    driver: get('driver', asText) ?? 'json-file',
    options: get('options', asPairs) ?? new Map(),
  };
}

function oneOf<T extends string>(node: Located, values: readonly T[]): T {
  const text = asText(node);
  const value = values.find((known) => known === text);
  if (value === undefined) {
    throw wrongAt(node, `${node.path} must be one of ${values.join(', ')}, not "${text}"`);
  }
  return value;
}
