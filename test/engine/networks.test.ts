import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Instance, startInstance } from './instance.ts';

const BRIDGE = 'com.docker.network.bridge';

describe('networks', () => {
  let instance: Instance;
  beforeAll(async () => {
    instance = await startInstance();
    await instance.berthOk(['pull', '-q', 'busybox']);
  });
  afterAll(() => instance[Symbol.asyncDispose]());

  it('publishes on the address that the network names, and takes addresses from its range', async () => {
    const create =
      'network create --subnet 10.201.0.0/24 --ip-range 10.201.0.64/26 --aux-address gone=10.201.0.64';
    const options = ['-o', `${BRIDGE}.host_binding_ipv4=127.0.0.1`, '-o', `${BRIDGE}.enable_icc=false`];
    await instance.berthOk([...create.split(' '), ...options, 'chosen']);
    const run = 'run -d --network chosen -p 80 --name'.split(' ');
    await instance.berthOk([...run, 'aa', 'busybox', 'sleep', '1000']);
    await instance.berthOk([...run, 'bb', 'busybox', 'sleep', '1000']);
    expect(await instance.berthOk(['port', 'aa'])).toMatch(/^80\/tcp -> 127\.0\.0\.1:\d+$/);
    const addressOf = '{{.NetworkSettings.Networks.chosen.IPAddress}}';
    expect(await instance.berthOk(['inspect', '--format', addressOf, 'bb'])).toBe('10.201.0.66');
    const ping = await instance.berth(['exec', 'aa', 'ping', '-c1', '-W1', '10.201.0.66']);
    expect([ping.code, ping.stdout]).toEqual([1, expect.stringContaining('100% packet loss')]);
    await instance.berthOk(['rm', '-f', 'aa', 'bb']);
    await instance.berthOk(['network', 'rm', 'chosen']);
  });
});
