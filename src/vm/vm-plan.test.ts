import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { decodeFields } from '../base/index.ts';
import * as plan from './vm-plan.ts';

const header = readFileSync(join(import.meta.dirname, '../../native/common/vm-plan.h'), 'utf8');

/** The values of the C header's names that begin with a prefix, the names as TypeScript writes them. */
function valuesInC(prefix: string): Record<string, number> {
  const entries = [...header.matchAll(new RegExp(`\\b${prefix}_(\\w+) = (0x[0-9a-f]+|\\d+)`, 'g'))];
  return Object.fromEntries(entries.map(([, name = '', value]) => [camelCase(name), Number(value)]));
}

function camelCase(name: string): string {
  return name.toLowerCase().replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
}

/** A payload as tags and texts, so that a test can read it. */
function texts(payload: Buffer): [number, string][] {
  return decodeFields(payload).map(({ tag, value }) => [tag, value.toString()]);
}

const machine: plan.VmMachine = {
  program: '/usr/bin/qemu-system-x86_64',
  args: ['-m', '512'],
  files: [{ hostPath: '/data/disk', name: '/disk', writable: true, idmap: true }],
  script: [
    { command: { execute: 'qmp_capabilities' } },
    { event: 'MIGRATION', words: ['"status": "completed"'] },
    { command: { execute: 'cont' } },
  ],
  state: '/template/state',
  templateMemory: '/memory',
  fileSizeLimit: 0,
  bootTimeout: 30_000,
};

