import { invalid, shortId } from '../../base/index.ts';
import type { EndpointSettings, IpamPool, Network } from '../../client/index.ts';
import type { Cli } from '../cli.ts';
import { parseFilters, parsePairs } from '../filters.ts';
import { CliCommand, listOption, parsedOption, parseWholeNumber } from '../grammar.ts';
import { formatRows, type Row } from '../output/table.ts';
import { joinLabels } from '../output/words.ts';
import { forEachTarget } from '../targets.ts';

interface ListFlags {
  readonly filter: readonly string[];
  readonly format?: string;
  /** True unless --no-trunc was given. */
  readonly trunc: boolean;
  readonly quiet?: boolean;
}

export function listNetworksCommand(cli: Cli, path: string): CliCommand {
  const command = new CliCommand(path, 'List networks');
  command
    .usage('[OPTIONS]')
    .addOption(listOption('-f, --filter <filter>', 'Provide filter values (e.g. "driver=bridge")'))
    .option('--format <string>', "Format output: 'table', 'table TEMPLATE', 'json' or a Go template")
    .option('--no-trunc', 'Do not truncate the output')
    .option('-q, --quiet', 'Only display network IDs')
    .action(async (flags: ListFlags) => {
      const networks = await (await cli.connect()).networks.list({ filters: parseFilters(flags.filter) });
      const rows = networks
        .toSorted((a, b) => a.Name.localeCompare(b.Name))
        .map((network) => networkRow(network, flags.trunc));
      const text = formatRows(rows, {
        format: flags.format,
        defaultFormat: 'table {{.ID}}\\t{{.Name}}\\t{{.Driver}}\\t{{.Scope}}',
        quietField: flags.quiet === true ? 'ID' : undefined,
        headers: HEADERS,
      });
      process.stdout.write(text);
    });
  return command;
}

const HEADERS = {
  ID: 'NETWORK ID',
  Name: 'NAME',
  Driver: 'DRIVER',
  Scope: 'SCOPE',
  IPv4: 'IPV4',
  IPv6: 'IPV6',
  Internal: 'INTERNAL',
  Labels: 'LABELS',
  CreatedAt: 'CREATED AT',
};

function networkRow(network: Network, truncate: boolean): Row {
  return {
    ID: truncate ? shortId(network.Id) : network.Id,
    Name: network.Name,
    Driver: network.Driver,
    Scope: network.Scope,
    IPv4: String(network.EnableIPv4 ?? true),
    IPv6: String(network.EnableIPv6),
    Internal: String(network.Internal),
    Labels: joinLabels(network.Labels),
    CreatedAt: network.Created.replace('T', ' ').replace(/Z$/, ' +0000 UTC'),
    Label: (key: string) => network.Labels?.[key] ?? '',
  };
}

interface CreateFlags {
  readonly attachable?: boolean;
  readonly auxAddress: readonly string[];
  readonly driver: string;
  readonly gateway: readonly string[];
  readonly internal?: boolean;
  readonly ipRange: readonly string[];
  readonly ipamDriver: string;
  readonly ipamOpt: readonly string[];
  readonly ipv6?: boolean;
  readonly label: readonly string[];
  readonly opt: readonly string[];
  readonly subnet: readonly string[];
}

export function createNetworkCommand(cli: Cli, path: string): CliCommand {
  const command = new CliCommand(path, 'Create a network');
  command
    .usage('[OPTIONS] NETWORK')
    .argument('<network>')
    .option('--attachable', 'Enable manual container attachment')
    .addOption(listOption('--aux-address <map>', 'Auxiliary IPv4 or IPv6 addresses used by Network driver'))
    .option('-d, --driver <string>', 'Driver to manage the Network', 'bridge')
    .addOption(listOption('--gateway <strings>', 'IPv4 or IPv6 Gateway for the master subnet'))
    .option('--internal', 'Restrict external access to the network')
    .addOption(listOption('--ip-range <strings>', 'Allocate container ip from a sub-range'))
    .option('--ipam-driver <string>', 'IP Address Management Driver', 'default')
    .addOption(listOption('--ipam-opt <map>', 'Set IPAM driver specific options'))
    .option('--ipv6', 'Enable IPv6 networking')
    .addOption(listOption('--label <list>', 'Set metadata on a network'))
    .addOption(listOption('-o, --opt <map>', 'Set driver specific options'))
    .addOption(listOption('--subnet <strings>', 'Subnet in CIDR format that represents a network segment'))
    .action(async (name: string, flags: CreateFlags) => {
      const client = await cli.connect();
      const { Id: id, Warning: warning } = await client.networks.create({
        Name: name,
        Driver: flags.driver,
        Internal: flags.internal === true,
        Attachable: flags.attachable === true,
        EnableIPv6: flags.ipv6,
        IPAM: { Driver: flags.ipamDriver, Config: addressPools(flags), Options: parsePairs(flags.ipamOpt) },
        Options: parsePairs(flags.opt),
        Labels: parsePairs(flags.label),
      });
      if (warning !== '' && warning !== undefined) process.stderr.write(`WARNING: ${warning}\n`);
      process.stdout.write(`${id}\n`);
    });
  return command;
}

