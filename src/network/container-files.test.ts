import { expect, it } from 'vitest';
import { newContainerId, newNetworkId } from '../base/index.ts';
import { hostsFile, type NetworkFilesInput, resolvConfFile, withChangedLines } from './container-files.ts';
import type { Endpoint } from './contract.ts';

const endpoint = (address: string, gateway: string | undefined): Endpoint => ({
  containerId: newContainerId(),
  networkId: newNetworkId(),
  address,
  prefixLength: 24,
  gateway,
  macAddress: '02:42:0a:00:00:02',
  hostInterface: 'veth',
  containerInterface: 'eth0',
});

const plain: NetworkFilesInput = {
  hostname: 'web',
  domainname: '',
  endpoints: [endpoint('10.0.0.2', '10.0.0.1')],
  extraHosts: [],
  dns: [],
  dnsSearch: [],
  dnsOptions: [],
  namesServed: false,
  sharesHost: false,
  links: [],
};

/** Without the comment that each begins with. */
const resolvConf = (input: NetworkFilesInput, host: string) =>
  resolvConfFile(input, host).replace(/^#.*\n/, '');

const own = (text: string) => text.slice(text.indexOf('ip6-allrouters\n') + 'ip6-allrouters\n'.length);

it('names the container by each of its addresses, and the host', () => {
  const endpoints = [endpoint('10.0.0.2', '10.0.0.1'), endpoint('10.0.9.2', undefined)];
  expect(own(hostsFile({ ...plain, endpoints, domainname: 'example.org' }))).toBe(
    '10.0.0.1\thost.docker.internal\n10.0.0.2\tweb.example.org\tweb\n10.0.9.2\tweb.example.org\tweb\n',
  );
  expect(hostsFile(plain)).toMatch(/^127\.0\.0\.1\tlocalhost\n/);
});

it('adds the hosts asked for, host-gateway among them, and lets them rename the host', () => {
  const extraHosts = ['db:10.0.0.7', 'up=host-gateway', 'host.docker.internal:10.0.0.8', 'six:fd00::1'];
  expect(own(hostsFile({ ...plain, extraHosts }))).toBe(
    '10.0.0.7\tdb\n10.0.0.1\tup\n10.0.0.8\thost.docker.internal\nfd00::1\tsix\n10.0.0.2\tweb\n',
  );
});

it("takes the host's resolvers that a container can reach, with search domains and options", () => {
  const host =
    '# mine\nnameserver 127.0.0.1\nnameserver 192.0.2.53\nnameserver fd00::53\nsearch a.test b.test\noptions ndots:2 edns0\n';
  expect(resolvConf(plain, host)).toBe(
    'nameserver 192.0.2.53\nsearch a.test b.test\noptions ndots:2 edns0\n',
  );
});

it('prefers what was asked for, and lets "." mean no search domain', () => {
  const host = 'nameserver 192.0.2.53\nsearch a.test\noptions ndots:2\n';
  const asked = { ...plain, dns: ['192.0.2.1', 'fd00::53'], dnsSearch: ['.'], dnsOptions: ['rotate'] };
  expect(resolvConf(asked, host)).toBe('nameserver 192.0.2.1\nnameserver fd00::53\noptions rotate\n');
});

it('falls back to public resolvers where the host has none but its own loopback', () => {
  expect(resolvConf(plain, 'nameserver 127.0.0.1\n')).toBe('nameserver 8.8.8.8\nnameserver 8.8.4.4\n');
});

it("sends containers that names are served to to the resolver, with the host's search domains and options", () => {
  const host = 'nameserver 127.0.0.53\nsearch a.test\noptions edns0 trust-ad\n';
  const served = { ...plain, namesServed: true };
  expect(resolvConf(served, host)).toBe(
    'nameserver 127.0.0.11\nsearch a.test\noptions edns0 trust-ad ndots:0\n',
  );
  expect(resolvConf({ ...served, dns: ['192.0.2.1'], dnsOptions: ['ndots:3'] }, host)).toBe(
    'nameserver 127.0.0.11\nsearch a.test\noptions ndots:3\n',
  );
});

it('names the containers that it is linked to', () => {
  const links = [{ address: '10.0.0.9', names: ['db', '0123456789ab', 'store'] }];
  expect(own(hostsFile({ ...plain, links }))).toBe(
    '10.0.0.1\thost.docker.internal\n10.0.0.9\tdb 0123456789ab store\n10.0.0.2\tweb\n',
  );
});

it('changes only its own lines of a file that the container has changed too', () => {
  const current = '127.0.0.1\tlocalhost\n10.0.0.2\tweb\n10.0.0.7\tmine\n';
  expect(
    withChangedLines(
      current,
      '127.0.0.1\tlocalhost\n10.0.0.2\tweb\n',
      '127.0.0.1\tlocalhost\n10.0.9.2\tweb\n',
    ),
  ).toBe('127.0.0.1\tlocalhost\n10.0.0.7\tmine\n10.0.9.2\tweb\n');
});
