import { readFile, writeFile } from 'node:fs/promises';
import { conflict, shortId } from '../../base/index.ts';
import { type Endpoint, networkFiles, withChangedLines } from '../../network/index.ts';
import type { Connection } from './connect.ts';
import { type ContainerRecord, isActive } from './container.ts';
import { type ContainerContext, containerDirectory } from './context.ts';
import { parseLink, servesNames } from './dns-names.ts';

/**
 * Writes hosts, hostname and resolv.conf into the container's folder; returns where they are mounted from. One that
 * joins another container's network has that container's files.
 */
export async function writeNetworkFiles(
  context: ContainerContext,
  record: ContainerRecord,
  connection: Connection,
): Promise<readonly { source: string; target: string }[]> {
  const owner = connection.joined === undefined ? record.id : connection.joined.id;
  const directory = containerDirectory(context, owner);
  const names = ['hosts', 'hostname', 'resolv.conf'];
  if (connection.joined === undefined) {
    const { hosts, resolvConf } = textsOf(context, record, connection.endpoints);
    const texts = [hosts, `${record.config.hostname}\n`, resolvConf];
    await Promise.all(
      names.map((name, index) => writeFile(`${directory}/${name}`, texts[index] ?? '', { mode: 0o644 })),
    );
  }
  return names.map((name) => ({ source: `${directory}/${name}`, target: `/etc/${name}` }));
}

/**
 * Brings the files of a running container in line with its networks. They are written in place, as they are mounted
 * into the container; what it has changed itself stays.
 */
export async function updateNetworkFiles(
  context: ContainerContext,
  record: ContainerRecord,
  change: { readonly before: readonly Endpoint[]; readonly after: readonly Endpoint[] },
): Promise<void> {
  const directory = containerDirectory(context, record.id);
  const before = textsOf(context, record, change.before);
  const after = textsOf(context, record, change.after);
  const hosts = await readFile(`${directory}/hosts`, 'utf8');
  await writeFile(`${directory}/hosts`, withChangedLines(hosts, before.hosts, after.hosts));
  const resolvConf = await readFile(`${directory}/resolv.conf`, 'utf8');
  if (resolvConf === before.resolvConf && resolvConf !== after.resolvConf) {
    await writeFile(`${directory}/resolv.conf`, after.resolvConf);
  }
}

function textsOf(context: ContainerContext, record: ContainerRecord, endpoints: readonly Endpoint[]) {
  const { config, host } = record;
  return networkFiles({
    hostname: config.hostname,
    domainname: config.domainname,
    endpoints,
    extraHosts: host.extraHosts,
    dns: host.dns,
    dnsSearch: host.dnsSearch,
    dnsOptions: host.dnsOptions,
    namesServed: endpoints.some((endpoint) => servesNames(context, endpoint)),
    sharesHost: host.networkMode === 'host',
    links: (host.links ?? []).map((link) => linkedHost(context, record, link)),
  });
}

/** A container on the default network, which has no names of its own. Throws `conflict` when it does not run there. */
function linkedHost(context: ContainerContext, record: ContainerRecord, link: string) {
  const { container, alias } = parseLink(link);
  const other = context.collection.find(container);
  const endpoint = isActive(other.state)
    ? other.state.endpoints.find((candidate) => !servesNames(context, candidate))
    : undefined;
  if (endpoint === undefined) {
    throw conflict(`Cannot link to a non running container: /${other.name} AS /${record.name}/${alias}`);
  }
  return { address: endpoint.address, names: [...new Set([alias, shortId(other.id), other.name])] };
}