/** Each subnet with its own range, gateway and reserved addresses, by position where there are several. */
function addressPools({ subnet, ipRange, gateway, auxAddress }: CreateFlags): IpamPool[] {
  if (subnet.length === 0 && ipRange.length + gateway.length + auxAddress.length > 0) {
    throw invalid('every ip-range, gateway or aux-address must have a corresponding subnet', {
      hint: 'Add --subnet, for example --subnet 172.30.0.0/16',
    });
  }
  if (ipRange.length > subnet.length || gateway.length > subnet.length) {
    throw invalid('there are more values of --ip-range or --gateway than of --subnet');
  }
  return subnet.map((range, index) => ({
    Subnet: range,
    IPRange: ipRange[index],
    Gateway: gateway[index],
    AuxiliaryAddresses: index === 0 && auxAddress.length > 0 ? parsePairs(auxAddress) : undefined,
  }));
}

export function removeNetworksCommand(cli: Cli, path: string): CliCommand {
  const command = new CliCommand(path, 'Remove one or more networks');
  command
    .usage('NETWORK [NETWORK...]')
    .argument('<network...>')
    .option('-f, --force', 'Do not error if the network does not exist')
    .action(async (networks: readonly string[], { force = false }: { force?: boolean }) => {
      const client = await cli.connect();
      await forEachTarget(cli, networks, (network) => client.networks.remove(network), {
        missingIsFine: force,
      });
    });
  return command;
}

interface ConnectFlags {
  readonly alias: readonly string[];
  readonly driverOpt: readonly string[];
  readonly gwPriority?: number;
  readonly ip?: string;
  readonly ip6?: string;
  readonly link: readonly string[];
}

export function connectCommand(cli: Cli, path: string): CliCommand {
  const command = new CliCommand(path, 'Connect a container to a network');
  command
    .usage('[OPTIONS] NETWORK CONTAINER')
    .argument('<network>')
    .argument('<container>')
    .addOption(listOption('--alias <strings>', 'Add network-scoped alias for the container'))
    .addOption(listOption('--driver-opt <strings>', 'driver options for the network'))
    .addOption(
      parsedOption(
        '--gw-priority <int>',
        'Highest gw-priority provides the default gateway. Accepts positive and negative values',
        parseWholeNumber,
      ),
    )
    .option('--ip <string>', 'IPv4 address (e.g., "172.30.100.104")')
    .option('--ip6 <string>', 'IPv6 address (e.g., "2001:db8::33")')
    .addOption(listOption('--link <list>', 'Add link to another container'))
    .action(async (network: string, container: string, flags: ConnectFlags) => {
      const client = await cli.connect();
      await client.networks.connect(network, container, { endpoint: endpointOf(flags) });
    });
  return command;
}

function endpointOf({ alias, driverOpt, gwPriority, ip, ip6, link }: ConnectFlags): EndpointSettings {
  return {
    Aliases: alias.length === 0 ? undefined : alias,
    DriverOpts: driverOpt.length === 0 ? undefined : parsePairs(driverOpt),
    GwPriority: gwPriority,
    IPAMConfig: ip === undefined && ip6 === undefined ? undefined : { IPv4Address: ip, IPv6Address: ip6 },
    Links: link.length === 0 ? undefined : link,
  };
}

export function disconnectCommand(cli: Cli, path: string): CliCommand {
  const command = new CliCommand(path, 'Disconnect a container from a network');
  command
    .usage('[OPTIONS] NETWORK CONTAINER')
    .argument('<network>')
    .argument('<container>')
    .option('-f, --force', 'Force the container to disconnect from a network')
    .action(async (network: string, container: string, { force = false }: { force?: boolean }) => {
      await (await cli.connect()).networks.disconnect(network, container, { force });
    });
  return command;
}
