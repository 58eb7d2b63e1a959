import { invalid, notImplemented } from '../../base/index.ts';
import type { EndpointSettings } from '../../client/index.ts';
import { parsePairs, splitPair } from '../filters.ts';
import type { ContainerFlags } from './flags.ts';

/** One --network. */
export interface NetworkRequest {
  readonly name: string;
  readonly aliases: readonly string[];
  readonly ip?: string | undefined;
  readonly ip6?: string | undefined;
  readonly driverOptions?: readonly string[];
  readonly macAddress?: string | undefined;
  readonly gatewayPriority?: number | undefined;
}

/** A network's name, or `name=NET,alias=A,ip=1.2.3.4,driver-opt=NAME=VALUE,gw-priority=1`. Throws `invalid`, and `not-implemented` for other fields. */
export function parseNetwork(text: string): NetworkRequest {
  if (!text.includes('=')) return { name: text, aliases: [] };
  const fields = text.split(',').map(splitPair);
  const unknown = fields.find(([key]) => !NETWORK_FIELDS.includes(key));
  if (unknown !== undefined)
    throw notImplemented(`--network ${text}: the field "${unknown[0]}" is not implemented`);
  const valuesOf = (name: string) =>
    fields.flatMap(([key, value]) => (key === name && value !== undefined ? [value] : []));
  const name = valuesOf('name').at(-1);
  if (name === undefined) throw invalid(`network name is required: --network ${text}`);
  const priority = valuesOf('gw-priority').at(-1);
  if (priority !== undefined && !/^-?\d+$/.test(priority)) {
    throw invalid(`invalid gw-priority (${priority}): it is no whole number`);
  }
  return {
    name,
    aliases: valuesOf('alias'),
    ip: valuesOf('ip').at(-1),
    ip6: valuesOf('ip6').at(-1),
    driverOptions: valuesOf('driver-opt'),
    macAddress: valuesOf('mac-address').at(-1),
    gatewayPriority: priority === undefined ? undefined : Number(priority),
  };
}

const NETWORK_FIELDS = ['name', 'alias', 'ip', 'ip6', 'driver-opt', 'mac-address', 'gw-priority'];

/** What a container asks of its place in each network; other options than --network are about the first one. */
export function endpointSettings(
  flags: Pick<ContainerFlags, 'networkAlias' | 'networkOpt' | 'ip' | 'ip6' | 'macAddress'>,
  networks: readonly NetworkRequest[],
): Record<string, EndpointSettings> {
  if (flags.networkAlias.length > 0 && !isOwnNetwork(networks[0]?.name ?? 'default')) {
    throw invalid('network-scoped aliases are only supported for user-defined networks');
  }
  const all = networks.length > 0 ? networks : [{ name: 'default', aliases: [] }];
  const entries = all.map((network, index): [string, EndpointSettings] => {
    const first = index === 0;
    const aliases = [...network.aliases, ...(first ? flags.networkAlias : [])];
    const ip = network.ip ?? (first ? flags.ip : undefined);
    const ip6 = network.ip6 ?? (first ? flags.ip6 : undefined);
    const options = [
      ...(network.driverOptions ?? []),
      ...(first ? flags.networkOpt.map((option) => `berth.${option}`) : []),
    ];
    const settings = {
      DriverOpts: options.length === 0 ? undefined : parsePairs(options),
      Aliases: aliases.length === 0 ? undefined : aliases,
      IPAMConfig: ip === undefined && ip6 === undefined ? undefined : { IPv4Address: ip, IPv6Address: ip6 },
      MacAddress: network.macAddress ?? (first ? flags.macAddress : undefined),
      GwPriority: network.gatewayPriority,
    };
    return [network.name, settings];
  });
  // A network without wishes needs no entry, unless it is one of several.
  return Object.fromEntries(
    entries.filter(
      ([, settings]) => entries.length > 1 || Object.values(settings).some((value) => value !== undefined),
    ),
  );
}

function isOwnNetwork(name: string): boolean {
  return !['', 'default', 'bridge', 'host', 'none'].includes(name) && !name.startsWith('container:');
}
