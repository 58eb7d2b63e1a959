import type { ContainerId } from '../../../base/index.ts';
import type { ComputerLayout, ComputerRequest } from '../contract.ts';

const MIB = 1024 ** 2;

/** A computer of everything some, for tests. */
export function testRequest(changes: Partial<ComputerRequest> = {}): ComputerRequest {
  return {
    id: 'a0b1c2d3e4f5'.padEnd(64, '0') as ContainerId,
    directory: '/bundle',
    hardware: { model: 'q35', firmware: 'bios', allotment: { processors: 2, memory: 1024 * MIB } },
    disks: [
      { name: 'root', path: '/d/root.qcow2', backing: [{ path: '/images/a.qcow2', format: 'qcow2' }] },
      { name: 'data', path: '/d/data.qcow2', backing: [] },
    ],
    media: [
      { name: 'iso', path: '/isos/a,b.iso', kind: 'cdrom' },
      { name: 'seed', path: '/d/seed.iso', kind: 'disk' },
    ],
    variables: '/d/variables.fd',
    network: { namespace: '/ns', interfaces: ['eth0'] },
    cards: [testCard('02:42:0a:00:00:02')],
    controlGroups: [],
    resume: undefined,
    ...changes,
  };
}

export function testCard(macAddress: string): ComputerRequest['cards'][number] {
  return { macAddress, mtu: 1500, address: '10.0.0.2', prefixLength: 16, gateway: '10.0.0.1', search: [] };
}

export const testGround = {
  hypervisor: '7.2.22',
  accelerator: 'tcg',
  host: { processors: 4, memory: 8192 * MIB },
} as const satisfies { accelerator: ComputerLayout['accelerator'] } & Record<string, unknown>;
