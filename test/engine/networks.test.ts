import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runChecked } from '../../src/base/index.ts';
import { type Instance, startInstance } from './instance.ts';

const BRIDGE = 'com.docker.network.bridge';

describe('networks', () => {
  let instance: Instance;
  beforeAll(async () => {
    instance = await startInstance({ args: ['--default-address-pool', 'base=10.211.0.0/22,size=24'] });
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

  it('gives containers IPv6 addresses on a network with IPv6, and publishes their ports on IPv6', async () => {
    await instance.berthOk(['network', 'create', '--ipv6', '--subnet', 'fd00:be:1::/64', 'six']);
    const serve = 'echo six > /index.html; exec httpd -f -p [::]:80 -h /';
    const run = 'run -d --network six -p 80 -p [::1]::80 --name server busybox sh -c'.split(' ');
    await instance.berthOk([...run, serve]);
    const { body } = await instance.api('GET /containers/server/json');
    const { NetworkSettings } = body as { NetworkSettings: { Networks: { six: object } } };
    expect(NetworkSettings.Networks.six).toMatchObject({
      GlobalIPv6Address: 'fd00:be:1::2',
      GlobalIPv6PrefixLen: 64,
      IPv6Gateway: 'fd00:be:1::1',
    });
    const client = 'run --rm --network six --ip6 fd00:be:1::9 busybox sh -c'.split(' ');
    const ask = 'ip -o -6 addr show eth0; grep -c fd00:be:1::9 /etc/hosts; wget -qO- http://[fd00:be:1::2]/';
    const [address, hosts, page] = (await instance.berthOk([...client, ask])).split('\n');
    expect([address, hosts, page]).toEqual([expect.stringContaining('fd00:be:1::9/64'), '1', 'six']);
    const onIPv6 = (await instance.berthOk(['port', 'server']))
      .split('\n')
      .find((line) => line.includes('[::1]'));
    const answer = await fetch(`http://${onIPv6?.split(' -> ')[1]}`);
    expect(await answer.text()).toBe('six\n');
    const { stderr } = await instance.berth('run --rm --ip6 fd00::5 busybox true'.split(' '));
    expect(stderr).toContain('network bridge has no IPv6');
    await instance.berthOk(['rm', '-f', 'server']);
    await instance.berthOk(['network', 'rm', 'six']);
  });

  it('come from the pools that the daemon has, and are pruned when nobody uses them', async () => {
    const subnetOf = async (name: string) => {
      await instance.berthOk(['network', 'create', name]);
      return instance.berthOk(['network', 'inspect', '-f', '{{(index .IPAM.Config 0).Subnet}}', name]);
    };
    // The default bridge has the first one.
    expect(await subnetOf('one')).toBe('10.211.1.0/24');
    expect(await subnetOf('two')).toBe('10.211.2.0/24');
    await instance.berthOk('run -d --name user --network two busybox sleep 1000'.split(' '));
    expect(await instance.berthOk(['network', 'prune', '-f'])).toContain('one');
    const names = await instance.berthOk(['network', 'ls', '--format', '{{.Name}}']);
    expect(names.split('\n').sort()).toEqual(['bridge', 'host', 'none', 'two']);
    await instance.berthOk(['rm', '-f', 'user']);
    await instance.berthOk(['network', 'rm', 'two']);
  });

  it('are shared by containers that ask for the network of another one', async () => {
    await instance.berthOk(
      'run -d --name owner busybox sh -c'
        .split(' ')
        .concat('echo shared > /index.html; exec httpd -f -p 127.0.0.1:80'),
    );
    const ask = 'run --rm --network container:owner busybox wget -qO- http://127.0.0.1/index.html'.split(' ');
    expect(await instance.berthOk(ask)).toBe('shared');
    await instance.berthOk(['rm', '-f', 'owner']);
    const gone = await instance.berth(ask);
    expect([gone.code, gone.stderr]).toEqual([125, expect.stringContaining('No such container: owner')]);
  });

  it('have the MTU and the name of a bridge that were asked for', async () => {
    const options = ['-o', 'com.docker.network.driver.mtu=1400', '-o', `${BRIDGE}.name=chosenbr`];
    await instance.berthOk(['network', 'create', ...options, 'small']);
    const link = 'run --rm --network small busybox cat /sys/class/net/eth0/mtu'.split(' ');
    expect(await instance.berthOk(link)).toBe('1400');
    const bridge = await runChecked('ip', ['link', 'show', 'chosenbr']);
    expect(bridge.stdout.toString()).toContain('mtu 1400');
    await instance.berthOk(['network', 'rm', 'small']);
  });

  it('refuses by name a driver that is not there, and two subnets of one family', async () => {
    const { stderr } = await instance.berth('network create -d ipvlan vlan'.split(' '));
    expect(stderr).toContain('the network driver ipvlan is not there yet. Use --driver bridge or macvlan');
    const two = 'network create --subnet 10.202.0.0/24 --subnet 10.203.0.0/24 two'.split(' ');
    expect((await instance.berth(two)).stderr).toContain("bridge driver doesn't support multiple subnets");
  });

  it('says who reaches a published port', async () => {
    const serve = 'exec httpd -f -p 81 -h /';
    const run = 'run -d -p 80 -p 127.0.0.1::81 --name reached busybox sh -c'.split(' ');
    await instance.berthOk([...run, serve]);
    await untilListening(instance, 'reached', 81);
    const table = 'table inet own { chain f { type filter hook forward priority 0; policy drop; }; }';
    await runChecked('nft', ['-f', '-'], { input: table });
    try {
      const [, first, onIPv6, second] = (await instance.berthOk(['ports', 'reached'])).split('\n');
      expect(first).toMatch(
        /^reached +80\/tcp +0\.0\.0\.0:\d+ +this host; stopped for other hosts by the policy of /,
      );
      expect(first).toMatch(/of chain f in table inet own; nothing listens on 80 in the container$/);
      expect(onIPv6).toMatch(/^reached +80\/tcp +\[::\]:\d+ +this host, other hosts; nothing listens on 80/);
      expect(second).toMatch(/^reached +81\/tcp +127\.0\.0\.1:\d+ +this host$/);
    } finally {
      await runChecked('nft', ['delete', 'table', 'inet', 'own']);
    }
    const unknown = await instance.berth(['ports', 'nobody']);
    expect([unknown.code, unknown.stderr]).toEqual([1, expect.stringContaining('No such container: nobody')]);
    await instance.berthOk(['rm', '-f', 'reached']);
  });

  it('puts a container on a link of the host, with macvlan', async () => {
    await runChecked('ip', ['link', 'add', 'lan0', 'type', 'veth', 'peer', 'name', 'lan1']);
    await runChecked('ip', ['link', 'set', 'lan0', 'up']);
    await runChecked('ip', ['link', 'set', 'lan1', 'up']);
    try {
      const create = 'network create -d macvlan --subnet 10.207.0.0/24 -o parent=lan0 lan';
      await instance.berthOk(create.split(' '));
      await instance.berthOk([
        'run',
        '-d',
        '--network',
        'lan',
        '--name',
        'first',
        'busybox',
        'sleep',
        '1000',
      ]);
      const ping = 'run --rm --network lan busybox ping -c1 -W2 first'.split(' ');
      expect(await instance.berthOk(ping)).toContain('0% packet loss');
      const { stderr } = await instance.berth('run --rm --network lan -p 80 busybox true'.split(' '));
      expect(stderr).toContain('ports cannot be published from macvlan networks');
      await instance.berthOk(['network', 'connect', 'bridge', 'first']);
      await instance.berthOk(['network', 'disconnect', 'lan', 'first']);
      expect(await instance.berthOk(['exec', 'first', 'ip', '-o', 'link'])).not.toContain('eth0');
      await instance.berthOk(['rm', '-f', 'first']);
      await instance.berthOk(['network', 'rm', 'lan']);
      const unknown = await instance.berth('network create -d macvlan -o parent=lan9 other'.split(' '));
      expect(unknown.stderr).toContain('the host has no interface lan9 for a macvlan network');
    } finally {
      await runChecked('ip', ['link', 'del', 'lan0']);
    }
  });

  it('slows a container down, in both directions', async () => {
    const serve = 'dd if=/dev/zero of=/big bs=1k count=256; exec httpd -f -p 80 -h /';
    const slow = 'run -d -p 127.0.0.1::80 --network-opt rate=2mbit --name slow busybox sh -c'.split(' ');
    await instance.berthOk([...slow, serve]);
    await untilListening(instance, 'slow', 80);
    // Both ends have a token bucket of their own; how fast it really is depends on the machine.
    const { body } = await instance.api('GET /containers/slow/json');
    const { NetworkSettings, State } = body as {
      NetworkSettings: { Networks: { bridge: { DriverOpts: unknown } } };
      State: { Pid: number };
    };
    expect(NetworkSettings.Networks.bridge.DriverOpts).toEqual({ 'berth.rate': '2000000bit' });
    const inside = await runChecked('nsenter', [
      '-t',
      String(State.Pid),
      '-n',
      'tc',
      'qdisc',
      'show',
      'dev',
      'eth0',
    ]);
    expect(inside.stdout.toString()).toMatch(/^qdisc tbf .* rate 2Mbit /);
    const outside = (await runChecked('tc', ['qdisc', 'show'])).stdout.toString();
    expect(outside).toMatch(/^qdisc tbf .* rate 2Mbit /m);
    const place = (await instance.berthOk(['port', 'slow', '80'])).trim();
    const page = await (await fetch(`http://${place}/big`)).arrayBuffer();
    expect(page.byteLength).toBe(256 * 1024);
    await instance.berthOk(['rm', '-f', 'slow']);

    const refused = async (option: string) =>
      (await instance.berth(['run', '--rm', '--network-opt', option, 'busybox', 'true'])).stderr;
    expect(await refused('rate=fast')).toContain('invalid berth.rate "fast"');
    expect(await refused('loss=1%')).toContain('the option "berth.loss"');
  });
});

/** Resolves when something in the container listens on the port (proc(5), /proc/net/tcp: state 0A). */
async function untilListening(instance: Instance, container: string, port: number): Promise<void> {
  const listens = `:${port.toString(16).toUpperCase().padStart(4, '0')} [0:]* 0A`;
  const wait = `until cat /proc/net/tcp /proc/net/tcp6 | grep -q '${listens}'; do :; done`;
  await instance.berthOk(['exec', container, 'sh', '-c', wait]);
}
