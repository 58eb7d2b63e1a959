import { createHash } from 'node:crypto';
import { conflict, invalid, unavailable } from '../base/index.ts';
import {
  contains,
  type Family,
  formatAddress,
  formatSubnet,
  hostsOf,
  isPartOf,
  overlaps,
  parseAddress,
  parseSubnet,
  type Subnet,
  sizeOf,
} from './ip.ts';
import { hostRoutes } from './iproute.ts';

/** A range that subnets are cut from when nobody asks for one (dockerd's default-address-pools). */
export interface SubnetSource {
  /** CIDR. */
  readonly base: string;
  /** Prefix length of each piece. */
  readonly size: number;
}

/** 128 networks of 4,094 addresses, in the part of 172.16.0.0/12 that dockerd gives out last. */
export const DEFAULT_SUBNETS: readonly SubnetSource[] = [{ base: '172.24.0.0/13', size: 20 }];

/**
 * 65,536 unique local networks (RFC 4193): 40 bits that `seed`, which no other host or instance has, decides, so that
 * networks keep their addresses and do not meet when hosts are joined.
 */
export function localSubnets(seed: string): readonly SubnetSource[] {
  const digits = createHash('sha256').update(seed).digest('hex');
  const base = `fd${digits.slice(0, 2)}:${digits.slice(2, 6)}:${digits.slice(6, 10)}::`;
  return [{ base: `${formatAddress(parseAddress(base))}/48`, size: 64 }];
}

/** Something that holds a range of addresses already. */
export interface Occupied {
  readonly subnet: Subnet;
  /** "network db" or "the host's route to 10.0.0.0/8 on tun0". */
  readonly holder: string;
}

/** Checks sources as a configuration file gives them. Throws `invalid`. */
export function checkSources(sources: readonly SubnetSource[]): void {
  for (const { base, size } of sources) {
    const { family, prefixLength } = parseSubnet(base);
    if (!Number.isInteger(size) || size < prefixLength || size > LONGEST_PREFIX[family]) {
      throw invalid(`invalid size ${size} for the address pool ${base}`, {
        hint: `It is the prefix length of each network: ${prefixLength} to ${LONGEST_PREFIX[family]}`,
      });
    }
  }
}

/**
 * A subnet that neither a network of ours nor a route of the host holds, so that a VPN is never shadowed; not one of the first
 * `skip` of these, if there are more.
 */
export async function chooseSubnet(
  sources: readonly SubnetSource[],
  networks: readonly Occupied[],
  skip = 0,
): Promise<string> {
  let left = skip;
  let last: string | undefined;
  const occupied = [...networks, ...(await routedSubnets())];
  for (const source of sources) {
    const range = parseSubnet(source.base);
    const size = sizeOf({ ...range, prefixLength: source.size });
    for (let first = range.first; first < range.first + sizeOf(range); first += size) {
      const candidate = { family: range.family, first, prefixLength: source.size };
      if (occupied.some(({ subnet }) => overlaps(subnet, candidate))) continue;
      last = formatSubnet(candidate);
      if (left === 0) return last;
      left -= 1;
    }
  }
  if (last !== undefined) return last;
  const ranges = sources.map(({ base }) => base).join(', ');
  const isInRange = ({ subnet }: Occupied) => sources.some(({ base }) => overlaps(subnet, parseSubnet(base)));
  const holders = new Set(occupied.filter(isInRange).map(({ holder }) => holder));
  throw unavailable(`every subnet of ${ranges} is taken, by ${[...holders].join(', ')}`, {
    hint: 'Remove networks that are not used, or choose a subnet with --subnet',
  });
}

/**
 * Throws `invalid` for what is no subnet with room for hosts, and `conflict` naming what it overlaps with: a network, or a
 * route of the host unless it is `onLink`.
 */
export async function checkSubnet(
  text: string,
  networks: readonly Occupied[],
  { onLink = false } = {},
): Promise<void> {
  const wanted = parseSubnet(text);
  if (wanted.prefixLength > LONGEST_PREFIX[wanted.family]) {
    throw invalid(`the subnet ${text} has no room for containers`, {
      hint: `Its prefix length may be ${LONGEST_PREFIX[wanted.family]} at most`,
    });
  }
  const routed = onLink ? [] : await routedSubnets();
  const other = [...networks, ...routed].find(({ subnet }) => overlaps(subnet, wanted));
  if (other !== undefined) {
    throw conflict(
      `Pool overlaps with other one on this address space: ${text} overlaps with ${other.holder}`,
    );
  }
}

/** What else the host reaches in one of the subnets than by the device that it should; undefined: nothing. */
export async function rivalRoute(subnets: readonly string[], device: string): Promise<Occupied | undefined> {
  const wanted = subnets.map(parseSubnet);
  const routed = await routedSubnets(device);
  return routed.find(({ subnet }) => wanted.some((one) => overlaps(one, subnet)));
}

/** A gateway, a container, and the first and last address, which no host may have. */
const LONGEST_PREFIX: Readonly<Record<Family, number>> = { 4: 30, 6: 126 };

/** Whether an address is one of a subnet's. Throws `invalid` for what is no IPv4 address. */
export function subnetContains(subnet: string, address: string): boolean {
  return contains(parseSubnet(subnet), parseAddress(address));
}

/** The gateway asked for, or the first address. Throws `invalid` when it is not in the subnet. */
export function gatewayOf(subnet: string, wanted: string | undefined): string {
  const whole = parseSubnet(subnet);
  const { first, last } = hostsOf(whole);
  if (wanted === undefined) return formatAddress({ family: whole.family, value: first });
  const address = parseAddress(wanted);
  if (!contains(whole, address) || address.value < first || address.value > last) {
    throw invalid(`invalid gateway ${wanted}: it is no host's address in ${subnet}`);
  }
  return wanted;
}

/** Throws `invalid` for a range to give out, or for reserved addresses, that are not in the subnet. */
export function checkParts(
  subnet: string,
  { ipRange, reserved = {} }: { ipRange?: string; reserved?: Readonly<Record<string, string>> },
): void {
  const whole = parseSubnet(subnet);
  if (ipRange !== undefined && !isPartOf(parseSubnet(ipRange), whole)) {
    throw invalid(`invalid ip-range ${ipRange}: it is no part of the subnet ${subnet}`);
  }
  for (const [purpose, address] of Object.entries(reserved)) {
    if (!contains(whole, parseAddress(address))) {
      throw invalid(`invalid auxiliary address ${purpose}=${address}: it is not in the subnet ${subnet}`);
    }
  }
}

/**
 * What the host's routes lead to, but for those of one device. Wider ones than /8 are ways out, cut in halves as VPNs do, and
 * not networks.
 */
async function routedSubnets(except?: string): Promise<Occupied[]> {
  const routes = await hostRoutes();
  return routes.flatMap(({ destination, device }) => {
    if (destination === 'default' || device === except) return [];
    const whole = destination.includes(':') ? 128 : 32;
    const subnet = parseSubnet(destination.includes('/') ? destination : `${destination}/${whole}`);
    if (subnet.prefixLength < 8) return [];
    return [{ subnet, holder: `the host's route to ${destination} on ${device}` }];
  });
}
