import { invalid } from '../base/index.ts';

/** An IPv4 network: its first address as a number, and its prefix length. */
export interface Subnet {
  readonly first: number;
  readonly prefixLength: number;
}

/** Parses "10.1.2.0/24"; host bits must be zero. Throws `invalid`. */
export function parseSubnet(text: string): Subnet {
  const [address = '', length] = text.split('/');
  const prefixLength = Number(length);
  if (length === undefined || !Number.isInteger(prefixLength) || prefixLength < 0 || prefixLength > 32) {
    throw invalid(`invalid CIDR address: ${text}`, {
      hint: 'Write an address and a prefix length, like 10.1.2.0/24',
    });
  }
  const number = parseAddress(address);
  const first = network(number, prefixLength);
  if (first !== number) {
    throw invalid(`invalid subnet ${text}: it should be ${formatAddress(first)}/${prefixLength}`);
  }
  return { first, prefixLength };
}

export function formatSubnet({ first, prefixLength }: Subnet): string {
  return `${formatAddress(first)}/${prefixLength}`;
}

/** Parses a dotted address into a number; throws `invalid`. */
export function parseAddress(text: string): number {
  const parts = text.split('.');
  const isAddress = parts.length === 4 && parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) < 256);
  if (!isAddress) throw invalid(`invalid IPv4 address: ${text}`);
  return parts.reduce((sum, part) => sum * 256 + Number(part), 0);
}

export function formatAddress(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.');
}

/** How many addresses a subnet spans. */
export function sizeOf({ prefixLength }: Subnet): number {
  return 2 ** (32 - prefixLength);
}

/** The last address of a subnet. */
export function lastOf(subnet: Subnet): number {
  return subnet.first + sizeOf(subnet) - 1;
}

export function contains(subnet: Subnet, address: number): boolean {
  return address >= subnet.first && address < subnet.first + sizeOf(subnet);
}

export function overlaps(a: Subnet, b: Subnet): boolean {
  return a.first < b.first + sizeOf(b) && b.first < a.first + sizeOf(a);
}

function network(address: number, prefixLength: number): number {
  const size = 2 ** (32 - prefixLength);
  return Math.floor(address / size) * size;
}