describe("a machine's plan", () => {
  test.each([
    { prefix: 'VM_PLAN', values: plan.vmPlanTag },
    { prefix: 'VM_MACHINE', values: plan.vmMachineTag },
    { prefix: 'VM_FILE', values: plan.vmFileTag },
    { prefix: 'VM_AWAIT', values: plan.vmAwaitTag },
    { prefix: 'VM_CGROUP', values: plan.vmCgroupTag },
    { prefix: 'VM_SETTING', values: plan.vmSettingTag },
    { prefix: 'VM_CONTROL', values: plan.vmControl },
    { prefix: 'VM_STATE', values: plan.vmStateTag },
    { prefix: 'VM_LEASE', values: plan.vmLeaseTag },
  ])('has the same $prefix values in C', ({ prefix, values }) => {
    expect(valuesInC(prefix)).toEqual(values);
  });

  test.each([
    ['VM_PLAN_FILE', JSON.stringify(plan.VM_PLAN_FILE)],
    ['VM_CONTROL_SOCKET', JSON.stringify(plan.VM_CONTROL_SOCKET)],
    ['VM_OUT_OF_MEMORY_FILE', JSON.stringify(plan.VM_OUT_OF_MEMORY_FILE)],
    ['VM_AGENT_DESCRIPTOR', plan.VM_AGENT_DESCRIPTOR],
    ['VM_QMP_DESCRIPTOR', plan.VM_QMP_DESCRIPTOR],
    ['VM_STATE_DESCRIPTOR', plan.VM_STATE_DESCRIPTOR],
    ['VM_GUEST_AGENT_DESCRIPTOR', plan.VM_GUEST_AGENT_DESCRIPTOR],
    ['VM_FILE_SERVER_DESCRIPTOR', plan.VM_FILE_SERVER_DESCRIPTOR],
    ['VM_TAP_DESCRIPTOR', plan.VM_TAP_DESCRIPTOR],
  ])('has the same %s in C', (name, value) => {
    expect(new RegExp(`#define ${name} (\\S+)`).exec(header)?.[1]).toBe(String(value));
  });

  test('is written with every field, commands and events in their order', () => {
    const bytes = plan.encodeVmPlan({
      machines: [
        machine,
        { ...machine, state: undefined, templateMemory: undefined, fileSizeLimit: undefined },
      ],
      uidBase: 2_000_000,
      network: { namespace: '/proc/1/fd/9', interfaces: ['eth0', 'eth1'] },
      cgroups: [{ folder: '/sys/fs/cgroup/x', settings: [{ file: 'pids.max', value: '99' }] }],
      setup: Buffer.from('setup'),
      process: Buffer.from('process'),
    });

    const fields = decodeFields(bytes);
    expect(fields.map(({ tag }) => tag)).toEqual([1, 1, 2, 3, 4, 4, 5, 6, 7]);
    const [warm, cold] = fields.slice(0, 2).map(({ value }) => texts(value));
    expect(warm?.map(([tag]) => tag)).toEqual([1, 2, 2, 3, 4, 5, 4, 6, 7, 11, 8]);
    expect(warm?.[4]).toEqual([plan.vmMachineTag.qmp, '{"execute":"qmp_capabilities"}']);
    expect(cold?.map(([tag]) => tag)).toEqual([1, 2, 2, 3, 4, 5, 4, 8]);
    const awaited = decodeFields(fields[0]?.value ?? Buffer.of())[5]?.value ?? Buffer.of();
    expect(texts(awaited)).toEqual([
      [plan.vmAwaitTag.event, 'MIGRATION'],
      [plan.vmAwaitTag.word, '"status": "completed"'],
    ]);
  });

  test('is a computer without set-up and process, whose cards are told their addresses', () => {
    const lease: plan.VmLease = {
      interface: 'eth0',
      macAddress: '02:42:0a:00:00:02',
      address: '10.0.0.2/16',
      router: '10.0.0.1',
      server: '10.0.0.1',
      serverMacAddress: '02:42:0a:00:00:01',
      hostname: 'one',
      search: ['shop', 'example.org'],
    };
    const bytes = plan.encodeVmPlan({
      machines: [machine],
      uidBase: 1,
      network: {
        namespace: '/proc/1/fd/9',
        interfaces: ['eth0'],
        leases: [
          lease,
          { ...lease, router: undefined, serverMacAddress: undefined, hostname: undefined, search: [] },
        ],
      },
      cgroups: [],
    });

    const fields = decodeFields(bytes);
    expect(fields.map(({ tag }) => tag)).toEqual([1, 2, 3, 4, 8, 8]);
    const [whole, least] = fields.slice(-2).map(({ value }) => texts(value));
    expect(whole).toEqual([
      [plan.vmLeaseTag.interface, 'eth0'],
      [plan.vmLeaseTag.mac, '02:42:0a:00:00:02'],
      [plan.vmLeaseTag.address, '10.0.0.2/16'],
      [plan.vmLeaseTag.router, '10.0.0.1'],
      [plan.vmLeaseTag.server, '10.0.0.1'],
      [plan.vmLeaseTag.serverMac, '02:42:0a:00:00:01'],
      [plan.vmLeaseTag.hostname, 'one'],
      [plan.vmLeaseTag.search, 'shop'],
      [plan.vmLeaseTag.search, 'example.org'],
    ]);
    expect(least?.map(([tag]) => tag)).toEqual([1, 2, 3, 5]);
  });

  test('has a file server as a program of its own', () => {
    const fileServer = { program: '/usr/lib/qemu/virtiofsd', args: ['--fd=3'], files: [] };
    const bytes = plan.encodeVmPlan({
      machines: [{ ...machine, fileServer }],
      uidBase: 1,
      network: undefined,
      cgroups: [],
      setup: Buffer.of(),
      process: Buffer.of(),
    });
    const fields = decodeFields(decodeFields(bytes)[0]?.value ?? Buffer.of());
    const server = fields.find(({ tag }) => tag === plan.vmMachineTag.fileServer)?.value ?? Buffer.of();
    expect(texts(server)).toEqual([
      [plan.vmMachineTag.program, '/usr/lib/qemu/virtiofsd'],
      [plan.vmMachineTag.argument, '--fd=3'],
    ]);
  });

  test('leaves out what a machine has not', () => {
    const bytes = plan.encodeVmPlan({
      machines: [{ ...machine, files: [{ hostPath: '/kernel', name: '/kernel' }], script: [] }],
      uidBase: 1,
      network: undefined,
      cgroups: [],
      setup: Buffer.of(),
      process: Buffer.of(),
    });

    const fields = decodeFields(bytes);
    expect(fields.map(({ tag }) => tag)).toEqual([1, 2, 6, 7]);
    const file = decodeFields(fields[0]?.value ?? Buffer.of())[3]?.value ?? Buffer.of();
    expect(texts(file)).toEqual([
      [plan.vmFileTag.hostPath, '/kernel'],
      [plan.vmFileTag.name, '/kernel'],
    ]);
  });
});
