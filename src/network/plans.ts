import { invalid } from '../base/index.ts';
import type { AddressBook } from './address-book.ts';
import type { BridgeNetwork, MacvlanNetwork, NewBridge, NewMacvlan } from './contract.ts';
import { parseAddress } from './ip.ts';
import { defaultRouteMtu, type HostLink, linkMtu } from './iproute.ts';
import { requireParent } from './macvlan.ts';
import { checkInterfaceName, freshName, type InstanceNames } from './names.ts';

/** What a new network of an instance depends on. */
export interface Planning {
  readonly book: AddressBook;
  readonly names: InstanceNames;
  /** So many free subnets are passed over where one is chosen. */
  readonly skip?: number;
}

/** dockerd's default; less where the host's way out takes less, as a VPN's does. */
const LARGEST_MTU = 1500;

/** Checks a request and chooses what it leaves open; nothing is made. */
export async function planBridge(
  request: NewBridge,
  { book, names, skip = 0 }: Planning,
): Promise<BridgeNetwork> {
  const { id, name, internal = false } = request;
  if (request.bridge !== undefined) checkInterfaceName(request.bridge);
  const mtu = request.mtu ?? Math.min((await defaultRouteMtu()) ?? LARGEST_MTU, LARGEST_MTU);
  if (!Number.isInteger(mtu) || mtu < 68 || mtu > 65_535) {
    throw invalid(`invalid MTU ${mtu} for network ${name}`, { hint: 'It is a number from 68 to 65535' });
  }
  if (request.publishAt !== undefined) parseAddress(request.publishAt);
  const ownBridge = name === 'bridge' ? names.defaultBridge : freshName(names.bridgePrefix);
  return {
    ...{ id, name, driver: 'bridge', bridge: request.bridge ?? ownBridge, internal, mtu },
    ...(await book.plan(name, 4, request, { skip })),
    ...(request.ipv6 === undefined ? {} : { ipv6: await book.plan(name, 6, request.ipv6, { skip }) }),
    ...(request.separated === true ? { separated: true } : {}),
    ...(request.keepsAddress === true ? { keepsAddress: true } : {}),
    ...(request.publishAt === undefined ? {} : { publishAt: request.publishAt }),
    ...planGateway(request),
  };
}

/** How containers and what is beyond the host reach each other. */
function planGateway({ name, internal = false, ...request }: NewBridge) {
  const { gatewayModes = {}, interfacePrefix, withoutHostAddress = false, trustedInterfaces = [] } = request;
  if (!internal && Object.values(gatewayModes).includes('isolated')) {
    throw invalid(`gateway mode 'isolated' can only be used for an internal network (${name})`, {
      hint: 'Make the network with --internal',
    });
  }
  for (const trusted of trustedInterfaces) checkInterfaceName(trusted);
  if (interfacePrefix !== undefined) checkInterfaceName(`${interfacePrefix}999`);
  return {
    ...(interfacePrefix === undefined ? {} : { interfacePrefix }),
    ...(Object.keys(gatewayModes).length === 0 ? {} : { gatewayModes }),
    ...(withoutHostAddress ? { withoutHostAddress } : {}),
    ...(trustedInterfaces.length === 0 ? {} : { trustedInterfaces }),
  };
}

/** As {@link planBridge}. Without a parent it is internal, on an interface that is to be made. */
export async function planMacvlan(
  request: NewMacvlan,
  { book, names, links }: Planning & { readonly links: readonly HostLink[] },
): Promise<MacvlanNetwork> {
  const { id, name, mode, parent } = request;
  if (parent !== undefined) {
    checkInterfaceName(parent);
    requireParent(links, parent);
  }
  const onLink = { onLink: parent !== undefined };
  return {
    ...{ id, name, driver: 'macvlan', mode },
    ...(parent === undefined
      ? { parent: freshName(names.bridgePrefix), hasOwnParent: true, internal: true, mtu: LARGEST_MTU }
      : { parent, internal: request.internal ?? false, mtu: await linkMtu(parent) }),
    ...(await book.plan(name, 4, request, onLink)),
    ...(request.ipv6 === undefined ? {} : { ipv6: await book.plan(name, 6, request.ipv6, onLink) }),
  };
}
