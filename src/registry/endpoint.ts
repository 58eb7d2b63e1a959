import { BlockList, isIP } from 'node:net';
import { invalid, type Reference } from '../base/index.ts';
import type { RegistryOptions } from './contract.ts';

/** One place that may serve a repository. */
export interface Endpoint {
  /** Scheme, host, port and perhaps a path, without a slash at the end. */
  readonly base: string;
  /** Any certificate will do; where nobody speaks https, http is used. */
  readonly isInsecure: boolean;
  /** Mirrors do not get the registry's credentials. */
  readonly isMirror: boolean;
}

export const DOCKER_HUB = 'docker.io';
const DOCKER_HUB_HOST = 'registry-1.docker.io';

/** Where to ask for repositories, by the daemon's options. */
export class EndpointChooser {
  readonly #mirrors: readonly Endpoint[];
  readonly #insecureHosts: ReadonlySet<string>;
  readonly #insecureNetworks = new BlockList();

  /** Throws `invalid` for a mirror that is no URL and for a malformed CIDR. */
  constructor({ mirrors, insecure }: RegistryOptions) {
    this.#insecureNetworks.addSubnet('127.0.0.0', 8, 'ipv4');
    this.#insecureNetworks.addAddress('::1', 'ipv6');
    const hosts = new Set(['localhost']);
    for (const text of insecure) {
      if (text.includes('/')) this.#addNetwork(text);
      else hosts.add(text);
    }
    this.#insecureHosts = hosts;
    this.#mirrors = mirrors.map((mirror) => this.#mirror(mirror));
  }

  /** In the order to try: mirrors first for docker.io. */
  endpoints({ domain }: Pick<Reference, 'domain'>): readonly Endpoint[] {
    if (domain === DOCKER_HUB) {
      return [...this.#mirrors, { base: `https://${DOCKER_HUB_HOST}`, isInsecure: false, isMirror: false }];
    }
    return [{ base: `https://${domain}`, isInsecure: this.isInsecure(domain), isMirror: false }];
  }

  /** Whether a host (with or without a port) may be asked by http. */
  isInsecure(host: string): boolean {
    const name = new URL(`http://${host}`).hostname.replace(/^\[|\]$/g, '');
    if (this.#insecureHosts.has(host) || this.#insecureHosts.has(name)) return true;
    const version = isIP(name);
    return version !== 0 && this.#insecureNetworks.check(name, version === 4 ? 'ipv4' : 'ipv6');
  }

  #mirror(text: string): Endpoint {
    if (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol)) {
      throw invalid(`invalid registry mirror "${text}"`, { hint: 'A mirror is an http or https URL' });
    }
    const { protocol, host, username, search, hash } = new URL(text);
    if (username !== '' || search !== '' || hash !== '') {
      throw invalid(`invalid registry mirror "${protocol}//${host}": only scheme, host and path are allowed`);
    }
    const isInsecure = protocol === 'http:' || this.isInsecure(host);
    return { base: text.replace(/\/+$/, ''), isInsecure, isMirror: true };
  }

  #addNetwork(text: string): void {
    const [address = '', bits = ''] = text.split('/');
    const version = isIP(address);
    if (version === 0 || !/^[0-9]{1,3}$/.test(bits) || Number(bits) > (version === 4 ? 32 : 128)) {
      throw invalid(`invalid insecure registry "${text}"`, {
        hint: 'Write a host with or without a port, or a network like 10.0.0.0/8',
      });
    }
    this.#insecureNetworks.addSubnet(address, Number(bits), version === 4 ? 'ipv4' : 'ipv6');
  }
}
