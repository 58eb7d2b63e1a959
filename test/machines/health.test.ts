import { dirname } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeAgentSystem } from './agent-system.ts';
import { TinyMachines } from './tiny-machines.ts';

const PORT = 4040;

/** Opens the port until it is ended. */
const LISTEN = `import socket, time; s = socket.create_server(("", ${PORT})); time.sleep(3600)`;

let machines: TinyMachines;
beforeAll(async () => {
  machines = await TinyMachines.start();
  const image = await makeAgentSystem(dirname(machines.instance.dataRoot));
  const check = ['--health', `tcp://:${PORT}`, '--health-interval', '1s', '--health-retries', '1'];
  await machines.berth('create', '--from', image, '-m', '256m', ...check, 'linux');
  await using console = await machines.console('linux');
  await machines.berth('start', 'linux');
  await console.shows('READY');
});
afterAll(() => machines[Symbol.asyncDispose]());

const inside = (command: string) => machines.berth('exec', 'linux', 'sh', '-c', command);

test('a machine is healthy while a port of its system takes connections', async () => {
  const listening = new AbortController();
  const filters = { type: ['machine'], event: ['health_status'] };
  const events = await machines.client.system.events({ filters, since: '1', signal: listening.signal });
  const found = async () => (await events.next()).value?.Action;
  const { IPAddress, IPPrefixLen } =
    (await machines.client.machines.inspect('linux')).Networks.bridge ?? expect.fail('it has no network');
  await inside(
    `modprobe virtio_net; ip address add ${IPAddress}/${IPPrefixLen} dev eth0; ip link set eth0 up`,
  );
  expect(await found()).toBe('health_status: unhealthy');
  await inside(`setsid python3 -c '${LISTEN}' </dev/null >/dev/null 2>&1 & echo $! >/run/listener`);
  expect(await found()).toBe('health_status: healthy');
  expect(await lastAnswer()).toMatchObject({ ExitCode: 0, Output: 'connected' });
  await inside('kill $(cat /run/listener)');
  expect(await found()).toBe('health_status: unhealthy');
  expect(await lastAnswer()).toMatchObject({ ExitCode: 1, Output: expect.stringContaining('ECONNREFUSED') });
  listening.abort();
});

async function lastAnswer(): Promise<unknown> {
  const { State: state } = await machines.client.machines.inspect('linux');
  return state.Health?.Log.at(-1);
}
