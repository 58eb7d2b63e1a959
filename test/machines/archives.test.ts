import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runChecked } from '../../src/base/index.ts';
import { TinyMachines } from './tiny-machines.ts';

let machines: TinyMachines;
let file: string;
beforeAll(async () => {
  machines = await TinyMachines.start();
  file = join(dirname(machines.instance.dataRoot), 'one.tar');
});
afterAll(() => machines[Symbol.asyncDispose]());

const berth = (...args: readonly string[]) => machines.berth(...args);
const refusal = (...args: readonly string[]) => machines.refusal(...args);

test('a machine is exported as one file, which makes a machine that boots when the first one and its image are gone', async () => {
  await machines.run('one', '-m', '256m', '--cpus', '1', '--disk', 'data:64m', '--label', 'a=b');
  expect(await refusal('export', '-o', file, 'one')).toContain('has to be stopped to be exported');
  await berth('kill', 'one');
  await berth('export', '-o', file, 'one');
  await berth('rm', 'one');
  await berth('prune', '--force');

  expect(await berth('import', '--network', 'none', file, 'two')).toBe('two');
  const { Labels, Disks, Hardware } = await machines.client.machines.inspect('two');
  expect({ Labels, Disks, Hardware }).toMatchObject({
    Labels: { a: 'b' },
    Disks: [
      { Name: 'root', Size: 8 * 1024 ** 3 },
      { Name: 'data', Size: 64 * 1024 ** 2 },
    ],
    Hardware: { Cpus: 1, Memory: 256 * 1024 ** 2, Model: 'q35', Firmware: 'bios' },
  });
  await using console = await machines.console('two');
  await berth('start', 'two');
  await console.shows('up');
  expect(await refusal('import', file, 'two')).toContain('the name two is taken');
  expect(await readdir(join(machines.instance.dataRoot, 'tmp'))).toEqual([]);
});

test('an archive that is damaged makes no machine, and nothing of it is left', async () => {
  const whole = await readFile(file);
  const broken = `${file}.broken`;
  await writeFile(broken, whole.subarray(0, whole.length - 20_000));
  expect(await refusal('import', broken, 'three')).toMatch(/the archive is|instead of/);
  await writeFile(broken, 'no tar at all'.padEnd(2048));
  expect(await refusal('import', broken, 'three')).toContain('the archive is no tar');
  expect(await readdir(join(machines.instance.dataRoot, 'tmp'))).toEqual([]);
  expect(await refusal('inspect', 'three')).toContain('there is no machine three');
});

test.each([
  ['model', 'mainframe', 'its model'],
  ['memory', -1, 'its memory'],
  ['labels', { a: 1 }, 'a label'],
  ['firstBoot', { sshKeys: 'key', packages: [], run: [] }, 'its keys'],
])('an archive whose machine has the %s %j is refused', async (member, value, words) => {
  const folder = `${file}.${member}`;
  await mkdir(folder);
  await runChecked('tar', ['-xf', file, '-C', folder]);
  const index = JSON.parse(await readFile(join(folder, 'machine.json'), 'utf8'));
  index.description[member] = value;
  await writeFile(join(folder, 'machine.json'), JSON.stringify(index));
  const disks = ['disks/root.qcow2', 'disks/data.qcow2'];
  await runChecked('tar', ['-cf', `${folder}.tar`, '-C', folder, 'machine.json', ...disks]);
  expect(await refusal('import', `${folder}.tar`, 'four')).toContain(
    `the archive does not say what a machine needs: ${words} is missing or wrong`,
  );
});
