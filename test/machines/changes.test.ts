import { totalmem } from 'node:os';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ComputerControl } from '../../src/vm/index.ts';
import { processorQuota } from '../vm/control-group-file.ts';
import { TinyMachines } from './tiny-machines.ts';

const MIB = 1024 ** 2;

let machines: TinyMachines;
beforeAll(async () => {
  machines = await TinyMachines.start();
});
afterAll(() => machines[Symbol.asyncDispose]());

const berth = (...args: readonly string[]) => machines.berth(...args);
const refusal = (...args: readonly string[]) => machines.refusal(...args);

/** The disks that a machine's QEMU has now, with their sizes in MiB. */
async function disksOf(name: string): Promise<Record<string, number>> {
  const { Id } = await machines.client.machines.inspect(name);
  const folder = `${machines.instance.execRoot}/runtime/${Id}`;
  const control = new ComputerControl(folder, 'berth-vm'); // the program is only needed to hand files over
  const nodes = (await control.execute('query-named-block-nodes', { flat: true })) as {
    'node-name': string;
    image: { 'virtual-size': number };
  }[];
  const disks = nodes.filter((node) => node['node-name'].startsWith('disk-'));
  return Object.fromEntries(
    disks.map((node) => [node['node-name'].slice(5), node.image['virtual-size'] / MIB]),
  );
}

describe('a machine that runs', () => {
  test('gets a disk and a larger one at once', async () => {
    await machines.run('changed', '-m', '128m', '--disk', 'data:64m');
    expect(await disksOf('changed')).toMatchObject({ data: 64 });
    expect(await berth('set', '--disk', 'data:96m', '--disk', 'more:32m', 'changed')).toBe(
      'the disk data of 96MiB: changed\nthe disk more of 32MiB: changed',
    );
    const changed = { data: 96, more: 32 };
    expect(await disksOf('changed')).toMatchObject(changed);
    expect(await machines.client.machines.inspect('changed')).toMatchObject({
      Disks: [{ Name: 'root' }, { Name: 'data', Size: 96 * MIB }, { Name: 'more', Size: 32 * MIB }],
    });
  });

  test('has its changed disks again when its restart policy starts it anew', async () => {
    await machines.run('again', '-m', '128m', '--disk', 'data:64m', '--restart', 'on-failure');
    await berth('set', '--disk', 'data:96m', '--disk', 'more:32m', 'again');
    const panic = async () => {
      await using console = await machines.console('again');
      console.type('x');
      await console.shows('its kernel panicked');
    };
    await panic();
    await machines.logs('again', /panicked.*up/s);
    expect(await disksOf('again')).toMatchObject({ data: 96, more: 32 });
    const status = async () => (await machines.client.machines.inspect('again')).State.Status;
    await expect.poll(status, { timeout: 60_000 }).toBe('running'); // its console is faster than its supervisor's word
    await berth('set', '--disk', 'last:16m', 'again');
    await panic();
    await machines.instance.killDaemon(); // whether or not its supervisor has started it again by then
    await machines.instance.startDaemon();
    await machines.logs('again', /(panicked.*up.*){2}/s);
    expect(await disksOf('again')).toMatchObject({ data: 96, more: 32, last: 16 });
    await berth('rm', '-f', 'again');
  });

  test('has as much of a processor as it is given, at once and when it begins again', async () => {
    await machines.run('fractions', '-m', '128m', '--restart', 'always');
    const quota = async () => {
      const { State } = await machines.client.machines.inspect('fractions');
      return processorQuota(State.Pid);
    };
    expect(await quota()).toBe('100000');
    expect(await berth('set', '--cpus', '0.5', 'fractions')).toBe('the time of 0.5 processors: changed');
    expect(await quota()).toBe('50000');
    const filters = { type: ['machine'], event: ['start'] };
    const starts = await machines.client.system.events({ filters });
    await using console = await machines.console('fractions');
    console.type('x'); // a panic
    for await (const { Actor } of starts) if (Actor.Attributes.name === 'fractions') break;
    expect(await quota()).toBe('50000');
    await berth('rm', '-f', 'fractions');
  });

  test('has more of its time where it cannot have more processors, and says which', async () => {
    await machines.run('places', '-m', '128m', '--machine', 'microvm');
    expect(await berth('set', '--cpus', '1.5', 'places')).toBe(
      `the time of 1.5 processors: changed
2 processors (it was started with places for 1): from the next start on (berth vm restart places)`,
    );
  });

  test('keeps for its next start what it cannot change, and says why', async () => {
    await machines.run('kept', '-m', '128m');
    expect(await berth('set', '--machine', 'pc', 'kept')).toBe(
      'the type pc (it is what the machine is): from the next start on (berth vm restart kept)',
    );
    expect(await machines.client.machines.inspect('kept')).toMatchObject({ Hardware: { Model: 'pc' } });
  });

  test('never gets a smaller disk', async () => {
    await machines.run('small', '-m', '128m', '--disk', 'data:64m');
    expect(await refusal('set', '--disk', 'data:32m', '--disk', 'new:32m', 'small')).toContain(
      'the disk data has 64MiB and cannot become smaller (32MiB)',
    );
    expect(Object.keys(await disksOf('small')).sort()).toEqual(['data', 'root']);
  });
});

test('memory that machines were promised is promised to no other, at a start and by a change', async () => {
  await machines.run('first', '-m', '128m');
  const almostAll = `${Math.floor(totalmem() / MIB) - 100}m`;
  await berth('create', '--from', machines.image, '--format', 'raw', '-m', almostAll, 'second');
  const numbers = /of memory finds no room: this host has .*iB, .*iB of it promised to \d+ that run/;
  expect(await refusal('start', 'second')).toMatch(numbers);
  await machines.run('third', '-m', '128m');
  expect(await refusal('set', '-m', almostAll, 'third')).toMatch(numbers);
});
