import { dirname } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeAgentSystem } from './agent-system.ts';
import { TinyMachines } from './tiny-machines.ts';

/** Of a machine whose system has QEMU's guest agent, one after the other. */
let machines: TinyMachines;
beforeAll(async () => {
  machines = await TinyMachines.start();
  const image = await makeAgentSystem(dirname(machines.instance.dataRoot));
  await berth('create', '--from', image, '--network', 'none', '-m', '256m', '--disk', 'data:64m', 'linux');
  await using console = await machines.console('linux');
  await berth('start', 'linux');
  await console.shows('READY');
});
afterAll(() => machines[Symbol.asyncDispose]());

const berth = (...args: readonly string[]) => machines.berth(...args);
/** What a command in the machine says. */
const inside = (command: string) => berth('exec', 'linux', 'sh', '-c', command);

describe('a snapshot of a machine with the guest agent', () => {
  test('that holds its memory brings it back with the time of now', async () => {
    await inside('date -u -s @1000000000');
    await berth('snapshot', 'create', 'linux', 'live');
    const before = Math.floor(Date.now() / 1000);
    await berth('snapshot', 'restore', '-f', 'linux', 'live');
    expect(Number(await inside('date +%s'))).toBeGreaterThanOrEqual(before);
  });
});
