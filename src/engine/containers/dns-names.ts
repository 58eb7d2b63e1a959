import { errorMessage, shortId } from '../../base/index.ts';
import type { Endpoint, NamedContainer } from '../../network/index.ts';
import { addressesOf, RESOLVER_ADDRESS, searchDomains } from '../../network/index.ts';
import { type ContainerRecord, isAlive, isComputer, type NetworkAttachment } from './container.ts';
import type { ContainerContext } from './context.ts';

/** All that a container is called in a network, in Docker's order: its name, its aliases there, its short id, its host name. */
export function dnsNames(record: ContainerRecord, { aliases }: Pick<NetworkAttachment, 'aliases'>): string[] {
  return [...new Set([record.name, ...aliases, shortId(record.id), record.config.hostname])];
}

/** Whether the containers of a network find each other by name: all networks but the default one, as in Docker. */
export function servesNames(context: ContainerContext, endpoint: Endpoint): boolean {
  return context.networks.byId(endpoint.networkId)?.predefined === false;
}

/** Makes known what a container is called, and what it may ask, while it runs in these networks. */
export function publishNames(
  context: ContainerContext,
  record: ContainerRecord,
  running: { readonly namespacePath: string; readonly endpoints: readonly Endpoint[] },
): void {
  const named = namedContainer(context, record, running);
  if (named === undefined) context.parts.names.withdraw(record.id);
  else context.parts.names.publish(named);
}

/** Forgets what a container is called. That this fails (a full disk, say) is no reason for it not to end. */
export function withdrawNames({ parts }: ContainerContext, { id }: ContainerRecord): void {
  try {
    parts.names.withdraw(id);
  } catch (error) {
    parts.log.warn({ id, error: errorMessage(error) }, 'the names of a container that has ended stay known');
  }
}

/** As {@link publishNames} for a container that is there already, when its name or its networks have changed. */
export function refreshNames(context: ContainerContext, record: ContainerRecord): void {
  const namespacePath = context.running.get(record.id)?.supervisor.networkPath;
  if (namespacePath === undefined || !isAlive(record.state)) return;
  publishNames(context, record, { namespacePath, endpoints: record.state.endpoints });
}

/**
 * Undefined where no network of the container has names. A machine asks berth even then, as nobody else tells it the host's
 * name servers.
 */
export function namedContainer(
  context: ContainerContext,
  record: ContainerRecord,
  { namespacePath, endpoints }: { readonly namespacePath: string; readonly endpoints: readonly Endpoint[] },
): NamedContainer | undefined {
  const served = endpoints.flatMap((endpoint, index) => {
    const attachment = record.networks[index];
    const network = context.networks.byId(endpoint.networkId)?.network;
    if (attachment === undefined || network === undefined || !servesNames(context, endpoint)) return [];
    return [{ endpoint, attachment, network }];
  });
  if (served.length === 0 && !isComputer(record)) return undefined;
  return {
    id: record.id,
    namespacePath,
    endpoints: served.map(({ endpoint, attachment, network }) => ({
      network: { id: network.id, name: network.name },
      addresses: addressesOf(endpoint),
      title: record.name,
      names: dnsNames(record, attachment),
    })),
    view: {
      networks: served.map(({ attachment, network }) => ({
        id: network.id,
        links: (attachment.links ?? []).map((link) => linkOf(context, link)),
      })),
      forward: endpoints.some(({ gateway, ipv6 }) => (gateway ?? ipv6?.gateway) !== undefined),
      servers: record.host.dns.filter((address) => address !== RESOLVER_ADDRESS),
      search: isComputer(record) ? searchDomains(record.host) : [], // no DHCP tells of ndots:0
    },
  };
}

/** The other container by its id, so that the link outlives a change of its name. */
function linkOf(context: ContainerContext, link: string): { alias: string; target: string } {
  const { container, alias } = parseLink(link);
  const other = context.collection.byName(container);
  return { alias, target: other === undefined ? container : shortId(other.id) };
}

/** "container" or "container:alias". */
export function parseLink(link: string): { container: string; alias: string } {
  const [container = '', alias = container] = link.replace(/^\//, '').split(':');
  return { container, alias };
}
