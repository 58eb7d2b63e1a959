import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../../src/base/index.ts';
import { type Instance, startInstance } from './instance.ts';

describe('a container and its networks', () => {
  let instance: Instance;
  beforeAll(async () => {
    instance = await startInstance();
    await instance.berthOk(['pull', '-q', 'busybox:latest']);
    await instance.berthOk(['network', 'create', 'first']);
    await instance.berthOk(['network', 'create', '--subnet', '10.213.8.0/24', 'second']);
    await start('other', '--network', 'second');
  });
  afterAll(async () => instance[Symbol.asyncDispose]());

  const start = (name: string, ...options: string[]) =>
    instance.berthOk(['run', '-d', '--name', name, ...options, 'busybox', 'sleep', '1000']);
  const exec = (name: string, ...command: string[]) => instance.berthOk(['exec', name, ...command]);
  const network = (...args: string[]) => instance.berth(['network', ...args]);
  const remove = (...names: string[]) => instance.berthOk(['rm', '-f', ...names]);

  async function endpointsOf(name: string) {
    const { body } = await instance.api(`GET /containers/${name}/json`);
    return (body as { NetworkSettings: { Networks: Record<string, Endpoint> } }).NetworkSettings.Networks;
  }

  const canReach = async (name: string, target: string) =>
    (await instance.berth(['exec', name, 'ping', '-c', '1', '-W', '1', target])).code === 0;
  const lines = (text: string) => text.split('\n');

  it('are connected while it runs: interface, address, names and files at once', async () => {
    await start('live', '--network', 'first');
    expect(await canReach('live', 'other')).toBe(false);
    expect(
      await network('connect', '--alias', 'moored', '--ip', '10.213.8.77', 'second', 'live'),
    ).toMatchObject({
      code: 0,
      stdout: '',
    });
    expect(await canReach('live', 'other')).toBe(true);
    expect(await canReach('other', 'moored')).toBe(true);
    expect(await exec('live', 'ip', '-4', 'addr', 'show', 'eth1')).toContain('10.213.8.77/24');
    expect(lines(await exec('live', 'cat', '/etc/hosts')).at(-1)).toMatch(/^10\.213\.8\.77\t[0-9a-f]{12}$/);
    expect((await endpointsOf('live')).second).toMatchObject({
      IPAddress: '10.213.8.77',
      Aliases: ['moored'],
    });
    const { body } = await instance.api('GET /networks/second');
    const { Containers } = body as { Containers: Record<string, { Name: string }> };
    expect(Object.values(Containers).map(({ Name }) => Name)).toEqual(
      expect.arrayContaining(['live', 'other']),
    );

    expect((await network('disconnect', 'second', 'live')).code).toBe(0);
    expect(await canReach('live', 'other')).toBe(false);
    expect(await exec('live', 'ls', '/sys/class/net')).toBe('eth0\nlo');
    expect(await exec('live', 'cat', '/etc/hosts')).not.toContain('10.213.8.77');
    expect(Object.keys(await endpointsOf('live'))).toEqual(['first']);
    await remove('live');
  });

  it('keep what it wrote into its own files', async () => {
    await start('writer');
    await exec('writer', 'sh', '-c', 'echo "192.0.2.1 mine" >> /etc/hosts');
    await network('connect', 'second', 'writer');
    expect(await exec('writer', 'cat', '/etc/hosts')).toContain('192.0.2.1 mine\n10.213.8.');
    expect(await exec('writer', 'cat', '/etc/resolv.conf')).toContain('nameserver 127.0.0.11\n');
    await network('disconnect', 'second', 'writer');
    expect(await exec('writer', 'cat', '/etc/hosts')).not.toContain('10.213.8.');
    expect(await exec('writer', 'cat', '/etc/resolv.conf')).not.toContain('127.0.0.11');
    await exec('writer', 'sh', '-c', 'echo "nameserver 192.0.2.1" > /etc/resolv.conf');
    await network('connect', 'second', 'writer');
    expect(await exec('writer', 'cat', '/etc/resolv.conf')).toBe('nameserver 192.0.2.1');
    await remove('writer');
  });

  it('are connected at its next start when it does not run', async () => {
    await instance.berthOk(['create', '--name', 'later', '--network', 'first', 'busybox', 'sleep', '1000']);
    expect((await network('connect', '--alias', 'moored', 'second', 'later')).code).toBe(0);
    await instance.berthOk(['start', 'later']);
    expect(await canReach('other', 'moored')).toBe(true);
    await instance.berthOk(['stop', '-t', '0', 'later']);
    expect((await network('disconnect', 'second', 'later')).code).toBe(0);
    await instance.berthOk(['start', 'later']);
    expect(Object.keys(await endpointsOf('later'))).toEqual(['first']);
    expect(await canReach('other', 'moored')).toBe(false);
    await remove('later');
  });

  it('are all taken away and given again', async () => {
    await start('bare', '--network', 'first');
    await network('disconnect', 'first', 'bare');
    expect(await exec('bare', 'ls', '/sys/class/net')).toBe('lo');
    await network('connect', 'second', 'bare');
    expect(await canReach('bare', 'other')).toBe(true);
    expect(await exec('bare', 'ls', '/sys/class/net')).toBe('eth0\nlo');
    await instance.berthOk(['restart', '-t', '0', 'bare']);
    expect(await canReach('bare', 'other')).toBe(true);
    await remove('bare');
  });

  it('have the gateway of the highest priority, whenever they were connected', async () => {
    await start('torn', '--network', 'first');
    const gateway = async () => /default via (\S+)/.exec(await exec('torn', 'ip', 'route'))?.[1];
    const { first } = await endpointsOf('torn');
    expect(await gateway()).toBe(first?.Gateway);
    await network('connect', 'second', 'torn');
    expect(await gateway()).toBe(first?.Gateway);
    await network('disconnect', 'second', 'torn');
    await network('connect', '--gw-priority', '5', 'second', 'torn');
    expect(await gateway()).toBe('10.213.8.1');
    expect((await endpointsOf('torn')).second?.GwPriority).toBe(5);
    await instance.berthOk(['restart', '-t', '0', 'torn']);
    expect(await gateway()).toBe('10.213.8.1');
    await network('disconnect', 'second', 'torn');
    expect(await gateway()).toBe((await endpointsOf('torn')).first?.Gateway);
    await remove('torn');
  });

  it('lead its published ports to the first one that is left', async () => {
    const serve = 'echo -n served > index.html; exec httpd -f -p 80';
    await instance.berthOk([
      ...['run', '-d', '--name', 'server', '--network', 'first', '-p', '80', 'busybox', 'sh', '-c', serve],
    ]);
    const byLoopback = async () =>
      (await fetch(`http://127.0.0.1:${await instance.publishedPort('server', '80/tcp')}/`)).text();
    const byNeighbour = async () =>
      exec('other', 'wget', '-qO-', `10.213.8.1:${await instance.publishedPort('server', '80/tcp')}`);
    await expect.poll(() => byLoopback().catch(() => ''), { timeout: 10_000 }).toBe('served');
    const port = await instance.publishedPort('server', '80/tcp');
    await network('connect', 'second', 'server');
    await network('disconnect', 'first', 'server');
    expect(await instance.publishedPort('server', '80/tcp')).toBe(port);
    expect(await byLoopback()).toBe('served');
    expect(await byNeighbour()).toBe('served');
    await network('disconnect', 'second', 'server');
    await expect(fetch(`http://127.0.0.1:${port}/`)).rejects.toThrow();
    await network('connect', 'first', 'server');
    expect(await byLoopback()).toBe('served');
    expect(await byNeighbour()).toBe('served');
    await remove('server');
  });

  it('are told of by events', async () => {
    const id = await start('heard', '--network', 'first');
    const since = String(Math.floor(Date.now() / 1000));
    await network('connect', 'second', 'heard');
    await network('disconnect', 'second', 'heard');
    const until = String(Math.ceil(Date.now() / 1000) + 1);
    const events = await instance.berthOk([
      ...['events', '--since', since, '--until', until, '--filter', 'type=network'],
      ...[
        '--filter',
        'network=second',
        '--format',
        '{{.Action}} {{.Actor.Attributes.name}} {{.Actor.Attributes.container}}',
      ],
    ]);
    const own = lines(events).filter((line) => line.endsWith(id));
    expect(own).toEqual([`connect second ${id}`, `disconnect second ${id}`]);
    await remove('heard');
  });

  it('are changed after berthd was killed, and what a killed berthd left is taken away', async () => {
    await start('survivor', '--network', 'first');
    await instance.killDaemon();
    await instance.startDaemon();
    await network('connect', '--alias', 'moored', 'second', 'survivor');
    expect(await canReach('other', 'moored')).toBe(true);
    await network('disconnect', 'first', 'survivor');
    expect(Object.keys(await endpointsOf('survivor'))).toEqual(['second']);
    await remove('survivor');
  });

  it('are not held by a launcher that a killed berthd had asked for them', async () => {
    await start('held', '--network', 'first');
    const before = await namespaces();
    await instance.killDaemon();
    await instance.startDaemon();
    await remove('held');
    await expect.poll(namespaces, { timeout: 10_000 }).toBe(before - 1);
  });

  /** That the launcher holds; those made ahead of time are as many before as after. */
  async function namespaces(): Promise<number> {
    const { stdout } = await run('sh', [
      '-c',
      `ls -l /proc/$(cat ${instance.execRoot}/l.pid)/fd | grep -c net:`,
    ]);
    return Number(stdout.toString());
  }

  it('that cannot be are refused, with the reason', async () => {
    await start('refused', '--network', 'first');
    await start('on-host', '--network', 'host');
    const cases: [string[], string][] = [
      [['connect', 'first', 'refused'], 'endpoint with name refused already exists in network first'],
      [['connect', 'nothing', 'refused'], 'network nothing not found'],
      [['connect', 'second', 'nobody'], 'No such container: nobody'],
      [
        ['connect', '--ip', '10.9.9.9', 'second', 'refused'],
        'no configured subnet contains IP address 10.9.9.9',
      ],
      [['connect', '--ip', '10.213.8.1', 'second', 'refused'], 'belongs to the gateway'],
      [['connect', '--alias', 'two words', 'second', 'refused'], 'is no name that DNS can carry'],
      [['connect', '--alias', 'a', 'bridge', 'refused'], 'only supported for user-defined networks'],
      [['connect', 'second', 'on-host'], 'cannot be connected to any other network'],
      [['disconnect', 'second', 'refused'], 'is not connected to network second'],
      [['disconnect', '-f', 'second', 'nobody'], 'endpoint nobody not found'],
    ];
    for (const [args, reason] of cases) {
      const { code, stderr } = await network(...args);
      expect(stderr, args.join(' ')).toContain(reason);
      expect(code, args.join(' ')).toBe(1);
    }
    expect(Object.keys(await endpointsOf('refused'))).toEqual(['first']);
    expect(await exec('refused', 'ls', '/sys/class/net')).toBe('eth0\nlo');
    await remove('refused', 'on-host');
  });
});

interface Endpoint {
  readonly IPAddress: string;
  readonly Gateway: string;
  readonly Aliases: readonly string[] | null;
  readonly GwPriority: number;
}
