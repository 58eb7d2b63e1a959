import { basename } from 'node:path';
import { invalid } from '../base/index.ts';
import { fieldsOf, isNull } from './fields.ts';
import { findProject, type ProjectLocation, readProjectFile } from './find-files.ts';
import { interpolateTree } from './interpolate.ts';
import { checkKeys, TOP_LEVEL } from './known-keys.ts';
import { asMap, asText, type Located, type LocatedMap, parseYaml } from './located-yaml.ts';
import { mergeFiles } from './merge.ts';
import type { Project, Service } from './model.ts';
import { checkReferences } from './references.ts';
import { parseNetwork, parseVolume, usedNetworks, usedVolumes } from './resources.ts';
import { parseService } from './service.ts';

export interface LoadOptions extends ProjectLocation {
  /** From -p. */
  readonly projectName: string | undefined;
  /** From --profile; COMPOSE_PROFILES counts, too. "*" is all. */
  readonly profiles: readonly string[];
  /** Services that are wanted whatever their profiles. */
  readonly services?: readonly string[];
}

/** Reads a project from its files. Throws `invalid` or `not-implemented` with file, line and column. */
export function loadProject(options: LoadOptions): Project {
  const { files, directory, variables } = findProject(options);
  const warnings = new Set<string>();
  const onUnset = (name: string) => {
    warnings.add(`The "${name}" variable is not set. Defaulting to a blank string.`);
  };
  const trees = files.map((file) =>
    interpolateTree(parseYaml(file, readProjectFile(file)), (name) => variables[name], onUnset),
  );
  for (const tree of trees) {
    checkKeys(asMap(tree), TOP_LEVEL);
    if (asMap(tree).entries.has('version')) warnings.add(obsoleteVersion(tree.file));
  }
  const root = asMap(trees.reduce(mergeFiles));
  const name = projectName(options, variables, root, directory);
  const services = allServices(root, { directory, variables, warnings });
  const active = activeServices(services, options, variables);
  if (active.length === 0) throw invalid(`no service selected: ${files.join(', ')} has none`);
  const networks = section(root, 'networks').map(([key, node]) => parseNetwork(key, node, name));
  const volumes = section(root, 'volumes').map(([key, node]) => parseVolume(key, node, name));
  const servicesNode = asMap(root.entries.get('services') ?? root);
  checkReferences({ services: active, section: servicesNode, networks, volumes });
  return {
    name,
    directory,
    files,
    services: active.map((service) => withoutMissing(service, active)),
    disabledServices: services.filter((service) => !active.includes(service)).map((service) => service.name),
    networks: usedNetworks(name, active, networks),
    volumes: usedVolumes(active, volumes),
    warnings: [...warnings],
  };
}

function obsoleteVersion(file: string): string {
  return `${file}: the attribute \`version\` is obsolete, it will be ignored, please remove it to avoid potential confusion`;
}

/** The services of the file in the order of their names, as Docker Compose has them. */
function allServices(
  root: LocatedMap,
  {
    directory,
    variables,
    warnings,
  }: {
    directory: string;
    variables: Readonly<Record<string, string | undefined>>;
    warnings: Set<string>;
  },
): Service[] {
  const renamed: string[] = [];
  const context = {
    directory,
    variables: (name: string) => variables[name],
    onRenamed: (from: string, to: string) => {
      renamed.push(`"${from}" became "${to}"`);
    },
  };
  const services = section(root, 'services').map(([key, node]) => parseService(key, node, context));
  if (renamed.length > 0) {
    warnings.add(`container names may have letters, digits, "_", "." and "-" only: ${renamed.join(', ')}`);
  }
  return services.map(onDefaultNetwork).sort((a, b) => (a.name < b.name ? -1 : 1));
}

function onDefaultNetwork(service: Service): Service {
  if (service.networks.length > 0 || service.networkMode !== undefined) return service;
  const unset = { address: undefined, address6: undefined, macAddress: undefined };
  return { ...service, networks: [{ name: 'default', aliases: [], ...unset }] };
}

function activeServices(
  services: readonly Service[],
  options: LoadOptions,
  variables: Readonly<Record<string, string | undefined>>,
): Service[] {
  const fromVariable = (variables.COMPOSE_PROFILES ?? '').split(',').filter((profile) => profile !== '');
  const profiles = new Set(options.profiles.length > 0 ? options.profiles : fromVariable);
  return services.filter(
    (service) =>
      service.profiles.length === 0 ||
      profiles.has('*') ||
      service.profiles.some((profile) => profiles.has(profile)) ||
      options.services?.includes(service.name),
  );
}

/** An optional dependency that is not there is none. */
function withoutMissing(service: Service, services: readonly Service[]): Service {
  const names = new Set(services.map(({ name }) => name));
  return { ...service, dependsOn: service.dependsOn.filter((dependency) => names.has(dependency.service)) };
}

/** -p, COMPOSE_PROJECT_NAME, the file's name, the folder's name; made a valid one where it is nobody's choice. */
function projectName(
  options: LoadOptions,
  variables: Readonly<Record<string, string | undefined>>,
  root: LocatedMap,
  directory: string,
): string {
  const chosen = options.projectName || variables.COMPOSE_PROJECT_NAME || fieldsOf(root)('name', asText);
  if (chosen === undefined || chosen === '') return nameOfFolder(directory);
  if (/^[a-z0-9][a-z0-9_-]*$/.test(chosen)) return chosen;
  throw invalid(
    `invalid project name "${chosen}": must consist only of lowercase alphanumeric characters, hyphens, and underscores as well as start with a letter or number`,
  );
}

function nameOfFolder(directory: string): string {
  const name = basename(directory)
    .toLowerCase()
    .replace(/[^a-z0-9_-]/g, '')
    .replace(/^[_-]+/, '');
  if (name !== '') return name;
  throw invalid(
    `project name must not be empty: the folder ${directory} has no letter or digit in its name`,
    {
      hint: 'Name the project with -p',
    },
  );
}

function section(root: LocatedMap, key: string): [string, Located][] {
  const node = root.entries.get(key);
  return node === undefined || isNull(node) ? [] : [...asMap(node).entries];
}
