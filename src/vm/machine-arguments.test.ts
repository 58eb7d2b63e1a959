import { expect, test } from 'vitest';
import {
  bootSteps,
  cardAddress,
  type MachineOrigin,
  type MachineShape,
  machineArguments,
  restoreSteps,
  type ShareDevice,
} from './machine-arguments.ts';

const shape: MachineShape = {
  architecture: 'amd64',
  accelerator: 'tcg',
  processors: 2,
  memory: 256 * 1024 ** 2,
  cards: 2,
};
const boot = { kernel: '/kernel', initramfs: '/initramfs', counterKilohertz: 2_600_000 };
const cold: MachineOrigin = { kind: 'cold', boot, shares: undefined };
const shares: ShareDevice = { kind: '9p', folder: '/shares' };
const served: ShareDevice = { kind: 'virtiofs', folder: '/shares' };
const template: MachineOrigin = { kind: 'template', boot, memoryFile: '/memory' };
const warm: MachineOrigin = { kind: 'warm', memoryFile: '/memory' };

/** The values of an option, in order. */
function valuesOf(option: string, origin: MachineOrigin, of = shape, by = shares): string[] {
  const args = machineArguments(of, origin, by);
  return args.filter((_, index) => args[index - 1] === option);
}

test('a template and its clones have the same devices in the same order', () => {
  const devices = valuesOf('-device', template);
  expect(valuesOf('-device', warm)).toEqual(devices);
  expect(devices).toContain('virtio-balloon-device,free-page-reporting=on');
  expect(devices.filter((device) => device.startsWith('virtio-net-device'))).toEqual([
    'virtio-net-device,netdev=net0,mac=52:54:00:00:00:00',
    'virtio-net-device,netdev=net1,mac=52:54:00:00:00:01',
  ]);
  for (const option of ['-M', '-smp', '-m', '-cpu', '-accel', '-global', '-fsdev', '-chardev', '-blockdev']) {
    expect(valuesOf(option, warm)).toEqual(valuesOf(option, template));
  }
});

test("a clone's memory is its own, a template's is the file's", () => {
  expect(valuesOf('-object', template)).toEqual([
    'memory-backend-file,id=ram,size=268435456,mem-path=/memory,share=on',
  ]);
  expect(valuesOf('-object', warm)).toEqual([
    'memory-backend-file,id=ram,size=268435456,mem-path=/memory,share=off',
  ]);
});

test("a clone's cards are joined to the machine's interfaces, a template's to nothing", () => {
  expect(valuesOf('-netdev', warm)).toEqual(['tap,fd=10,id=net0', 'tap,fd=11,id=net1']);
  expect(valuesOf('-netdev', template)).toEqual(['hubport,hubid=0,id=net0', 'hubport,hubid=1,id=net1']);
});

test('only what boots has a kernel, which is told how fast its counter runs', () => {
  expect(valuesOf('-kernel', cold)).toEqual(['/kernel']);
  expect(valuesOf('-append', cold)[0]).toContain('tsc_early_khz=2600000 tsc=reliable');
  const unmeasured: MachineOrigin = { ...cold, boot: { ...boot, counterKilohertz: undefined } };
  expect(valuesOf('-append', unmeasured)[0]).not.toContain('tsc');
  expect(valuesOf('-kernel', warm)).toEqual([]);
  expect(valuesOf('-incoming', warm)).toEqual(['defer']);
});

test('every machine is confined by the sandbox and reads no configuration of the host', () => {
  for (const origin of [cold, template, warm]) {
    expect(valuesOf('-sandbox', origin)).toEqual([
      'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny',
    ]);
    const args = machineArguments(shape, origin, shares);
    expect(args).toEqual(expect.arrayContaining(['-nodefaults', '-no-user-config', '-no-reboot']));
  }
});

test('emulation keeps no more translated code than there is room for beside the memory', () => {
  expect(valuesOf('-accel', warm)).toEqual(['tcg,thread=multi,tb-size=128']);
});

test('KVM has the processor of the host', () => {
  const kvm: MachineShape = { ...shape, accelerator: 'kvm' };
  expect(valuesOf('-accel', cold, kvm)).toEqual(['kvm']);
  expect(valuesOf('-cpu', cold, kvm)).toEqual(['host']);
});

test('emulation does not claim that bytes are copied fastest one by one', () => {
  expect(valuesOf('-cpu', cold)).toEqual(['max,-erms,-fsrm']);
});

