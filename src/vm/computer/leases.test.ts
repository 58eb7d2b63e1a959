import { expect, test } from 'vitest';
import { leasesOf, nameServerOf } from './leases.ts';

const card = {
  macAddress: '02:42:0a:00:00:02',
  mtu: 1500,
  address: '10.0.0.2',
  prefixLength: 16,
  gateway: '10.0.0.1',
  gatewayMacAddress: '02:42:0a:00:00:01',
  search: ['shop'],
};
const internal = { ...card, gateway: undefined };
const { gatewayMacAddress: _, ...foreign } = card;

test("a card's lease is its address, and the gateway where there is one, who answers to questions about names", () => {
  const network = { namespace: '/proc/1/fd/9', interfaces: ['eth0'] };
  expect(leasesOf({ network, hostname: 'one', cards: [card] })).toEqual([
    {
      interface: 'eth0',
      macAddress: '02:42:0a:00:00:02',
      address: '10.0.0.2/16',
      router: '10.0.0.1',
      server: '10.0.0.1',
      serverMacAddress: '02:42:0a:00:00:01',
      hostname: 'one',
      search: ['shop'],
    },
  ]);
});

test('a network without a gateway, or with one that nobody knows, has a server of its own', () => {
  expect([internal, foreign].map(nameServerOf)).toEqual(['169.254.1.1', '169.254.1.1']);
  const network = { namespace: '/proc/1/fd/9', interfaces: ['eth0', 'eth1'] };
  const leases = leasesOf({ network, cards: [internal, foreign] });
  expect(leases.map(({ interface: name, router, server }) => [name, router, server])).toEqual([
    ['eth0', undefined, '169.254.1.1'],
    ['eth1', '10.0.0.1', '169.254.1.1'],
  ]);
  expect(leases.map(({ serverMacAddress }) => serverMacAddress)).toEqual([undefined, undefined]);
});
