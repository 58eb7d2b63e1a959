import { randomBytes } from 'node:crypto';
import { type Endpoint, macAddressOf, searchDomains } from '../../../network/index.ts';
import { type ComputerCard, type FirstBootCard, nameServerOf } from '../../../vm/index.ts';
import { isBridge } from '../../networks.ts';
import type { ContainerRecord, NetworkAttachment } from '../container.ts';
import type { ContainerContext } from '../context.ts';
import { mtuOf } from '../vm/bundle.ts';

/** Systems remember their cards by the MAC address: it is the same at each start, whatever the IP address is then. */
export function withLastingCard(attachment: NetworkAttachment): NetworkAttachment {
  return attachment.macAddress === undefined ? { ...attachment, macAddress: newMacAddress() } : attachment;
}

/** QEMU's own prefix, which is of the locally administered ones. */
function newMacAddress(): string {
  const bytes = [0x52, 0x54, 0x00, ...randomBytes(3)];
  return bytes.map((byte) => byte.toString(16).padStart(2, '0')).join(':');
}

/**
 * The cards of a machine: of each family the first one that leads out is the way out, and names are looked for in the same
 * domains as in a container.
 */
export function cardsOf(
  context: ContainerContext,
  { host }: Pick<ContainerRecord, 'host'>,
  endpoints: readonly Endpoint[],
): ComputerCard[] {
  const search = searchDomains(host);
  const way = endpoints.find(({ gateway }) => gateway !== undefined);
  const way6 = endpoints.find(({ ipv6 }) => ipv6?.gateway !== undefined);
  return endpoints.map((endpoint) => {
    const { macAddress, address, prefixLength, ipv6 } = endpoint;
    const network = context.networks.byId(endpoint.networkId)?.network;
    const gateway = endpoint === way ? endpoint.gateway : undefined;
    const isBridged = network !== undefined && isBridge(network); // then the gateway is the bridge
    return {
      ...{ macAddress, mtu: mtuOf(network), address, prefixLength, gateway, search },
      ...(gateway === undefined || !isBridged ? {} : { gatewayMacAddress: macAddressOf(gateway) }),
      ...(ipv6 === undefined
        ? {}
        : { ipv6: { ...ipv6, gateway: endpoint === way6 ? ipv6.gateway : undefined } }),
    };
  });
}

/**
 * What a fresh system is told of its cards. Addresses come by DHCP, as they may be others at the next start; nobody tells a
 * system of IPv6, so on such networks it is given both as they are now. Search domains are told in both ways: not every
 * system takes those that DHCP brings.
 */
export function firstBootCards(cards: readonly ComputerCard[]): FirstBootCard[] {
  return cards.map((card) => {
    const { macAddress, address, prefixLength, gateway, ipv6, search } = card;
    if (ipv6 === undefined) return { macAddress, search, network: 'dhcp' };
    return {
      ...{ macAddress, search },
      network: {
        addresses: [`${address}/${prefixLength}`, `${ipv6.address}/${ipv6.prefixLength}`],
        gateways: [gateway, ipv6.gateway].filter((way) => way !== undefined),
        nameServers: [nameServerOf(card)],
      },
    };
  });
}
