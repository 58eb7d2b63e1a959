import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import type { HostOptions } from '../container.ts';
import { refuseContainerOptions, refuseUnsharable, requireArchitecture } from './refuse.ts';

const resources = {
  memory: 0,
  memorySwap: 0,
  memoryReservation: 0,
  nanoCpus: 0,
  cpuShares: 0,
  cpuPeriod: 0,
  cpuQuota: 0,
  cpusetCpus: '',
  cpusetMems: '',
  pidsLimit: 0,
  blkioWeight: 0,
};
const plain: HostOptions = {
  mounts: [],
  volumesFrom: [],
  networkMode: 'default',
  ports: [],
  publishAllPorts: false,
  autoRemove: false,
  restart: { name: 'no' },
  privileged: false,
  readonlyRootfs: false,
  capAdd: [],
  capDrop: [],
  securityOpt: [],
  groupAdd: [],
  tmpfs: {},
  shmSize: 0,
  resources,
  ulimits: [],
  sysctls: {},
  devices: [],
  extraHosts: [],
  dns: [],
  dnsSearch: [],
  dnsOptions: [],
  pidMode: '',
  ipcMode: 'private',
  utsMode: '',
  log: { driver: 'json-file', options: {} },
  runtime: undefined,
  isolation: 'vm',
  oomScoreAdj: 0,
  init: undefined,
};

describe('a virtual machine', () => {
  it('may have what has a meaning in a kernel of its own', () => {
    const options = {
      capAdd: ['ALL'],
      securityOpt: ['no-new-privileges', 'seccomp=unconfined'],
      sysctls: { 'kernel.panic': '1' },
      resources: { ...resources, memory: 1, memorySwap: 2, cpuShares: 2, cpusetCpus: '0', pidsLimit: 9 },
      networkMode: 'none',
    };
    expect(() => refuseContainerOptions({ ...plain, ...options })).not.toThrow();
  });

  const limits = (change: Partial<typeof resources> & object) => ({ resources: { ...resources, ...change } });
  it.each<[string, Partial<HostOptions>]>([
    ['--privileged', { privileged: true }],
    ['--pid host', { pidMode: 'host' }],
    ['--pid container:x', { pidMode: 'container:x' }],
    ['--ipc host', { ipcMode: 'host' }],
    ['--ipc shareable', { ipcMode: 'shareable' }],
    ['--uts host', { utsMode: 'host' }],
    ['--cgroupns host', { cgroupnsMode: 'host' }],
    ['--network host', { networkMode: 'host' }],
    ['--network container:x', { networkMode: 'container:x' }],
    ['--device /dev/fuse', { devices: [{ host: '/dev/fuse', container: '', access: 'rwm' }] }],
    ['--gpus', { deviceRequests: [{ driver: '', count: -1, deviceIds: [], capabilities: [] }] }],
    ['--device-cgroup-rule', { deviceRules: ['c 1:3 r'] }],
    ['--memory-swap', limits({ memory: 10, memorySwap: -1 })],
    ['--memory-reservation', limits({ memoryReservation: 10 })],
    ['--memory-swappiness', { resources: { ...resources, memorySwappiness: 60 } }],
    ['--oom-kill-disable', { resources: { ...resources, oomKillDisable: true } }],
    ['--oom-score-adj', { oomScoreAdj: 5 }],
    ['a seccomp profile', { securityOpt: ['seccomp={}'] }],
  ])('cannot have %s, and says why', (option, change) => {
    expect(() => refuseContainerOptions({ ...plain, ...change })).toThrow(
      `a virtual machine cannot have ${option}`,
    );
  });

  it('cannot share a socket of the host, nor what is mounted later', async () => {
    const folder = await mkdtemp('/tmp/berth-refuse-');
    const server = createServer();
    const { promise, resolve } = Promise.withResolvers<void>();
    server.listen(`${folder}/socket`, resolve);
    await promise;
    const mount = { type: 'bind', target: '/x', readOnly: false, propagation: 'rprivate' } as const;
    try {
      await expect(refuseUnsharable([{ ...mount, source: `${folder}/socket` }])).rejects.toThrow(
        `the socket ${folder}/socket cannot be shared with a virtual machine`,
      );
      await expect(refuseUnsharable([{ ...mount, source: '/dev/null' }])).rejects.toThrow(
        'the device /dev/null',
      );
      await expect(refuseUnsharable([{ ...mount, source: folder, propagation: 'rshared' }])).rejects.toThrow(
        'cannot be mounted rshared in a virtual machine',
      );
      await expect(refuseUnsharable([{ ...mount, source: folder, submounts: 'none' }])).rejects.toThrow(
        folder,
      );
      await refuseUnsharable([{ ...mount, source: folder }]);
    } finally {
      server.close();
      await rm(folder, { recursive: true });
    }
  });

  it('cannot run an image of an architecture that no machine has', () => {
    const possible = ['amd64', 'arm64'] as const;
    expect(() => requireArchitecture('debian', 's390x', possible)).toThrow(
      'the image debian is for s390x, and virtual machines here are amd64 or arm64',
    );
    expect(requireArchitecture('debian', 'arm64', possible)).toBe('arm64');
    expect(requireArchitecture('imported', '', possible)).toBe('amd64');
  });
});
