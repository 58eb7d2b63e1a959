import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TinyMachines } from './tiny-machines.ts';

let machines: TinyMachines;
let folder: string;
beforeAll(async () => {
  machines = await TinyMachines.start();
  folder = await mkdtemp(join(tmpdir(), 'compose-machines-'));
  await copyFile(machines.image, join(folder, 'tiny.raw'));
  await machines.instance.berthOk(['pull', '-q', 'busybox:latest']);
});
afterAll(async () => {
  await machines[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

const compose = (...args: readonly string[]) =>
  machines.instance.berthOk(['compose', '-p', 'app', ...args], { cwd: folder });

async function describeProject(machine: string): Promise<void> {
  const text = `
services:
  web:
    image: busybox
    command: sleep 1000
    init: true
    depends_on: [os]
  os:
    x-berth:
      machine: ${machine}
    stop_grace_period: 0s
`;
  await writeFile(join(folder, 'compose.yaml'), text);
}

const states = async () =>
  Object.fromEntries(
    (await machines.client.machines.list({ all: true })).map(({ Name, State }) => [Name, State]),
  );

test('a machine is a service beside containers, from up to down', async () => {
  await describeProject('{ from: ./tiny.raw, memory: 128m, disks: { data: 1g } }');
  await compose('up', '-d');
  const { Hardware, Disks, Networks } = await machines.client.machines.inspect('app-os-1');
  expect(Hardware).toMatchObject({ Cpus: 1, Memory: 128 * 1024 ** 2 });
  expect(Disks.map(({ Name, Size }) => [Name, Size])).toEqual([
    ['root', 8 * 1024 ** 3],
    ['data', 1024 ** 3],
  ]);
  expect(Object.keys(Networks)).toEqual(['app_default']);
  expect((await compose('ps', '--format', '{{.Name}} {{.Service}} {{.State}}')).split('\n').sort()).toEqual([
    'app-os-1 os running',
    'app-web-1 web running',
  ]);
  await machines.logs('app-os-1', /up/);
  expect(await compose('logs', 'os')).toMatch(/os-1 +\| .*up/s);
  await compose('pause');
  expect((await compose('ps', '--format', '{{.Name}} {{.State}}')).split('\n').sort()).toEqual([
    'app-os-1 paused',
    'app-web-1 paused',
  ]);
  await compose('unpause', 'os');
  expect((await compose('ps', '--format', '{{.Name}} {{.State}}')).split('\n').sort()).toEqual([
    'app-os-1 running',
    'app-web-1 paused',
  ]);
  await compose('unpause');
  await compose('stop', 'os');
  expect(await states()).toEqual({ 'app-os-1': 'exited' });
  await compose('start', 'os');
  expect(await states()).toEqual({ 'app-os-1': 'running' });
  await compose('up', '-d'); // nothing changes
  await describeProject('{ from: ./tiny.raw, memory: 256m }');
  const { stderr } = await machines.instance.berth(['compose', '-p', 'app', 'up', '-d'], { cwd: folder });
  expect(stderr).toContain('the machine app-os-1 stays as it is');
  await compose('down');
  expect(await states()).toEqual({});
  expect(await machines.instance.berthOk(['network', 'ls', '-q', '--filter', 'name=app_default'])).toBe('');
});

test('what is wrong with a machine is said with its line, and nothing is made', async () => {
  await describeProject('{ from: ./tiny.raw, memroy: 128m }');
  const { code, stderr } = await machines.instance.berth(['compose', '-p', 'app', 'up', '-d'], {
    cwd: folder,
  });
  expect([code, stderr]).toEqual([
    expect.any(Number),
    expect.stringMatching(/compose\.yaml:10.*additional properties 'memroy' not allowed/s),
  ]);
  expect(code).not.toBe(0);
  expect(await states()).toEqual({});
});
