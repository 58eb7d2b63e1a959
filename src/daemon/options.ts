import { readFileSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import { Command, CommanderError } from 'commander';
import { invalid, systemErrorCode } from '../base/index.ts';
import type { SubnetSource } from '../network/index.ts';
import { CDI_FOLDERS } from '../runtime/index.ts';
import type { ListenAddress } from '../server/index.ts';
import type { LayerFormatName } from '../store/index.ts';
import { addressPoolFrom, parseAddressPool } from './address-pools.ts';

/** How one berthd runs: command line over configuration file over defaults. */
export interface DaemonOptions {
  readonly dataRoot: string;
  readonly execRoot: string;
  readonly hosts: readonly ListenAddress[];
  readonly mirrors: readonly string[];
  readonly insecureRegistries: readonly string[];
  /** How layers are kept; undefined: what the kernel is best at. */
  readonly layerFormat: LayerFormatName | undefined;
  /** Keep layers only unpacked, without their compressed blobs. */
  readonly discardBlobs: boolean;
  /** Layers of one image that are on their way at the same time. */
  readonly transfers: { readonly downloads: number; readonly uploads: number };
  /** Where subnets of networks come from that ask for none; empty: the network driver's own. */
  readonly addressPools: readonly SubnetSource[];
  /** Where specifications of the Container Device Interface are. */
  readonly cdiFolders: readonly string[];
  readonly debug: boolean;
  readonly pidFile: string | undefined;
  /** Take the instance's bridges, rules, launcher and cgroups off the host, then end. */
  readonly removeHostState: boolean;
}

export const DEFAULT_DATA_ROOT = '/var/lib/berth';
const DEFAULT_EXEC_ROOT = '/run/berth';
const DEFAULT_CONFIG = '/etc/berth/daemon.json';

/** Keys of dockerd's daemon.json that berth honours, and its own. */
const KEYS = [
  'data-root',
  'exec-root',
  'hosts',
  'registry-mirrors',
  'insecure-registries',
  'debug',
  'pidfile',
  'layer-format',
  'discard-blobs',
  'max-concurrent-downloads',
  'max-concurrent-uploads',
  'cdi-spec-dirs',
  'default-address-pools',
];

/** dockerd's. */
const DEFAULT_DOWNLOADS = 3;
const DEFAULT_UPLOADS = 5;

/** Parses berthd's command line and its configuration file. Throws `invalid` with the option or key that is wrong. */
export function readOptions(argv: readonly string[]): DaemonOptions {
  const flags = parseFlags(argv);
  const file = readConfigFile(flags.configFile);
  refuseConflicts(flags, file);
  const execRoot = absolute('exec-root', flags.execRoot ?? file.text('exec-root') ?? DEFAULT_EXEC_ROOT);
  const hosts = flags.host ?? file.texts('hosts');
  const cdiFolders = flags.cdiSpecDir ?? file.texts('cdi-spec-dirs');
  return {
    dataRoot: absolute('data-root', flags.dataRoot ?? file.text('data-root') ?? DEFAULT_DATA_ROOT),
    execRoot,
    hosts: (hosts.length === 0 ? [`unix://${execRoot}/berth.sock`] : hosts).map(parseHost),
    mirrors: flags.registryMirror ?? file.texts('registry-mirrors'),
    insecureRegistries: flags.insecureRegistry ?? file.texts('insecure-registries'),
    layerFormat: parseLayerFormat(flags.layerFormat ?? file.text('layer-format')),
    discardBlobs: flags.discardBlobs ?? file.flag('discard-blobs'),
    transfers: {
      downloads: flags.maxConcurrentDownloads ?? file.count('max-concurrent-downloads') ?? DEFAULT_DOWNLOADS,
      uploads: flags.maxConcurrentUploads ?? file.count('max-concurrent-uploads') ?? DEFAULT_UPLOADS,
    },
    addressPools:
      flags.defaultAddressPool ??
      file.list('default-address-pools').map((pool) => addressPoolFrom(pool, '"default-address-pools"')),
    cdiFolders: cdiFolders.length === 0 ? CDI_FOLDERS : cdiFolders,
    debug: flags.debug ?? file.flag('debug'),
    removeHostState: flags.removeHostState ?? false,
    pidFile: flags.pidfile ?? file.text('pidfile'),
  };
}

interface Flags {
  readonly dataRoot?: string;
  readonly execRoot?: string;
  readonly host?: string[];
  readonly registryMirror?: string[];
  readonly insecureRegistry?: string[];
  readonly layerFormat?: string;
  readonly discardBlobs?: boolean;
  readonly maxConcurrentDownloads?: number;
  readonly maxConcurrentUploads?: number;
  readonly cdiSpecDir?: string[];
  readonly defaultAddressPool?: SubnetSource[];
  readonly debug?: boolean;
  readonly configFile?: string;
  readonly pidfile?: string;
  readonly removeHostState?: boolean;
}

function parseFlags(argv: readonly string[]): Flags {
  const collect = (value: string, list: string[] = []) => [...list, value];
  const command = new Command('berthd')
    .description('The berth daemon: serves the Docker Engine API')
    .option('--data-root <path>', `folder of images, containers and volumes (default ${DEFAULT_DATA_ROOT})`)
    .option('--exec-root <path>', `folder of sockets and run-time state (default ${DEFAULT_EXEC_ROOT})`)
    .option('-H, --host <address>', 'where to listen: unix://PATH or tcp://HOST:PORT; repeatable', collect)
    .option('--registry-mirror <url>', 'a mirror of docker.io; repeatable', collect)
    .option('--insecure-registry <host>', 'a registry that may be asked without TLS; repeatable', collect)
    .option(
      '--layer-format <format>',
      'keep new layers as "erofs" images or as a "folder" each (default by kernel)',
    )
    .option(
      '--discard-blobs',
      'keep layers only unpacked: less space, but a push may have to pack them again',
    )
    .option(
      '--max-concurrent-downloads <number>',
      `layers of an image that are fetched at the same time (default ${DEFAULT_DOWNLOADS})`,
      (value: string) => count('--max-concurrent-downloads', value),
    )
    .option(
      '--max-concurrent-uploads <number>',
      `layers of an image that are sent at the same time (default ${DEFAULT_UPLOADS})`,
      (value: string) => count('--max-concurrent-uploads', value),
    )
    .option(
      '--default-address-pool <base=CIDR,size=BITS>',
      'where subnets come from when nobody asks for one; repeatable',
      (value: string, list: SubnetSource[] = []) => [...list, parseAddressPool(value)],
    )
    .option('--cdi-spec-dir <path>', 'folder with CDI specifications; repeatable', collect)
    .option('-D, --debug', 'log more')
    .option('--config-file <path>', `configuration file (default ${DEFAULT_CONFIG})`)
    .option('-p, --pidfile <path>', 'file for the process id')
    .option(
      '--remove-host-state',
      'remove the bridges, rules and cgroups of this instance from the host, and end',
    )
    .allowExcessArguments(false)
    .exitOverride();
  try {
    return command.parse(argv, { from: 'user' }).opts<Flags>();
  } catch (error) {
    if (!(error instanceof CommanderError) || error.exitCode === 0) throw error;
    throw invalid(error.message.replace(/^error: /, ''), { hint: 'See berthd --help', cause: error });
  }
}

function count(option: string, value: string): number {
  if (/^[1-9][0-9]{0,5}$/.test(value)) return Number(value);
  throw invalid(`${option} must be a number from 1 on, not "${value}"`);
}

/** One configuration file, read key by key. */
class ConfigFile {
  readonly #values: Readonly<Record<string, unknown>>;
  readonly #path: string;

  constructor(values: Readonly<Record<string, unknown>>, path: string) {
    this.#values = values;
    this.#path = path;
  }

  has(key: string): boolean {
    return this.#values[key] !== undefined;
  }

  text(key: string): string | undefined {
    const value = this.#values[key];
    if (value === undefined || typeof value === 'string') return value;
    throw this.#wrong(key, 'a string');
  }

  flag(key: string): boolean {
    const value = this.#values[key] ?? false;
    if (typeof value === 'boolean') return value;
    throw this.#wrong(key, 'true or false');
  }

  count(key: string): number | undefined {
    const value = this.#values[key];
    if (value === undefined || (typeof value === 'number' && Number.isSafeInteger(value) && value > 0)) {
      return value;
    }
    throw this.#wrong(key, 'a number from 1 on');
  }

  texts(key: string): string[] {
    const value = this.#values[key] ?? [];
    if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value;
    throw this.#wrong(key, 'a list of strings');
  }

  list(key: string): unknown[] {
    const value = this.#values[key] ?? [];
    if (Array.isArray(value)) return value;
    throw this.#wrong(key, 'a list');
  }

  #wrong(key: string, expected: string) {
    return invalid(`${this.#path}: "${key}" must be ${expected}`);
  }
}

