import { expect, test } from 'vitest';
import { configText } from './config-text.ts';
import { containerRequest } from './container-request.ts';
import { projectOf } from './testing/projects.ts';

const FILE = `
services:
  web:
    image: i
    annotations: {org.example: x}
    cpu_period: 50000
    cpu_quota: 20000
    mem_swappiness: 10
    device_cgroup_rules: ["c 1:11 rm"]
    gpus:
      - {driver: acme, count: 2}
      - {device_ids: ["0"], capabilities: [compute]}
    blkio_config:
      weight: 300
      weight_device: [{path: /dev/sda, weight: 400}]
      device_read_bps: [{path: /dev/sda, rate: 12mb}]
      device_write_iops: [{path: /dev/sda, rate: 100}]
    volumes:
      - {type: image, source: other, target: /img, image: {subpath: bin}}
      - {type: bind, source: /srv, target: /srv, read_only: true, bind: {recursive: writable}}
`;

const hostConfig = (text: string) => {
  const project = projectOf(text);
  const [service] = project.services;
  if (service === undefined) throw new Error('there is no service');
  const place = { name: 'app-web-1', image: 'i', labels: {}, inherited: [], containerOf: () => '' };
  return containerRequest(project, service, place).HostConfig;
};

test('what Compose says of limits, devices and mounts reaches the engine', () => {
  expect(hostConfig(FILE)).toMatchObject({
    Annotations: { 'org.example': 'x' },
    CpuPeriod: 50000,
    CpuQuota: 20000,
    MemorySwappiness: 10,
    DeviceCgroupRules: ['c 1:11 rm'],
    DeviceRequests: [
      { Driver: 'acme', Count: 2, DeviceIDs: [], Capabilities: [['gpu']] },
      { Driver: '', Count: 0, DeviceIDs: ['0'], Capabilities: [['gpu', 'compute']] },
    ],
    BlkioWeight: 300,
    BlkioWeightDevice: [{ Path: '/dev/sda', Weight: 400 }],
    BlkioDeviceReadBps: [{ Path: '/dev/sda', Rate: 12 * 1024 * 1024 }],
    BlkioDeviceWriteIOps: [{ Path: '/dev/sda', Rate: 100 }],
    Mounts: [
      { Type: 'image', Source: 'other', Target: '/img', ImageOptions: { Subpath: 'bin' } },
      { Type: 'bind', Source: '/srv', ReadOnly: true, BindOptions: { ReadOnlyNonRecursive: true } },
    ],
  });
});

test('gpus: all asks for every one', () => {
  expect(hostConfig('services: {web: {image: i, gpus: all}}\n')?.DeviceRequests).toEqual([
    { Driver: '', Count: -1, DeviceIDs: [], Capabilities: [['gpu']] },
  ]);
});

test.each([
  ['gpus: some', 'services.web.gpus must be "all" or a list, not "some"'],
  ['blkio_config: {device_read_bps: [{path: /dev/sda}]}', 'must have path and rate'],
  ['volumes: [{type: image, target: /x}]', 'source is missing'],
  [
    'volumes: [{type: bind, source: /a, target: /x, bind: {recursive: some}}]',
    'must be enabled, disabled, writable or readonly, not "some"',
  ],
])('what is wrong in %s is named', (line, message) => {
  expect(() => projectOf(`services:\n  web:\n    image: i\n    ${line}\n`)).toThrow(message);
});

test('and it is printed as it was written', () => {
  const text = configText(projectOf(FILE));
  expect(projectOf(text).services).toEqual(projectOf(FILE).services);
});
