import { readFile } from 'node:fs/promises';
import type { Endpoint } from './contract.ts';

export interface NetworkFilesInput {
  readonly hostname: string;
  readonly domainname: string;
  readonly endpoints: readonly Endpoint[];
  /** "name:address"; the address "host-gateway" is the host's on the first network. */
  readonly extraHosts: readonly string[];
  readonly dns: readonly string[];
  readonly dnsSearch: readonly string[];
  readonly dnsOptions: readonly string[];
}

/** The texts of a container's /etc/hosts and /etc/resolv.conf, as Docker writes them. */
export async function networkFiles(input: NetworkFilesInput): Promise<{ hosts: string; resolvConf: string }> {
  return { hosts: hostsFile(input), resolvConf: resolvConfFile(input, await hostResolvConf()) };
}

const LOCAL_HOSTS = `127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::\tip6-localnet
ff00::\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
`;

/** /etc/hosts: the fixed names, the ones asked for, `host.docker.internal`, and the container's own. */
export function hostsFile({ hostname, domainname, endpoints, extraHosts }: NetworkFilesInput): string {
  const gateway = endpoints.find((endpoint) => endpoint.gateway !== undefined)?.gateway;
  const names = domainname === '' ? hostname : `${hostname}.${domainname}\t${hostname}`;
  const extra = extraHosts.map((entry) => {
    const at = entry.search(/[:=]/);
    const address = entry.slice(at + 1);
    return `${address === 'host-gateway' ? (gateway ?? '127.0.0.1') : address}\t${entry.slice(0, at)}\n`;
  });
  const named = new Set(extraHosts.map((entry) => entry.split(/[:=]/, 1)[0]));
  const host =
    gateway === undefined || named.has('host.docker.internal') ? [] : [`${gateway}\thost.docker.internal\n`];
  const own = endpoints.flatMap(({ address, ipv6 }) => [
    address,
    ...(ipv6 === undefined ? [] : [ipv6.address]),
  ]);
  return [LOCAL_HOSTS, ...extra, ...host, ...own.map((address) => `${address}\t${names}\n`)].join('');
}

/** systemd-resolved's own list of real servers: its stub at 127.0.0.53 cannot be reached from a container. */
const RESOLVED = '/run/systemd/resolve/resolv.conf';

async function hostResolvConf(): Promise<string> {
  const text = await readFile('/etc/resolv.conf', 'utf8').catch(() => '');
  if (!/^nameserver\s+127\.0\.0\.53\s*$/m.test(text)) return text;
  return readFile(RESOLVED, 'utf8').catch(() => text);
}

/** Where the host has only resolvers on its loopback, which a container cannot reach (as dockerd does). */
const FALLBACK = ['8.8.8.8', '8.8.4.4'];

/**
 * /etc/resolv.conf (resolv.conf(5)): what was asked for, and the host's where nothing was. Of the host's servers
 * only those that a container can reach: not on loopback, and IPv4, as networks are.
 */
export function resolvConfFile(input: NetworkFilesInput, host: string): string {
  const words = (key: string) =>
    [...host.matchAll(new RegExp(`^${key}[ \\t]+(.*)$`, 'gm'))].flatMap(([, rest = '']) =>
      rest.trim().split(/\s+/),
    );
  const usable = words('nameserver').filter(
    (address) => !address.startsWith('127.') && !address.includes(':'),
  );
  const servers = input.dns.length > 0 ? input.dns : usable.length > 0 ? usable : FALLBACK;
  const search =
    input.dnsSearch.length > 0 ? input.dnsSearch.filter((domain) => domain !== '.') : words('search');
  const options = input.dnsOptions.length > 0 ? input.dnsOptions : words('options');
  return [
    ...servers.map((address) => `nameserver ${address}\n`),
    ...(search.length > 0 ? [`search ${search.join(' ')}\n`] : []),
    ...(options.length > 0 ? [`options ${options.join(' ')}\n`] : []),
  ].join('');
}
