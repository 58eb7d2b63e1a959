import { expect, test } from 'vitest';
import { beginSteps, type ComputerFiles, computerArguments, guestUuid } from './arguments.ts';
import type { ComputerRequest, Hardware } from './contract.ts';
import { layoutOf } from './layout.ts';
import { testGround, testRequest } from './testing/requests.ts';

const flash = { code: '/firmware/code', variables: '/firmware/variables' };

function argumentsOf(changes: Partial<Hardware> = {}, files: Partial<ComputerFiles> = {}): string[] {
  const request = testRequest({ hardware: { ...testRequest().hardware, ...changes } });
  return argumentsFor(request, files);
}

function argumentsFor(request: ComputerRequest, files: Partial<ComputerFiles> = {}): string[] {
  const { disks, media } = request;
  const all = { disks, media, flash: undefined, ...files };
  return computerArguments(layoutOf(request, testGround), all, 'UUID', 'boot');
}

function valuesOf(option: string, args: readonly string[]): string[] {
  return args.filter((_, index) => args[index - 1] === option);
}

function nodesOf(args: readonly string[]): unknown[] {
  return valuesOf('-blockdev', args).map((node): unknown => JSON.parse(node));
}

test('a disk is opened with all that is behind it, each file with its format', () => {
  const [root, data] = nodesOf(argumentsOf());
  expect(root).toEqual({
    'node-name': 'disk-root',
    driver: 'qcow2',
    discard: 'unmap',
    file: { driver: 'file', filename: '/d/root.qcow2' },
    backing: {
      driver: 'qcow2',
      file: { driver: 'file', filename: '/images/a.qcow2' },
      backing: null,
    },
  });
  expect(data).toMatchObject({ 'node-name': 'disk-data', backing: null });
});

test('media are raw files that are only read', () => {
  expect(nodesOf(argumentsOf()).slice(2)).toEqual([
    {
      'node-name': 'medium-seed',
      driver: 'raw',
      'read-only': true,
      file: { driver: 'file', filename: '/d/seed.iso' },
    },
    {
      'node-name': 'medium-iso',
      driver: 'raw',
      'read-only': true,
      file: { driver: 'file', filename: '/isos/a,b.iso' },
    },
  ]);
});

test('a disk has its name as serial number, and disks are booted before media', () => {
  const devices = valuesOf('-device', argumentsOf());
  expect(devices.filter((device) => device.includes('bootindex'))).toEqual([
    'virtio-blk-pci,id=disk-root,drive=disk-root,serial=root,bus=port8,bootindex=0',
    'virtio-blk-pci,id=disk-data,drive=disk-data,serial=data,bus=port9,bootindex=1',
    'virtio-blk-pci,id=medium-seed,drive=medium-seed,serial=seed,bus=port24,bootindex=2',
    'ide-cd,id=medium-iso,drive=medium-iso,bus=ide.0,bootindex=3',
  ]);
});

test('a card has the address and the MTU of its interface, and its tap device', () => {
  const args = argumentsOf();
  expect(valuesOf('-netdev', args)).toEqual(['tap,fd=10,id=card-02420a000002-end']);
  expect(valuesOf('-device', args)).toContain(
    'virtio-net-pci,id=card-02420a000002,netdev=card-02420a000002-end,mac=02:42:0a:00:00:02,host_mtu=1500,romfile=,bus=port0',
  );
});

test('processors and memory have room to grow', () => {
  const args = argumentsOf();
  expect(valuesOf('-smp', args)).toEqual(['1,maxcpus=4,sockets=1,cores=4,threads=1']);
  expect(valuesOf('-m', args)).toEqual(['1024M,maxmem=8192M']);
  expect(valuesOf('-device', args)).toEqual(
    expect.arrayContaining([
      'max-x86_64-cpu,id=cpu1,socket-id=0,core-id=1,thread-id=0',
      'virtio-mem-pci,id=more-memory,memdev=more,requested-size=0',
    ]),
  );
});

test('a microvm has transports in the place of PCI, and what it starts with', () => {
  const args = argumentsOf({ model: 'microvm' });
  expect(valuesOf('-smp', args)).toEqual(['2,sockets=1,cores=2,threads=1']);
  expect(valuesOf('-m', args)).toEqual(['1024M']);
  expect(args.filter((word) => word.includes('-pci') || word.includes('ide-'))).toEqual([]);
  expect(valuesOf('-device', args)).toEqual(
    expect.arrayContaining([
      'virtio-blk-device,id=disk-root,drive=disk-root,serial=root,bus=virtio-mmio-bus.4,bootindex=0',
      'scsi-cd,id=medium-iso,drive=medium-iso,lun=0,bootindex=3',
    ]),
  );
});

test('UEFI is flash memory of two files, of which the guest writes one', () => {
  const args = argumentsOf({ firmware: 'uefi' }, { flash });
  expect(valuesOf('-M', args)).toEqual(['q35,graphics=off,pflash0=firmware,pflash1=variables']);
  expect(nodesOf(args).slice(0, 2)).toEqual([
    expect.objectContaining({ 'node-name': 'firmware', 'read-only': true }),
    expect.not.objectContaining({ 'read-only': true }),
  ]);
});

test('what goes on from a snapshot has the arguments of what boots, but for its beginning', () => {
  const request = testRequest();
  const layout = layoutOf(request, testGround);
  const files = { disks: request.disks, media: request.media, flash: undefined };
  const [boot, resume] = (['boot', 'resume'] as const).map((begin) => {
    return computerArguments(layout, files, 'UUID', begin);
  });
  expect(resume?.filter((word) => word !== '-incoming' && word !== 'defer')).toEqual(
    boot?.filter((word) => word !== '-S'),
  );
});

test.each(['q35', 'pc', 'microvm'] as const)('%s is confined and reads no configuration', (model) => {
  const args = argumentsOf({ model });
  expect(args).toEqual(expect.arrayContaining(['-nodefaults', '-no-user-config', '-S']));
  expect(args).not.toContain('-no-reboot');
  expect(valuesOf('-sandbox', args)).toEqual([
    'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny',
  ]);
});

test('a guest runs after its state is there', () => {
  const names = (begin: 'boot' | 'resume') =>
    beginSteps(begin).map((step) => ('command' in step ? step.command.execute : step.event));
  expect(names('boot')).toEqual(['qmp_capabilities', 'cont']);
  expect(names('resume')).toEqual([
    'qmp_capabilities',
    'migrate-set-capabilities',
    'migrate-incoming',
    'MIGRATION',
    'cont',
  ]);
});

test('a guest has a UUID that follows from its id', () => {
  expect(guestUuid('0123456789abcdef'.repeat(4))).toBe('01234567-89ab-4def-8123-456789abcdef');
});