test('an arm64 guest has its own machine, processor and console, and none of the words of x86', () => {
  const arm64: MachineShape = { ...shape, architecture: 'arm64' };
  expect(valuesOf('-M', cold, arm64)).toEqual(['virt,gic-version=3,memory-backend=ram']);
  expect(valuesOf('-cpu', cold, arm64)).toEqual(['max,pauth=off']);
  const unmeasured: MachineOrigin = { ...cold, boot: { ...boot, counterKilohertz: undefined } };
  const [words = ''] = valuesOf('-append', unmeasured, arm64);
  expect(words).toContain('console=ttyAMA0');
  expect(words).not.toMatch(/tsc|no_timer_check|noreplace-smp|reboot=/);
  expect(valuesOf('-device', cold, arm64)).toEqual(valuesOf('-device', cold));
  expect(valuesOf('-M', cold, { ...arm64, accelerator: 'kvm' })).toEqual([
    'virt,gic-version=host,memory-backend=ram',
  ]);
});

test('a comma in a path is no end of it', () => {
  const [memory] = valuesOf('-object', { kind: 'warm', memoryFile: '/a,b' });
  expect(memory).toContain('mem-path=/a,,b,share=off');
});

test('disks come before the guest runs, and after its state is there', () => {
  const disks = { layers: '/disks/layers.vmdk', writable: '/disks/writable' };
  expect(names(bootSteps(disks))).toEqual([
    'qmp_capabilities',
    ...['blockdev-add', 'qom-set', 'blockdev-add', 'qom-set'],
    'cont',
  ]);
  expect(names(restoreSteps(disks, '9p'))).toEqual([
    'qmp_capabilities',
    'migrate-set-capabilities',
    'migrate-incoming',
    'MIGRATION',
    ...['blockdev-add', 'qom-set', 'blockdev-add', 'qom-set'],
    'cont',
  ]);
  expect(names(bootSteps({ layers: undefined, writable: undefined }))).toEqual(['qmp_capabilities', 'cont']);
});

test('the disk of the layers cannot be written, the other one gives back what is deleted', () => {
  const steps = bootSteps({ layers: '/disks/layers.vmdk', writable: '/disks/writable' });
  const text = steps.map((step) => JSON.stringify(step)).join('\n');
  expect(text).toContain('"driver":"vmdk","read-only":true');
  expect(text).toContain('"driver":"raw","discard":"unmap"');
});

test('each card has an address of its own', () => {
  expect([0, 1, 255].map(cardAddress)).toEqual([
    '52:54:00:00:00:00',
    '52:54:00:00:00:01',
    '52:54:00:00:00:ff',
  ]);
});

function names(steps: ReturnType<typeof bootSteps>): string[] {
  return steps.map((step) => ('command' in step ? step.command.execute : step.event));
}

test('a guest loads the modules of what it shares folders by, a template those of 9p', () => {
  const words = (origin: MachineOrigin) => valuesOf('-append', origin)[0]?.split(' ');
  expect(words(cold)?.some((word) => word.startsWith('BERTH_'))).toBe(false);
  expect(words({ kind: 'cold', boot, shares: 'virtiofs' })).toContain('BERTH_SHARES=virtiofs');
  expect(words(template)).toContain('BERTH_SHARES=any');
});

test('folders that a server shares by virtiofs are none of QEMU, whose memory the server has, too', () => {
  const origin: MachineOrigin = { kind: 'cold', boot, shares: 'virtiofs' };
  expect(valuesOf('-object', origin, shape, served)).toEqual([
    'memory-backend-memfd,id=ram,size=268435456,share=on',
  ]);
  expect(valuesOf('-chardev', origin, shape, served)).toContain('socket,id=shares-server,fd=7');
  expect(valuesOf('-fsdev', origin, shape, served)).toEqual([]);
});

test('from a template, too: the copied memory is shared, and the device takes the place of the one that the template has', () => {
  expect(valuesOf('-object', warm, shape, served)).toEqual([
    'memory-backend-file,mem-path=/proc/self/fd/8,id=ram,size=268435456,share=on',
  ]);
  expect(valuesOf('-device', warm, shape, served)).toEqual(valuesOf('-device', template));
  const disks = { layers: undefined, writable: undefined };
  expect(names(restoreSteps(disks, 'virtiofs'))).toEqual([
    ...['qmp_capabilities', 'migrate-set-capabilities', 'migrate-incoming', 'MIGRATION'],
    ...['qom-set', 'device_del', 'device_add', 'cont'],
  ]);
});
