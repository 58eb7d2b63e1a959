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

test('what a machine has beside its disks goes along, and what does not fit where it is imported is named', async () => {
  for (const network of ['lab', 'gone']) await machines.instance.berthOk(['network', 'create', network]);
  await berth(
    ...['create', '--from', machines.image, '--format', 'raw', '--network', 'name=lab,alias=db'],
    ...['--network', 'gone', '-p', '18080:80', '-p', '18081:81', '--label', 'a=b', '--health', 'tcp://:22'],
    ...['--restart', 'on-failure:3', '--stop-timeout', '7', 'whole'],
  );
  await berth('snapshot', 'create', 'whole', 'before');
  const carried = `${file}.carried`;
  const { stderr } = await machines.instance.berth(['vm', 'export', '-o', carried, 'whole']);
  expect(stderr).toBe('WARNING: its snapshots are left out: before\n');
  await berth('rm', 'whole');
  await machines.instance.berthOk(['network', 'rm', 'gone']);
  await berth('create', '--from', machines.image, '--format', 'raw', '-p', '127.0.0.1:18081:81', 'other');

  const imported = await machines.instance.berth(['vm', 'import', carried, 'again']);
  expect(imported).toMatchObject({
    code: 0,
    stderr: `WARNING: it is not on the network gone: there is none here
WARNING: its port 81/tcp is not published as 18081 of the host: other publishes there
`,
  });
  const again = await machines.client.machines.inspect('again');
  expect(again).toMatchObject({
    Labels: { a: 'b' },
    RestartPolicy: { Name: 'on-failure', MaximumRetryCount: 3 },
    Healthcheck: { Test: ['CMD', 'tcp://:22'] },
    StopTimeout: 7,
    Networks: { lab: { Aliases: expect.arrayContaining(['db']) } },
  });
  expect(Object.keys(again.Networks)).toEqual(['lab']);
  await berth('start', 'again');
  const { Ports } = await machines.client.machines.inspect('again');
  expect(Ports.map(({ PublicPort }) => PublicPort)).toContain(18_080);
  expect(Ports.map(({ PublicPort }) => PublicPort)).not.toContain(18_081);
  await berth('kill', 'again');
  await machines.instance.berthOk(['network', 'disconnect', 'lab', 'again']);
  await machines.instance.berthOk(['network', 'rm', 'lab']);

  const alone = await machines.instance.berth(['vm', 'import', '--network', 'none', carried, 'alone']);
  expect(alone.stderr).toContain(
    'its port 80/tcp is not published as 18080 of the host: the machine has no network',
  );
  const lost = await machines.instance.berth(['vm', 'import', carried, 'lost']);
  expect(lost.stderr).toContain('it is on the default network, as none of its own is here');
  expect(Object.keys((await machines.client.machines.inspect('lost')).Networks)).toEqual(['bridge']);
  await berth('rm', 'again', 'alone', 'lost', 'other');
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
  ['networks', [{ name: 1, aliases: [] }], 'the name of a network'],
  ['ports', [{ protocol: 'icmp', containerPort: 80, hostPort: 80, hostIp: '' }], 'the protocol of a port'],
  ['restart', { name: 'sometimes' }, 'its restart policy'],
  ['healthcheck', { test: ['CMD', 'tcp://:22'], interval: '1s' }, 'the interval of its health check'],
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
