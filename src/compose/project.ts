import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { invalid, notFound, systemErrorCode } from '../base/index.ts';
import { parseEnvFile } from './env-file.ts';
import { interpolateTree } from './interpolate.ts';
import { checkKeys, NETWORK, TOP_LEVEL, VOLUME } from './known-keys.ts';
import {
  asFlag,
  asMap,
  asPairs,
  asText,
  type Located,
  type LocatedMap,
  parseYaml,
  wrongAt,
} from './located-yaml.ts';
import { mergeFiles } from './merge.ts';
import type { Project, ProjectNetwork, ProjectVolume, Service } from './model.ts';
import { parseService } from './service.ts';

export interface LoadOptions {
  /** From -f or COMPOSE_FILE; empty: looked for in the folder and those above it. */
  readonly files: readonly string[];
  readonly projectName: string | undefined;
  readonly projectDirectory: string | undefined;
  readonly profiles: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

const FILE_NAMES = ['compose.yaml', 'compose.yml', 'docker-compose.yaml', 'docker-compose.yml'];

/** Reads a project from its files. Throws `invalid` or `not-implemented` with file, line and column. */
export function loadProject(options: LoadOptions): Project {
  const files = findFiles(options);
  const directory = resolve(options.cwd, options.projectDirectory ?? dirname(files[0] ?? options.cwd));
  const variables = { ...readDotEnv(directory), ...options.env };
  const warnings = new Set<string>();
  const unset = (name: string) =>
    warnings.add(`The "${name}" variable is not set. Defaulting to a blank string.`);
  const trees = files.map((file) => interpolateTree(readTree(file), (name) => variables[name], unset));
  const root = asMap(trees.reduce(mergeFiles));
  checkKeys(root, TOP_LEVEL);
  const version = root.entries.get('version');
  if (version !== undefined) {
    warnings.add(
      `${version.file}: the attribute \`version\` is obsolete, it will be ignored, please remove it to avoid potential confusion`,
    );
  }
  const name = projectName(options, variables, root, directory);
  const networks = sections(root, 'networks').map(([key, node]) => parseNetwork(key, node, name));
  const volumes = sections(root, 'volumes').map(([key, node]) => parseVolume(key, node, name));
  const renamed: string[] = [];
  const context = { directory, onRenamed: (from: string, to: string) => renamed.push(`"${from}" became "${to}"`) };
  const services = sections(root, 'services')
    .map(([key, node]) => parseService(key, node, context))
    .filter(
      ({ profiles }) =>
        profiles.length === 0 || profiles.some((profile) => options.profiles.includes(profile)),
    );
  if (renamed.length > 0) {
    warnings.add(`container names may have letters, digits, "_", "." and "-" only: ${renamed.join(', ')}`);
  }
  if (services.length === 0) throw invalid(`no service selected: ${files.join(', ')} has none`);
  checkReferences(root, services, networks, volumes);
  return {
    name,
    directory,
    files,
    services,
    networks: withDefaultNetwork(name, services, networks),
    volumes,
    warnings: [...warnings],
  };
}

function findFiles({ files, cwd, projectDirectory }: LoadOptions): string[] {
  if (files.length > 0) return files.map((file) => resolve(cwd, file));
  for (let folder = resolve(cwd, projectDirectory ?? '.'); ; folder = dirname(folder)) {
    const found = FILE_NAMES.map((name) => join(folder, name)).find((path) => existsSync(path));
    if (found !== undefined) {
      const override = found.replace(/\.(ya?ml)$/, '.override.$1');
      return existsSync(override) ? [found, override] : [found];
    }
    if (folder === '/') break;
  }
  throw notFound(`no configuration file provided: not found`, {
    hint: `Name one with -f, or go to a folder with ${FILE_NAMES.join(', ')}`,
  });
}

function readTree(file: string): Located {
  try {
    return parseYaml(file, readFileSync(file, 'utf8'));
  } catch (error) {
    if (systemErrorCode(error) !== undefined) {
      throw notFound(
        `open ${file}: ${systemErrorCode(error) === 'ENOENT' ? 'no such file or directory' : systemErrorCode(error)}`,
      );
    }
    throw error;
  }
}

function readDotEnv(directory: string): Record<string, string> {
  const path = join(directory, '.env');
  return existsSync(path) ? Object.fromEntries(parseEnvFile(readFileSync(path, 'utf8'))) : {};
}

/** -p, COMPOSE_PROJECT_NAME, the file's name, the folder's name; made a valid one where it is nobody's choice. */
function projectName(
  options: LoadOptions,
  variables: Readonly<Record<string, string | undefined>>,
  root: LocatedMap,
  directory: string,
): string {
  const named = root.entries.get('name');
  const chosen =
    options.projectName ??
    variables.COMPOSE_PROJECT_NAME ??
    (named === undefined ? undefined : asText(named));
  if (chosen === undefined || chosen === '') {
    return (
      basename(directory)
        .toLowerCase()
        .replace(/[^a-z0-9_-]/g, '')
        .replace(/^[_-]+/, '') || 'default'
    );
  }
  if (/^[a-z0-9][a-z0-9_-]*$/.test(chosen)) return chosen;
  throw invalid(
    `invalid project name "${chosen}": must consist only of lowercase alphanumeric characters, hyphens, and underscores as well as start with a letter or number`,
  );
}

function sections(root: LocatedMap, key: string): [string, Located][] {
  const node = root.entries.get(key);
  return node === undefined || (node.kind === 'scalar' && node.value === null)
    ? []
    : [...asMap(node).entries];
}

function parseNetwork(key: string, node: Located, project: string): ProjectNetwork {
  const { get, external, name } = namedThing(key, node, project, NETWORK);
  const ipam = get('ipam', (value) => asMap(value).entries.get('config'));
  const pool = ipam?.kind === 'list' && ipam.items[0] !== undefined ? asMap(ipam.items[0]) : undefined;
  const text = (member: string) => {
    const value = pool?.entries.get(member);
    return value === undefined ? undefined : asText(value);
  };
  return {
    key,
    name,
    external,
    driver: get('driver', asText),
    internal: get('internal', asFlag) ?? false,
    subnet: text('subnet'),
    gateway: text('gateway'),
    labels: get('labels', asPairs) ?? new Map(),
    driverOptions: get('driver_opts', asPairs) ?? new Map(),
  };
}

function parseVolume(key: string, node: Located, project: string): ProjectVolume {
  const { get, external, name } = namedThing(key, node, project, VOLUME);
  return {
    key,
    name,
    external,
    driver: get('driver', asText),
    labels: get('labels', asPairs) ?? new Map(),
    driverOptions: get('driver_opts', asPairs) ?? new Map(),
  };
}

function namedThing(key: string, node: Located, project: string, keys: typeof NETWORK) {
  const entries = node.kind === 'map' ? node.entries : new Map<string, Located>();
  if (node.kind === 'map') checkKeys(node, keys);
  const get = <T>(member: string, read: (value: Located) => T): T | undefined => {
    const value = entries.get(member);
    return value === undefined ? undefined : read(value);
  };
  const external = get('external', asFlag) ?? false;
  return { get, external, name: get('name', asText) ?? (external ? key : `${project}_${key}`) };
}

function withDefaultNetwork(
  project: string,
  services: readonly Service[],
  networks: readonly ProjectNetwork[],
) {
  const needed = services.some(
    (service) => service.networks.length === 0 && service.networkMode === undefined,
  );
  if (!needed || networks.some(({ key }) => key === 'default')) return networks;
  const none = { driver: undefined, subnet: undefined, gateway: undefined };
  const labels = new Map<string, string>();
  const network: ProjectNetwork = {
    ...{ key: 'default', name: `${project}_default`, external: false, internal: false },
    ...none,
    labels,
    driverOptions: labels,
  };
  return [...networks, network];
}

function checkReferences(
  root: LocatedMap,
  services: readonly Service[],
  networks: readonly ProjectNetwork[],
  volumes: readonly ProjectVolume[],
): void {
  const networkKeys = new Set(['default', ...networks.map(({ key }) => key)]);
  const volumeKeys = new Set(volumes.map(({ key }) => key));
  const serviceNames = new Set(services.map(({ name }) => name));
  const position = root.entries.get('services') ?? root;
  for (const service of services) {
    const where = position.kind === 'map' ? (position.entries.get(service.name) ?? root) : root;
    const refuse = (what: string) =>
      wrongAt(where, `service "${service.name}" ${what}: invalid compose project`);
    for (const { name } of service.networks) {
      if (!networkKeys.has(name)) throw refuse(`refers to undefined network ${name}`);
    }
    for (const volume of service.volumes) {
      if (volume.type === 'volume' && volume.source !== '' && !volumeKeys.has(volume.source)) {
        throw refuse(`refers to undefined volume ${volume.source}`);
      }
    }
    for (const dependency of service.dependsOn) {
      if (!serviceNames.has(dependency.service))
        throw refuse(`depends on undefined service "${dependency.service}"`);
    }
  }
  const cycle = findCycle(services);
  if (cycle !== undefined) throw wrongAt(position, `dependency cycle detected: ${cycle.join(' -> ')}`);
}

function findCycle(services: readonly Service[]): string[] | undefined {
  const byName = new Map(services.map((service) => [service.name, service]));
  const visit = (name: string, path: readonly string[]): string[] | undefined => {
    if (path.includes(name)) return [...path.slice(path.indexOf(name)), name];
    for (const { service } of byName.get(name)?.dependsOn ?? []) {
      const cycle = visit(service, [...path, name]);
      if (cycle !== undefined) return cycle;
    }
    return undefined;
  };
  for (const { name } of services) {
    const cycle = visit(name, []);
    if (cycle !== undefined) return cycle;
  }
  return undefined;
}
