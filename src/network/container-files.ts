import { readFileSync } from 'node:fs';
import type { Endpoint } from './contract.ts';
import { isServableName } from './name-files.ts';

export interface NetworkFilesInput {
  readonly hostname: string;
  readonly domainname: string;
  readonly endpoints: readonly Endpoint[];
  /** "name:address"; the address "host-gateway" is the host's on the first network. */
  readonly extraHosts: readonly string[];
  readonly dns: readonly string[];
  readonly dnsSearch: readonly string[];
  readonly dnsOptions: readonly string[];
  /** Whether names are asked of the resolver at {@link RESOLVER_ADDRESS}; otherwise the host's servers are. */
  readonly namesServed: boolean;
  /** Containers of the default network that this one is linked to, each with its names there. */
  readonly links: readonly { readonly address: string; readonly names: readonly string[] }[];
  /** Whether it is in the host's network: what reaches the host's loopback is its own then. */
  readonly sharesHost: boolean;
}

/** Where each container asks for names; the port behind it is in its own network namespace. */
export const RESOLVER_ADDRESS = '127.0.0.11';

/** The texts of a container's /etc/hosts and /etc/resolv.conf, as Docker writes them. */
export function networkFiles(input: NetworkFilesInput): { hosts: string; resolvConf: string } {
  const [hosts, resolvConf] = input.sharesHost
    ? [readIfThere('/etc/hosts'), readIfThere('/etc/resolv.conf')]
    : [LOCAL_HOSTS, hostResolvConf()];
  return { hosts: hostsFile(input, hosts), resolvConf: resolvConfFile(input, resolvConf) };
}

const LOCAL_HOSTS = `127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::\tip6-localnet
ff00::\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
`;

/** /etc/hosts: the fixed names, the ones asked for, `host.docker.internal`, and the container's own. */
export function hostsFile(
  { hostname, domainname, endpoints, extraHosts, links }: NetworkFilesInput,
  fixed = LOCAL_HOSTS,
): string {
  const gateway = endpoints.find(
    ({ gateway: host, isApart = false }) => host !== undefined && !isApart,
  )?.gateway;
  const names = domainname === '' ? hostname : `${hostname}.${domainname}\t${hostname}`;
  const extra = extraHosts.map((entry) => {
    const at = entry.search(/[:=]/);
    const address = entry.slice(at + 1);
    return `${address === 'host-gateway' ? (gateway ?? '127.0.0.1') : address}\t${entry.slice(0, at)}\n`;
  });
  const named = new Set(extraHosts.map((entry) => entry.split(/[:=]/, 1)[0]));
  const host =
    gateway === undefined || named.has('host.docker.internal') ? [] : [`${gateway}\thost.docker.internal\n`];
  return [
    fixed.endsWith('\n') || fixed === '' ? fixed : `${fixed}\n`,
    ...extra,
    ...host,
    ...links.map((link) => `${link.address}\t${link.names.join(' ')}\n`),
    ...endpoints.flatMap(addressesOf).map((address) => `${address}\t${names}\n`),
  ].join('');
}

/** An endpoint's IPv4 address, and its IPv6 one where it has that. */
export function addressesOf({ address, ipv6 }: Endpoint): string[] {
  return ipv6 === undefined ? [address] : [address, ipv6.address];
}

/**
 * A file as it is now, with what changed between two texts of ours: lines that are not wanted any more go, new ones
 * come at its end, and what the container wrote itself stays.
 */
export function withChangedLines(current: string, before: string, after: string): string {
  const linesOf = (text: string) => text.split('\n').filter((line) => line !== '');
  const [old, wanted] = [new Set(linesOf(before)), new Set(linesOf(after))];
  const kept = linesOf(current).filter((line) => !old.has(line) || wanted.has(line));
  const present = new Set(kept);
  const added = [...wanted].filter((line) => !old.has(line) && !present.has(line));
  return [...kept, ...added].map((line) => `${line}\n`).join('');
}

/** systemd-resolved's own list of real servers: its stub at 127.0.0.53 cannot be reached from a container. */
const RESOLVED = '/run/systemd/resolve/resolv.conf';

function hostResolvConf(): string {
  const text = readIfThere('/etc/resolv.conf');
  return /^nameserver\s+127\.0\.0\.53\s*$/m.test(text) ? readIfThere(RESOLVED) || text : text;
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** Where the host has only resolvers on its loopback, which a container cannot reach (as dockerd does). */
const FALLBACK = ['8.8.8.8', '8.8.4.4'];

const HEADER = '# Written by berth, which leaves this file alone once it has been changed.\n';

/**
 * /etc/resolv.conf (resolv.conf(5)): what was asked for, and the host's where nothing was. Of the host's servers
 * only those that a container can reach: not on loopback, and IPv4, as networks are.
 */
export function resolvConfFile(input: NetworkFilesInput, host: string): string {
  const usable = wordsOf(host, 'nameserver').filter(
    (address) => input.sharesHost || (!address.startsWith('127.') && !address.includes(':')),
  );
  const outside = input.dns.length > 0 ? input.dns : usable.length > 0 ? usable : FALLBACK;
  const servers = input.namesServed ? [RESOLVER_ADDRESS] : outside;
  const search = searchDomainsOf(input, host);
  const asked = input.dnsOptions.length > 0 ? input.dnsOptions : wordsOf(host, 'options');
  // A name without a dot is a container's first of all, and only then one of a search domain's (as dockerd has it).
  const hasOwnNdots = !input.namesServed || asked.some((option) => option.startsWith('ndots:'));
  const options = hasOwnNdots ? asked : [...asked, 'ndots:0'];
  return [
    HEADER,
    ...servers.map((address) => `nameserver ${address}\n`),
    ...(search.length > 0 ? [`search ${search.join(' ')}\n`] : []),
    ...(options.length > 0 ? [`options ${options.join(' ')}\n`] : []),
  ].join('');
}

/** The domains that {@link resolvConfFile} lets names be looked for in, for whoever is told of them otherwise: without final dots. */
export function searchDomains(asked: Pick<NetworkFilesInput, 'dnsSearch'>): string[] {
  const domains = searchDomainsOf(asked, hostResolvConf()).map((domain) => domain.replace(/\.$/, ''));
  return domains.filter(isServableName);
}

function searchDomainsOf({ dnsSearch }: Pick<NetworkFilesInput, 'dnsSearch'>, host: string): string[] {
  return dnsSearch.length > 0 ? dnsSearch.filter((domain) => domain !== '.') : wordsOf(host, 'search');
}

/** All words of the lines of a resolv.conf that begin with `key`. */
function wordsOf(resolvConf: string, key: string): string[] {
  const lines = resolvConf.matchAll(new RegExp(`^${key}[ \\t]+(.*)$`, 'gm'));
  return [...lines].flatMap(([, rest = '']) => rest.trim().split(/\s+/));
}
