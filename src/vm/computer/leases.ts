import type { VmLease } from '../vm-plan.ts';
import type { ComputerCard, ComputerRequest } from './contract.ts';

/** Where a guest asks for names when the gateway's address cannot be used: link-local (RFC 3927), so no network has it. */
const NAME_SERVER = '169.254.1.1';

/** What the cards of a computer are told by DHCP. */
export function leasesOf(request: Pick<ComputerRequest, 'network' | 'cards' | 'hostname'>): VmLease[] {
  const { network, cards, hostname } = request;
  return cards.flatMap((card, index) => {
    const name = network?.interfaces[index];
    if (name === undefined) return [];
    const { macAddress, address, prefixLength, gateway, search } = card;
    return [
      {
        ...{ interface: name, macAddress, hostname, search },
        address: `${address}/${prefixLength}`,
        router: gateway,
        server: nameServerOf(card),
        serverMacAddress: gateway === undefined ? undefined : card.gatewayMacAddress,
      },
    ];
  });
}

/**
 * Where names are found from a card, in whatever way the guest gets its address. One that is not the gateway's is on the
 * card's own link.
 */
export function nameServerOf(card: Pick<ComputerCard, 'gateway' | 'gatewayMacAddress'>): string {
  return card.gateway === undefined || card.gatewayMacAddress === undefined ? NAME_SERVER : card.gateway;
}