function readConfigFile(given: string | undefined): ConfigFile {
  const path = given ?? DEFAULT_CONFIG;
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (given === undefined && systemErrorCode(error) === 'ENOENT') return new ConfigFile({}, path);
    throw invalid(`unable to configure the daemon with file ${path}: ${systemErrorCode(error)}`, {
      cause: error,
    });
  }
  let values: unknown;
  try {
    values = JSON.parse(text);
  } catch (error) {
    throw invalid(`${path} is no JSON: ${error instanceof Error ? error.message : ''}`, { cause: error });
  }
  if (typeof values !== 'object' || values === null || Array.isArray(values)) {
    throw invalid(`${path} must hold a JSON object`);
  }
  const unknown = Object.keys(values).find((key) => !KEYS.includes(key));
  if (unknown !== undefined) {
    throw invalid(`${path}: berth does not have the option "${unknown}"`, {
      hint: `Known: ${KEYS.join(', ')}`,
    });
  }
  return new ConfigFile(values as Record<string, unknown>, path);
}

/** dockerd's rule: what stands in the file and on the command line is ambiguous. */
function refuseConflicts(flags: Flags, file: ConfigFile): void {
  const given: Record<string, unknown> = {
    'data-root': flags.dataRoot,
    'exec-root': flags.execRoot,
    hosts: flags.host,
    debug: flags.debug,
    'layer-format': flags.layerFormat,
    'discard-blobs': flags.discardBlobs,
    'max-concurrent-downloads': flags.maxConcurrentDownloads,
    'max-concurrent-uploads': flags.maxConcurrentUploads,
    'default-address-pools': flags.defaultAddressPool,
    pidfile: flags.pidfile,
  };
  const both = Object.keys(given).filter((key) => given[key] !== undefined && file.has(key));
  if (both.length > 0) {
    throw invalid(
      `these options are given on the command line and in the configuration file: ${both.join(', ')}`,
      {
        hint: 'Keep one of the two',
      },
    );
  }
}

