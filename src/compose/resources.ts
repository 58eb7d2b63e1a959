import { fieldsOf, isNull } from './fields.ts';
import { checkKeys, IPAM, IPAM_POOL, type KnownKeys, NETWORK, VOLUME } from './known-keys.ts';
import {
  asFlag,
  asList,
  asMap,
  asPairs,
  asText,
  type Located,
  type LocatedMap,
  missingAt,
  wrongAt,
} from './located-yaml.ts';
import type { ProjectNetwork, ProjectVolume, Service } from './model.ts';

/** Reads one of the project's `networks`. */
export function parseNetwork(key: string, node: Located, project: string): ProjectNetwork {
  const { get, external, name } = namedResource(key, node, project, NETWORK);
  const ipam = get('ipam', (value) => checked(value, IPAM));
  const pool = fieldsOf(fieldsOf(ipam)('config', onlyPool));
  return {
    key,
    name,
    external,
    driver: get('driver', asText),
    internal: get('internal', asFlag) ?? false,
    attachable: get('attachable', asFlag) ?? false,
    enableIpv6: get('enable_ipv6', asFlag),
    subnet: pool('subnet', asText),
    ipRange: pool('ip_range', asText),
    gateway: pool('gateway', asText),
    labels: get('labels', asPairs) ?? new Map(),
    driverOptions: get('driver_opts', asPairs) ?? new Map(),
  };
}

/** Reads one of the project's `volumes`. */
export function parseVolume(key: string, node: Located, project: string): ProjectVolume {
  const { get, external, name } = namedResource(key, node, project, VOLUME);
  return {
    key,
    name,
    external,
    driver: get('driver', asText),
    labels: get('labels', asPairs) ?? new Map(),
    driverOptions: get('driver_opts', asPairs) ?? new Map(),
  };
}

/** The networks that services use: those of the file, and `default` where a service names none. */
export function usedNetworks(
  project: string,
  services: readonly Service[],
  networks: readonly ProjectNetwork[],
): ProjectNetwork[] {
  const used = new Set(services.flatMap((service) => service.networks.map(({ name }) => name)));
  const known = networks.some(({ key }) => key === 'default');
  return [...networks, ...(known ? [] : [defaultNetwork(project)])].filter(({ key }) => used.has(key));
}

/** The volumes that services use. */
export function usedVolumes(
  services: readonly Service[],
  volumes: readonly ProjectVolume[],
): ProjectVolume[] {
  const used = new Set(
    services.flatMap((service) =>
      service.volumes.flatMap((volume) => ('source' in volume ? [volume.source] : [])),
    ),
  );
  return volumes.filter(({ key }) => used.has(key));
}

function defaultNetwork(project: string): ProjectNetwork {
  const unset = { driver: undefined, enableIpv6: undefined, subnet: undefined, ipRange: undefined };
  return {
    key: 'default',
    name: `${project}_default`,
    external: false,
    internal: false,
    attachable: false,
    ...unset,
    gateway: undefined,
    labels: new Map(),
    driverOptions: new Map(),
  };
}

/** Name and origin of a network or volume. An external one is somebody else's: nothing but its name may be said. */
function namedResource(key: string, node: Located, project: string, keys: KnownKeys) {
  const map = isNull(node) ? undefined : checked(node, keys);
  const get = fieldsOf(map);
  const external = get('external', asFlag) ?? false;
  if (external && map !== undefined) {
    const other = [...map.entries].find(
      ([member]) => member !== 'external' && member !== 'name' && !member.startsWith('x-'),
    );
    if (other !== undefined) {
      throw wrongAt(other[1], `${node.path}: conflicting parameters "external" and "${other[0]}" specified`);
    }
  }
  return { get, external, name: get('name', asText) ?? (external ? key : `${project}_${key}`) };
}

function checked(node: Located, keys: KnownKeys): LocatedMap {
  const map = asMap(node);
  checkKeys(map, keys);
  return map;
}

function onlyPool(node: Located): LocatedMap | undefined {
  const [first, second] = asList(node);
  if (second !== undefined) throw missingAt(second, `more than one pool in ${node.path} is not there yet`);
  return first === undefined ? undefined : checked(first, IPAM_POOL);
}
