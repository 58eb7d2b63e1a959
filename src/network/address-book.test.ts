import { expect, test } from 'vitest';
import { newContainerId, newNetworkId } from '../base/index.ts';
import { AddressBook } from './address-book.ts';
import type { BridgeNetwork } from './contract.ts';

test("a network is full where the host's table of neighbours ends before the bridge does", () => {
  const book = new AddressBook({ 4: [], 6: [] }, () => 200);
  const network: BridgeNetwork = {
    id: newNetworkId(),
    name: 'crowd',
    driver: 'bridge',
    bridge: 'br0',
    ...{ internal: false, mtu: 1500, subnet: '10.1.0.0/16', gateway: '10.1.0.1' },
  };
  const join = (index: number) =>
    book.connect(newContainerId(), network, {}, { hostInterface: `v${index}`, containerInterface: 'eth0' });
  const members = Array.from({ length: 200 }, (_, index) => join(index));
  expect(() => join(200)).toThrow(
    "network crowd is full: the host's table of neighbours ends at 200 (net.ipv4.neigh.default.gc_thresh3)",
  );
  const [first] = members;
  if (first !== undefined) book.release(first);
  expect(join(200).prefixLength).toBe(16);
});
