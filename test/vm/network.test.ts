import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Instance } from '../engine/instance.ts';
import { startMachines } from './machines.ts';

const SERVER = 'echo -n hello >index.html; exec httpd -f -p 80';

describe('the network of a virtual machine', () => {
  let instance: Instance;
  beforeAll(async () => {
    instance = await startMachines();
    await instance.berthOk(['network', 'create', 'front']);
    await instance.berthOk(['network', 'create', '--internal', 'back']);
    await instance.berthOk([
      ...['run', '-d', '--name', 'vm', '--isolation', 'vm', '--network', 'front', '--network', 'back'],
      ...['-p', '127.0.0.1::80', 'busybox', 'sh', '-c', SERVER],
    ]);
    await instance.berthOk([
      ...['run', '-d', '--name', 'container', '--network', 'front', 'busybox', 'sh', '-c', SERVER],
    ]);
  });
  afterAll(async () => instance[Symbol.asyncDispose]());

  const inside = (script: string) => instance.berthOk(['exec', 'vm', 'sh', '-c', script]);
  const page = async (port: number) => (await fetch(`http://127.0.0.1:${port}/`)).text();

  it('has a card with the address and MAC address that inspect shows for each of its networks', async () => {
    const settings = JSON.parse(
      await instance.berthOk(['inspect', '-f', '{{json .NetworkSettings.Networks}}', 'vm']),
    );
    for (const [card, name] of [
      ['eth0', 'front'],
      ['eth1', 'back'],
    ] as const) {
      expect(await inside(`ip addr show ${card}`)).toContain(`inet ${settings[name].IPAddress}/`);
      expect(await inside(`cat /sys/class/net/${card}/address`)).toBe(settings[name].MacAddress);
    }
    expect(await inside('ip route | grep ^default')).toBe(`default via ${settings.front.Gateway} dev eth0`);
  });

  it('joins machines and containers by their names, both ways', async () => {
    expect(await inside('wget -qO- http://container/')).toBe('hello');
    expect(await instance.berthOk(['exec', 'container', 'wget', '-qO-', 'http://vm/'])).toBe('hello');
    expect(await inside('cat /etc/resolv.conf')).toContain('nameserver 127.0.0.11');
    expect(await inside('nslookup no-such-name.invalid 2>&1 || true')).toMatch(/NXDOMAIN|can't/);
  });

  it('publishes ports', async () => {
    const port = await instance.publishedPort('vm', '80/tcp');
    await expect.poll(() => page(port).catch(() => ''), { timeout: 20_000 }).toBe('hello');
  });

  it('stays as it is while the machine runs, and is changed for its next start', async () => {
    const live = await instance.berth(['network', 'disconnect', 'back', 'vm']);
    expect(live.stderr).toContain('cannot be changed while it runs');
    await instance.berthOk(['stop', '-t', '0', 'vm']);
    await instance.berthOk(['network', 'disconnect', 'back', 'vm']);
    await instance.berthOk(['start', 'vm']);
    expect(await inside('ls /sys/class/net')).not.toContain('eth1');
    const port = await instance.publishedPort('vm', '80/tcp');
    await expect.poll(() => page(port).catch(() => ''), { timeout: 20_000 }).toBe('hello');
  });

  it('is checked from inside by health checks of all kinds', async () => {
    const checks = { command: 'wget -qO- http://127.0.0.1/', http: 'http://localhost/', tcp: 'tcp://:80' };
    for (const [name, check] of Object.entries(checks)) {
      await instance.berthOk([
        ...[
          'run',
          '-d',
          '--name',
          name,
          '--isolation',
          'vm',
          '--health-cmd',
          check,
          '--health-interval',
          '200ms',
        ],
        ...['busybox', 'sh', '-c', SERVER],
      ]);
    }
    for (const name of Object.keys(checks)) {
      const status = () => instance.berthOk(['inspect', '-f', '{{.State.Health.Status}}', name]);
      await expect.poll(status, { timeout: 30_000 }).toBe('healthy');
    }
    await instance.berthOk([
      'run',
      '-d',
      '--name',
      'ill',
      '--isolation',
      'vm',
      ...ILL,
      'busybox',
      'sleep',
      '1000',
    ]);
    const log = () => instance.berthOk(['inspect', '-f', '{{json .State.Health.Log}}', 'ill']);
    await expect.poll(log, { timeout: 30_000 }).toContain('refused');
    await instance.berthOk(['rm', '-f', ...Object.keys(checks), 'ill']);
  });
});

const ILL = ['--health-cmd', 'tcp://:81', '--health-interval', '200ms'];
