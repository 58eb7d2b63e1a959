import { invalid, notImplemented } from '../base/index.ts';
import type {
  ContainerConfig,
  Healthcheck,
  HostOptions,
  MountRequest,
  NetworkAttachment,
  NewContainer,
  PortBinding,
} from '../engine/index.ts';
import { parseResources, parseRestart } from './container-resources.ts';
import type { Fields } from './fields.ts';
import { refuseMissingOptions } from './refused-options.ts';

/** Parses the body of POST /containers/create into the engine's command (Engine API, ContainerCreate). */
export function parseNewContainer(name: string, body: Fields): NewContainer {
  refuseMissingOptions(body);
  const host = body.object('HostConfig');
  const config = parseConfig(body);
  if (config.image === '') throw invalid('no image specified: the member Image is missing');
  const options = parseHost(host);
  return { name, config, host: options, networks: parseNetworks(body, options.networkMode) };
}

function parseConfig(body: Fields): ContainerConfig {
  return {
    image: body.text('Image'),
    hostname: body.text('Hostname'),
    domainname: body.text('Domainname'),
    user: body.text('User'),
    env: body.texts('Env'),
    entrypoint: emptyAsUnset(body.optionalTexts('Entrypoint')),
    cmd: emptyAsUnset(body.optionalTexts('Cmd')),
    workingDir: workingDir(body.text('WorkingDir')),
    labels: body.textMap('Labels'),
    exposedPorts: body.object('ExposedPorts').names().map(portKey),
    volumes: body.object('Volumes').names(),
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

function parseHealthcheck(health: Fields): Healthcheck {
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
  const autoRemove = host.flag('AutoRemove');
  const restart = parseRestart(host.object('RestartPolicy'));
  if (autoRemove && restart.name !== 'no')
    throw invalid(`can't create 'AutoRemove' container with restart policy`);
  return {
    mounts: [...host.texts('Binds').map(parseBind), ...host.objects('Mounts').map(parseMount)],
    volumesFrom: host.texts('VolumesFrom'),
    networkMode: host.text('NetworkMode') || 'default',
    ports: parsePorts(host.object('PortBindings')),
    publishAllPorts: host.flag('PublishAllPorts'),
    autoRemove,
    restart,
    privileged: host.flag('Privileged'),
    readonlyRootfs: host.flag('ReadonlyRootfs'),
    capAdd: host.texts('CapAdd'),
    capDrop: host.texts('CapDrop'),
    securityOpt: host.texts('SecurityOpt'),
    groupAdd: host.texts('GroupAdd'),
    tmpfs: host.textMap('Tmpfs'),
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
    extraHosts: host.texts('ExtraHosts'),
    dns: host.texts('Dns'),
    dnsSearch: host.texts('DnsSearch'),
    dnsOptions: host.texts('DnsOptions'),
    pidMode: host.text('PidMode'),
    ipcMode: host.text('IpcMode') || 'private',
    utsMode: host.text('UTSMode'),
    log: parseLog(host.object('LogConfig')),
    runtime: host.text('Runtime') || undefined,
    oomScoreAdj: host.number('OomScoreAdj'),
    init: host.has('Init') ? host.flag('Init') : undefined,
  };
}

const DEFAULT_SHM = 64 * 1024 * 1024;

function parseShmSize(host: Fields): number {
  const size = host.number('ShmSize');
  if (size < 0) throw invalid('SHM size can not be less than 0');
  return size === 0 ? DEFAULT_SHM : size;
}

const LOG_OPTIONS = ['max-size', 'max-file'];

function parseLog(log: Fields): HostOptions['log'] {
  const driver = log.text('Type') || 'json-file';
  if (driver !== 'json-file' && driver !== 'none') {
    throw notImplemented(`the log driver ${driver} is not there yet`, { hint: 'Use json-file or none' });
  }
  const options = log.textMap('Config');
  const unknown = Object.keys(options).find((name) => !LOG_OPTIONS.includes(name));
  if (unknown !== undefined) throw invalid(`unknown log opt '${unknown}' for ${driver} log driver`);
  return { driver, options };
}

function parsePorts(bindings: Fields): PortBinding[] {
  return bindings.names().flatMap((key) => {
    const [port = '', protocol] = portKey(key).split('/');
    if (protocol !== 'tcp' && protocol !== 'udp') {
      throw notImplemented(`publishing ${protocol} ports is not there yet: ${key}`);
    }
    return bindings.objects(key).map((binding) => ({
      protocol,
      containerPort: Number(port),
      hostIp: binding.text('HostIp'),
      hostPort: hostPort(binding.text('HostPort')),
    }));
  });
}

function hostPort(text: string): number {
  if (text === '') return 0;
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65535) throw invalid(`invalid port specification: "${text}"`);
  return Number(text);
}

/** "80" and "80/TCP" are "80/tcp". */
function portKey(text: string): string {
  const [port = '', protocol = 'tcp'] = text.split('/');
  if (!/^\d{1,5}$/.test(port) || Number(port) > 65535 || Number(port) === 0) {
    throw invalid(`invalid port specification: "${text}"`);
  }
  return `${Number(port)}/${protocol.toLowerCase()}`;
}

const BIND_FLAGS = [
  'ro',
  'rw',
  'z',
  'Z',
  'nocopy',
  'rprivate',
  'private',
  'rshared',
  'shared',
  'rslave',
  'slave',
];

/** "source:target[:options]"; a source with a slash in front is a folder of the host, else a volume. */
function parseBind(text: string): MountRequest {
  const [source, target, flagText = ''] = text.split(':');
  if (
    source === undefined ||
    target === undefined ||
    source === '' ||
    target === '' ||
    text.split(':').length > 3
  ) {
    throw invalid(`invalid volume specification: '${text}'`);
  }
  const flags = flagText.split(',').filter(Boolean);
  const unknown = flags.find((flag) => !BIND_FLAGS.includes(flag));
  if (unknown !== undefined) throw invalid(`invalid mode: ${flagText}`);
  const readOnly = flags.includes('ro');
  if (!source.startsWith('/')) {
    return { type: 'volume', source, target, readOnly, noCopy: flags.includes('nocopy') };
  }
  const propagation = flags.find((flag) => /private|shared|slave/.test(flag)) ?? 'rprivate';
  return { type: 'bind', source, target, readOnly, propagation, createSource: true };
}

function parseMount(mount: Fields): MountRequest {
  const type = mount.text('Type');
  const source = mount.text('Source');
  const target = mount.text('Target');
  const readOnly = mount.flag('ReadOnly');
  if (target === '') throw invalid('invalid mount config: field Target must not be empty');
  switch (type) {
    case 'bind': {
      if (source === '')
        throw invalid('invalid mount config for type "bind": field Source must not be empty');
      const bind = mount.object('BindOptions');
      const propagation = bind.text('Propagation') || 'rprivate';
      return { type, source, target, readOnly, propagation, createSource: bind.flag('CreateMountpoint') };
    }
    case 'volume':
      return { type, source, target, readOnly, noCopy: mount.object('VolumeOptions').flag('NoCopy') };
    case 'tmpfs': {
      const options = mount.object('TmpfsOptions');
      const size = options.number('SizeBytes');
      const mode = options.number('Mode');
      const parts = [size > 0 ? `size=${size}` : '', mode > 0 ? `mode=${mode.toString(8)}` : ''];
      return { type, target, options: parts.filter(Boolean).join(',') };
    }
    default:
      throw invalid(`mount type unknown: "${type}"`, { hint: 'Known types: bind, volume, tmpfs' });
  }
}

function parseNetworks(body: Fields, networkMode: string): NetworkAttachment[] {
  if (['host', 'none'].includes(networkMode) || networkMode.startsWith('container:')) return [];
  const main = networkMode === 'default' ? 'bridge' : networkMode;
  const endpoints = body.object('NetworkingConfig').object('EndpointsConfig');
  const named = endpoints
    .names()
    .map((name) => parseEndpoint(name === 'default' ? 'bridge' : name, endpoints, name));
  const macAddress = body.text('MacAddress') || undefined;
  const first = named.find(({ network }) => network === main) ?? {
    network: main,
    aliases: [],
    address: undefined,
    macAddress,
  };
  return [first, ...named.filter(({ network }) => network !== main)];
}

function parseEndpoint(network: string, endpoints: Fields, key: string): NetworkAttachment {
  const endpoint = endpoints.object(key);
  return {
    network,
    aliases: endpoint.texts('Aliases'),
    address: endpoint.object('IPAMConfig').text('IPv4Address') || undefined,
    macAddress: endpoint.text('MacAddress') || undefined,
  };
}
