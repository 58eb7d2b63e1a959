import { conflict, invalid, unavailable } from '../base/index.ts';
import {
  contains,
  formatAddress,
  formatSubnet,
  lastOf,
  parseAddress,
  parseSubnet,
  type Subnet,
} from './ipv4.ts';

/**
 * The addresses of one network. Freed addresses are given out last, so that a client that still knows the old
 * holder does not reach a new one at once.
 */
export class AddressPool {
  readonly #network: string;
  readonly #subnet: Subnet;
  /** Each taken address with who holds it. */
  readonly #taken = new Map<number, string>();
  /** What is given out: from the first to the last. */
  readonly #first: number;
  readonly #last: number;
  #next: number;

  constructor(network: {
    readonly name: string;
    readonly subnet: string;
    readonly gateway: string;
    readonly ipRange?: string;
    readonly reserved?: Readonly<Record<string, string>>;
  }) {
    this.#network = network.name;
    this.#subnet = parseSubnet(network.subnet);
    const range = network.ipRange === undefined ? this.#subnet : parseSubnet(network.ipRange);
    // The last address of the subnet is the broadcast address (RFC 919), the first one the network's own.
    this.#first = Math.max(range.first, this.#subnet.first + 1);
    this.#last = Math.min(lastOf(range), lastOf(this.#subnet) - 1);
    this.#next = this.#first;
    this.#taken.set(parseAddress(network.gateway), 'the gateway');
    for (const [purpose, address] of Object.entries(network.reserved ?? {})) {
      this.#taken.set(parseAddress(address), `the auxiliary address ${purpose}`);
    }
  }

  get prefixLength(): number {
    return this.#subnet.prefixLength;
  }

  /**
   * Takes a free address, or the one asked for, for `holder` ("container 0123456789ab"). Throws `conflict` naming
   * the holder when that is taken, `unavailable` when none is free.
   */
  take(holder: string, wanted?: string): string {
    const address = wanted === undefined ? this.#free() : this.#checked(wanted);
    this.#taken.set(address, holder);
    return formatAddress(address);
  }

  release(address: string): void {
    this.#taken.delete(parseAddress(address));
  }

  #free(): number {
    const usable = this.#last - this.#first + 1;
    for (let tried = 0; tried < usable; tried += 1) {
      const candidate = this.#next;
      this.#next = candidate === this.#last ? this.#first : candidate + 1;
      if (!this.#taken.has(candidate)) return candidate;
    }
    throw unavailable(`no address is free in network ${this.#network}: all ${usable} are taken`, {
      hint: 'Remove containers, or make a network with a larger --subnet or --ip-range',
    });
  }

  #checked(text: string): number {
    const address = parseAddress(text);
    if (!contains(this.#subnet, address)) {
      throw invalid(
        `the address ${text} is not in the subnet of network ${this.#network}, ${formatSubnet(this.#subnet)}`,
      );
    }
    if (address === this.#subnet.first || address === lastOf(this.#subnet)) {
      throw invalid(
        `the address ${text} is the first or last of network ${this.#network}: no host can have it`,
      );
    }
    const holder = this.#taken.get(address);
    if (holder !== undefined) {
      throw conflict(`Address already in use: ${text} in network ${this.#network} belongs to ${holder}`);
    }
    return address;
  }
}

/** A local unicast MAC address that the IPv4 address decides, as Docker's (02:42 and the address's bytes). */
export function macAddressOf(address: string): string {
  const bytes = address.split('.').map((part) => Number(part).toString(16).padStart(2, '0'));
  return ['02', '42', ...bytes].join(':');
}