function parseLayerFormat(text: string | undefined): LayerFormatName | undefined {
  if (text === undefined || text === 'erofs' || text === 'folder') return text;
  throw invalid(`unknown layer format "${text}"`, { hint: 'Known: erofs, folder' });
}

function absolute(name: string, path: string): string {
  if (!isAbsolute(path)) throw invalid(`--${name} must be an absolute path: ${path}`);
  return path.replace(/\/+$/, '');
}

/** sockaddr_un.sun_path holds 108 bytes with its final zero (unix(7)). */
const SUN_PATH = 107;

/** Parses "unix:///path" or "tcp://host:port". */
export function parseHost(text: string): ListenAddress {
  const unix = /^unix:\/\/(\/.+)$/.exec(text)?.[1];
  if (unix !== undefined) {
    if (Buffer.byteLength(unix) > SUN_PATH)
      throw invalid(`the socket path is longer than ${SUN_PATH} bytes: ${unix}`);
    return { kind: 'unix', path: unix };
  }
  const [, host, port] = /^tcp:\/\/(\[[0-9a-fA-F:]+\]|[^:/]*):(\d+)\/?$/.exec(text) ?? [];
  if (host === undefined || port === undefined || Number(port) > 65535) {
    throw invalid(`invalid host address "${text}"`, {
      hint: 'Write unix:///path/to.sock or tcp://host:port',
    });
  }
  return { kind: 'tcp', host: host.replace(/^\[|\]$/g, '') || '127.0.0.1', port: Number(port) };
}
