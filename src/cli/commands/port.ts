import { invalid } from '../../base/index.ts';
import type { PortMap } from '../../client/index.ts';
import type { Cli } from '../cli.ts';
import { joinHostPort } from '../container/port-list.ts';
import { CliCommand } from '../grammar.ts';

/** `port`: where a container's ports are reached, all of them or one ("80", "53/udp"). */
export function portCommand(cli: Cli, path: string): CliCommand {
  const command = new CliCommand(path, 'List port mappings or a specific mapping for the container');
  command
    .usage('CONTAINER [PRIVATE_PORT[/PROTO]]')
    .argument('<container>')
    .argument('[port]')
    .action(async (container: string, port: string | undefined) => {
      const { NetworkSettings } = await (await cli.connect()).containers.inspect(container);
      const published = NetworkSettings.Ports ?? {};
      const lines = port === undefined ? allMappings(published) : mappingsOf(published, port, container);
      for (const line of lines) process.stdout.write(`${line}\n`);
    });
  return command;
}

function allMappings(published: PortMap): string[] {
  return Object.entries(published)
    .toSorted(([a], [b]) => a.localeCompare(b, 'en', { numeric: true }))
    .flatMap(([port]) => hostPorts(published, port).map((host) => `${port} -> ${host}`));
}

function mappingsOf(published: PortMap, wanted: string, container: string): string[] {
  const [number = '', protocol = 'tcp'] = wanted.split('/');
  if (!/^\d+$/.test(number) || Number(number) > 65_535) {
    throw invalid(`invalid port (${number}): it is a number up to 65535`);
  }
  const found = hostPorts(published, `${Number(number)}/${protocol}`);
  if (found.length === 0) throw invalid(`No public port '${wanted}' published for ${container}`);
  return found;
}

function hostPorts(published: PortMap, port: string): string[] {
  return (published[port] ?? []).map(({ HostIp = '', HostPort = '' }) => joinHostPort(HostIp, HostPort));
}
