import { isIPv4, isIPv6 } from 'node:net';
import { invalid } from '../base/index.ts';

export type Family = 4 | 6;

/** An address as a number, which is what ranges are counted in. */
export interface Address {
  readonly family: Family;
  readonly value: bigint;
}

/** A network: its first address, and its prefix length. */
export interface Subnet {
  readonly family: Family;
  readonly first: bigint;
  readonly prefixLength: number;
}

const BITS = { 4: 32, 6: 128 } as const;

/** Parses "10.1.2.0/24" or "fd00:1::/64"; host bits must be zero. Throws `invalid`. */
export function parseSubnet(text: string): Subnet {
  const [address = '', length] = text.split('/');
  const { family, value } = parseAddress(address);
  const prefixLength = Number(length);
  if (length === undefined || !/^\d+$/.test(length) || prefixLength > BITS[family]) {
    throw invalid(`invalid CIDR address: ${text}`, {
      hint: 'Write an address and a prefix length, like 10.1.2.0/24',
    });
  }
  const size = 1n << BigInt(BITS[family] - prefixLength);
  const subnet: Subnet = { family, first: (value / size) * size, prefixLength };
  if (subnet.first !== value) throw invalid(`invalid subnet ${text}: it should be ${formatSubnet(subnet)}`);
  return subnet;
}

export function formatSubnet({ family, first, prefixLength }: Subnet): string {
  return `${formatAddress({ family, value: first })}/${prefixLength}`;
}

/** Parses a dotted or a colon-separated address; throws `invalid`. */
export function parseAddress(text: string): Address {
  if (isIPv4(text)) return { family: 4, value: parseGroups(text.split('.'), 10, 8) };
  if (!isIPv6(text) || text.includes('%')) throw invalid(`invalid IP address: ${text}`);
  const [head = '', tail] = splitMappedIPv4(text).split('::');
  const [before, after] = [head, tail ?? ''].map((part) => part.split(':').filter(Boolean));
  const missing = 8 - (before?.length ?? 0) - (after?.length ?? 0);
  const groups = [...(before ?? []), ...Array<string>(missing).fill('0'), ...(after ?? [])];
  return { family: 6, value: parseGroups(groups, 16, 16) };
}

/** "::ffff:10.0.0.1" with its last part in hexadecimal, as the rest. */
function splitMappedIPv4(text: string): string {
  const dotted = /(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(text);
  if (dotted === null) return text;
  const [a = 0, b = 0, c = 0, d = 0] = dotted.slice(1).map(Number);
  return `${text.slice(0, dotted.index)}${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
}

function parseGroups(groups: readonly string[], radix: number, bits: number): bigint {
  return groups.reduce((sum, group) => (sum << BigInt(bits)) + BigInt(Number.parseInt(group, radix)), 0n);
}

/** The usual text of an address; IPv6 in its shortest form (RFC 5952). */
export function formatAddress({ family, value }: Address): string {
  const bits = family === 4 ? 8 : 16;
  const groups = Array.from({ length: BITS[family] / bits }, (_, index) =>
    Number((value >> BigInt(BITS[family] - bits * (index + 1))) & ((1n << BigInt(bits)) - 1n)),
  );
  if (family === 4) return groups.join('.');
  // The URL standard's serialiser follows RFC 5952, but for addresses that hold an IPv4 address.
  return new URL(`http://[${groups.map((group) => group.toString(16)).join(':')}]`).hostname.slice(1, -1);
}

/** How many addresses a subnet spans. */
export function sizeOf({ family, prefixLength }: Subnet): bigint {
  return 1n << BigInt(BITS[family] - prefixLength);
}

/** The value of the last address of a subnet. */
export function lastOf(subnet: Subnet): bigint {
  return subnet.first + sizeOf(subnet) - 1n;
}

/**
 * The values that hosts may have, within a part of the subnet: not its first (the network's own), and in IPv4 not its last
 * (broadcast, RFC 919).
 */
export function hostsOf(
  subnet: Subnet,
  part: Subnet = subnet,
): { readonly first: bigint; readonly last: bigint } {
  let first = subnet.first + 1n;
  let last = lastOf(subnet) - (subnet.family === 4 ? 1n : 0n);
  if (part.first > first) first = part.first;
  if (lastOf(part) < last) last = lastOf(part);
  return { first, last };
}

export function contains(subnet: Subnet, { family, value }: Address): boolean {
  return family === subnet.family && value >= subnet.first && value <= lastOf(subnet);
}

/** Whether all of `part` is in `whole`. */
export function isPartOf(part: Subnet, whole: Subnet): boolean {
  return part.family === whole.family && part.first >= whole.first && lastOf(part) <= lastOf(whole);
}

export function overlaps(a: Subnet, b: Subnet): boolean {
  return a.family === b.family && a.first <= lastOf(b) && b.first <= lastOf(a);
}
