import { conflict, unavailable } from '../base/index.ts';
import { hostRoutes } from './commands.ts';
import { formatAddress, formatSubnet, overlaps, parseSubnet, type Subnet, sizeOf } from './ipv4.ts';

/** Where subnets come from when nobody asks for one: 172.24.0.0/13 in pieces of 4,096 addresses. */
const POOL: Subnet = parseSubnet('172.24.0.0/13');
const PIECE = 20;

/** Something that holds a range of addresses already. */
export interface Occupied {
  readonly subnet: Subnet;
  /** "network db" or "the host's route to 10.0.0.0/8 on tun0". */
  readonly holder: string;
}

/** A subnet that neither a network of ours nor a route of the host holds, so that a VPN is never shadowed. */
export async function chooseSubnet(networks: readonly Occupied[]): Promise<string> {
  const occupied = [...networks, ...(await routes())];
  const size = 2 ** (32 - PIECE);
  for (let first = POOL.first; first < POOL.first + sizeOf(POOL); first += size) {
    const candidate = { first, prefixLength: PIECE };
    if (!occupied.some(({ subnet }) => overlaps(subnet, candidate))) return formatSubnet(candidate);
  }
  const holders = [
    ...new Set(occupied.filter(({ subnet }) => overlaps(subnet, POOL)).map(({ holder }) => holder)),
  ];
  throw unavailable(`every subnet of ${formatSubnet(POOL)} is taken, by ${holders.join(', ')}`, {
    hint: 'Remove networks that are not used, or choose a subnet with --subnet',
  });
}

/** Throws `conflict` naming what a subnet overlaps with. */
export async function checkSubnet(text: string, networks: readonly Occupied[]): Promise<void> {
  const wanted = parseSubnet(text);
  const other = [...networks, ...(await routes())].find(({ subnet }) => overlaps(subnet, wanted));
  if (other !== undefined) {
    throw conflict(
      `Pool overlaps with other one on this address space: ${text} overlaps with ${other.holder}`,
    );
  }
}

/** The first address of a subnet is its gateway unless somebody says otherwise. */
export function defaultGateway(subnet: string): string {
  return formatAddress(parseSubnet(subnet).first + 1);
}

async function routes(): Promise<Occupied[]> {
  const listed = await hostRoutes();
  return listed.flatMap(({ destination, device }) => {
    if (destination === 'default') return [];
    const subnet = parseSubnet(destination.includes('/') ? destination : `${destination}/32`);
    return [{ subnet, holder: `the host's route to ${destination} on ${device}` }];
  });
}
