import { conflict, invalid, unavailable } from '../base/index.ts';
import {
  contains,
  formatAddress,
  formatSubnet,
  hostsOf,
  parseAddress,
  parseSubnet,
  type Subnet,
} from './ip.ts';

/** What addresses are given out from, of either family. */
export interface AddressRange {
  /** CIDR. */
  readonly subnet: string;
  readonly gateway: string;
  /** The part of the subnet to give out; unset: all of it. CIDR. */
  readonly ipRange?: string;
  /** Addresses that nobody gets, by what they are for. */
  readonly reserved?: Readonly<Record<string, string>>;
}

/**
 * The addresses of one network. Freed addresses are given out last, so that a client that still knows the old
 * holder does not reach a new one at once.
 */
export class AddressPool {
  readonly #network: string;
  readonly #subnet: Subnet;
  /** Each taken address with who holds it. */
  readonly #taken = new Map<bigint, string>();
  /** What is given out: from the first to the last. */
  readonly #first: bigint;
  readonly #last: bigint;
  #next: bigint;

  /** `network` is the name of the network, for messages. */
  constructor(network: string, { subnet, gateway, ipRange, reserved = {} }: AddressRange) {
    this.#network = network;
    this.#subnet = parseSubnet(subnet);
    const part = ipRange === undefined ? this.#subnet : parseSubnet(ipRange);
    const { first, last } = hostsOf(this.#subnet, part);
    this.#first = first;
    this.#last = last;
    this.#next = first;
    this.#taken.set(parseAddress(gateway).value, 'the gateway');
    for (const [purpose, address] of Object.entries(reserved)) {
      this.#taken.set(parseAddress(address).value, `the auxiliary address ${purpose}`);
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
    const value = wanted === undefined ? this.#free() : this.#checked(wanted);
    this.#taken.set(value, holder);
    return formatAddress({ family: this.#subnet.family, value });
  }

  release(address: string): void {
    this.#taken.delete(parseAddress(address).value);
  }

  /** Among as many candidates as there are taken addresses and one more, one is free, or none is. */
  #free(): bigint {
    const usable = this.#last - this.#first + 1n;
    for (let tried = 0; tried <= this.#taken.size && tried < usable; tried += 1) {
      const candidate = this.#next;
      this.#next = candidate === this.#last ? this.#first : candidate + 1n;
      if (!this.#taken.has(candidate)) return candidate;
    }
    throw unavailable(`no address is free in network ${this.#network}: all ${usable} are taken`, {
      hint: 'Remove containers, or make a network with a larger --subnet or --ip-range',
    });
  }

  #checked(text: string): bigint {
    const address = parseAddress(text);
    if (!contains(this.#subnet, address)) {
      throw invalid(
        `the address ${text} is not in the subnet of network ${this.#network}, ${formatSubnet(this.#subnet)}`,
      );
    }
    const { first, last } = hostsOf(this.#subnet);
    if (address.value < first || address.value > last) {
      throw invalid(
        `the address ${text} is the first or last of network ${this.#network}: no host can have it`,
      );
    }
    const holder = this.#taken.get(address.value);
    if (holder !== undefined) {
      throw conflict(`Address already in use: ${text} in network ${this.#network} belongs to ${holder}`);
    }
    return address.value;
  }
}

/** A local unicast MAC address that the IPv4 address decides, as Docker's (02:42 and the address's bytes). */
export function macAddressOf(address: string): string {
  const bytes = address.split('.').map((part) => Number(part).toString(16).padStart(2, '0'));
  return ['02', '42', ...bytes].join(':');
}
