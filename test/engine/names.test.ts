import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run, runChecked } from '../../src/base/index.ts';
import { HeldNamespaces } from '../../src/network/held-namespaces.fixture.ts';
import { type Instance, startInstance } from './instance.ts';

const FIXTURES = `${import.meta.dirname}/../fixtures`;
const MISSING = { code: 'ENOTFOUND' };

describe('names on a network', () => {
  let instance: Instance;
  const namespaces = new HeldNamespaces();
  /** Where names outside are asked for: nothing leaves this machine. */
  let outside: DnsServer;
  beforeAll(async () => {
    outside = await startDnsServer(namespaces, 1);
    instance = await startInstance();
    await instance.berthOk(['pull', '-q', 'busybox:latest']);
    for (const name of ['shop', 'back']) await instance.berthOk(['network', 'create', name]);
    await instance.berthOk(['network', 'create', '--internal', 'vault']);
    await start('client', '--network', 'shop', '--dns', outside.address);
    await start('web', '--network', 'shop', '--network-alias', 'www', '-h', 'webhost');
  });
  afterAll(async () => {
    await instance[Symbol.asyncDispose]();
    await outside[Symbol.asyncDispose]();
    await namespaces[Symbol.asyncDispose]();
  });

  const start = (name: string, ...options: string[]) =>
    instance.berthOk(['run', '-d', '--name', name, ...options, 'busybox', 'sleep', '1000']);
  async function facts(name: string, network = 'shop') {
    const { body } = await instance.api(`GET /containers/${name}/json`);
    const { Id, State, NetworkSettings } = body as {
      Id: string;
      State: { Pid: number };
      NetworkSettings: { Networks: Record<string, Endpoint> };
    };
    const endpoint = NetworkSettings.Networks[network];
    return {
      shortId: Id.slice(0, 12),
      pid: State.Pid,
      address: endpoint?.IPAddress ?? '',
      ipv6Address: endpoint?.GlobalIPv6Address ?? '',
      dnsNames: endpoint?.DNSNames,
    };
  }
  const addressOf = async (name: string, network: string) => (await facts(name, network)).address;

  /** Asks the resolver as a program in the container would. */
  async function ask(container: string, type: string, name: string): Promise<unknown> {
    return askFrom((await facts(container)).pid, type, name);
  }

  async function askFrom(pid: number, type: string, name: string): Promise<unknown> {
    const { stdout } = await run('nsenter', [
      `--net=/proc/${pid}/ns/net`,
      ...[process.execPath, `${FIXTURES}/dns-client.ts`, '127.0.0.11', type, name],
    ]);
    return JSON.parse(stdout.toString());
  }

  const found = (...addresses: string[]) => ({
    records: addresses.map((address) => ({ address, ttl: 600 })),
  });

  it('are the name, the aliases, the short id and the host name, in any case, and with the network behind', async () => {
    const { address: web, shortId: id, dnsNames } = await facts('web');
    for (const name of ['web', 'WEB', 'www', id, 'webhost', 'web.shop', 'www.Shop']) {
      expect(await ask('client', 'A', name), name).toEqual(found(web));
    }
    expect(await ask('client', 'PTR', web)).toEqual({ records: ['web.shop'] });
    expect(dnsNames).toEqual(['web', 'www', id, 'webhost']);
  });

  it('lead the programs of an image to each other', async () => {
    const { stdout } = await instance.berth(['exec', 'client', 'ping', '-c', '1', '-W', '2', 'www']);
    expect(stdout).toContain('1 packets received');
    const lookup = await instance.berth(['exec', 'client', 'nslookup', 'web']);
    expect(lookup).toMatchObject({ code: 0 });
    expect(lookup.stdout).toContain(await addressOf('web', 'shop'));
  });

  it('without an address of the type that was asked for exist all the same', async () => {
    for (const type of ['AAAA', 'MX', 'TXT']) {
      expect(await ask('client', type, 'web'), type).toEqual({ code: 'ENODATA' });
    }
  });

  it('lead to both addresses on a network with IPv6, and back', async () => {
    await instance.berthOk(['network', 'create', '--ipv6', 'six']);
    await start('six-1', '--network', 'six');
    await start('six-2', '--network', 'six');
    const { address, ipv6Address } = await facts('six-2', 'six');
    expect(ipv6Address).toMatch(/^fd/);
    expect(await ask('six-1', 'A', 'six-2')).toEqual(found(address));
    expect(await ask('six-1', 'AAAA', 'six-2')).toEqual({ records: [ipv6Address] });
    expect(await ask('six-1', 'PTR', ipv6Address)).toEqual({ records: ['six-2.six'] });
    await instance.berthOk(['rm', '-f', 'six-1', 'six-2']);
    await instance.berthOk(['network', 'rm', 'six']);
  });

  it('on a macvlan network are its containers, beside those of other networks; others are asked of the own servers', async () => {
    await namespaces.neighbour(60);
    const create =
      'network create -d macvlan --subnet 10.208.0.0/24 --ip-range 10.208.0.64/26 -o parent=neighbour60';
    await instance.berthOk([...create.split(' '), 'lan']);
    await start('lan-1', '--network', 'lan', '--network', 'shop', '--dns', outside.address);
    await start('lan-2', '--network', 'lan', '--network-alias', 'twin');
    await start('lan-3', '--network', 'lan', '--network-alias', 'twin', '-h', 'lanhost');
    const [first, second, third] = [
      await addressOf('lan-1', 'lan'),
      await addressOf('lan-2', 'lan'),
      await addressOf('lan-3', 'lan'),
    ];
    expect(await ask('lan-2', 'A', 'lan-1')).toEqual(found(first));
    for (const name of ['lan-3', 'lanhost', 'LAN-3.lan', (await facts('lan-3', 'lan')).shortId]) {
      expect(await ask('lan-1', 'A', name), name).toEqual(found(third));
    }
    expect(await ask('lan-1', 'PTR', second)).toEqual({ records: ['lan-2.lan'] });
    const { records } = (await ask('lan-1', 'A', 'twin')) as { records: { address: string }[] };
    expect(records.map(({ address }) => address).sort()).toEqual([second, third].sort());
    // The same container asks for those of its bridge, which the others of the link do not see.
    expect(await ask('lan-1', 'A', 'web')).toEqual(found(await addressOf('web', 'shop')));
    expect(await ask('lan-2', 'A', 'web')).toEqual(MISSING);
    expect(await ask('lan-1', 'A', '7.macvlan.test')).toMatchObject({ records: [{ address: '192.0.2.7' }] });
    await instance.berthOk(['network', 'disconnect', 'lan', 'lan-3']);
    expect(await ask('lan-1', 'A', 'lan-3')).toEqual(MISSING);
    await instance.berthOk([
      'network',
      'connect',
      '--alias',
      'back-again',
      '--ip',
      '10.208.0.99',
      'lan',
      'lan-3',
    ]);
    expect(await ask('lan-2', 'A', 'back-again')).toEqual(found('10.208.0.99'));
    const ping = await instance.berth(['exec', 'lan-2', 'ping', '-c1', '-W2', 'back-again']);
    expect(ping.stdout).toContain('1 packets received');
    await instance.berthOk(['rm', '-f', 'lan-1', 'lan-2', 'lan-3']);
    await instance.berthOk(['network', 'rm', 'lan']);
  });

  it('that several containers share lead to all of them, in turns', async () => {
    await start('twin-1', '--network', 'shop', '--network-alias', 'twins');
    await start('twin-2', '--network', 'shop', '--network-alias', 'twins');
    const both = [await addressOf('twin-1', 'shop'), await addressOf('twin-2', 'shop')];
    const firsts = new Set<string>();
    for (let turn = 0; turn < 2; turn += 1) {
      const { records } = (await ask('client', 'A', 'twins')) as { records: { address: string }[] };
      expect(records.map(({ address }) => address).sort()).toEqual(both.toSorted());
      firsts.add(records[0]?.address ?? '');
    }
    expect([...firsts].sort()).toEqual(both.toSorted());
    await instance.berthOk(['rm', '-f', 'twin-1', 'twin-2']);
    expect(await ask('client', 'A', 'twins')).toEqual(MISSING);
  });

  it('are known on the own networks only, and each of several networks answers', async () => {
    await start('both', '--network', 'shop', '--network', 'back');
    await start('db', '--network', 'back');
    expect(await ask('both', 'A', 'db')).toEqual(found(await addressOf('db', 'back')));
    expect(await ask('both', 'A', 'web')).toEqual(found(await addressOf('web', 'shop')));
    expect(await ask('both', 'A', 'both.back')).toEqual(found(await addressOf('both', 'back')));
    expect(await ask('client', 'A', 'db')).toEqual(MISSING);
    expect(await ask('client', 'A', 'both')).toEqual(found(await addressOf('both', 'shop')));
    await instance.berthOk(['rm', '-f', 'both', 'db']);
  });

  it('outside are not asked for from an internal network', async () => {
    await start('safe', '--network', 'vault');
    expect(await ask('safe', 'A', 'safe')).toEqual(found(await addressOf('safe', 'vault')));
    expect(await ask('safe', 'A', 'answer.test')).toEqual({ code: 'ESERVFAIL' });
    await instance.berthOk(['rm', '-f', 'safe']);
  });

  it("leave port 53 to the container's own server", async () => {
    await start('server', '--network', 'shop');
    const { pid, address } = await facts('server', 'shop');
    await using server = await serveDns(`/proc/${pid}/ns/net`);
    const { stdout } = await run('nsenter', [
      `--net=/proc/${(await facts('client')).pid}/ns/net`,
      ...[process.execPath, `${FIXTURES}/dns-client.ts`, address, 'A', 'long.test'],
    ]);
    expect(JSON.parse(stdout.toString()).records).toHaveLength(60);
    expect(server.questions).toEqual(['udp long.test', 'tcp long.test']);
    expect(await ask('server', 'A', 'web')).toEqual(found(await addressOf('web', 'shop')));
    await instance.berthOk(['rm', '-f', 'server']);
  });

  it('are what a container is called now', async () => {
    await start('before', '--network', 'shop');
    const address = await addressOf('before', 'shop');
    await instance.berthOk(['rename', 'before', 'after']);
    expect(await ask('client', 'A', 'after')).toEqual(found(address));
    expect(await ask('client', 'A', 'before')).toEqual(MISSING);
    expect(await ask('client', 'PTR', address)).toEqual({ records: ['after.shop'] });
    await instance.berthOk(['rm', '-f', 'after']);
  });

  it('that a link gives are known to its container alone, also after the other one is renamed', async () => {
    await start('store', '--network', 'shop');
    await start('linked', '--network', 'shop', '--link', 'store:stock');
    await instance.berthOk(['rename', 'store', 'magazine']);
    expect(await ask('linked', 'A', 'stock')).toEqual(found(await addressOf('magazine', 'shop')));
    expect(await ask('client', 'A', 'stock')).toEqual(MISSING);
    await instance.berthOk(['rm', '-f', 'linked', 'magazine']);
  });

  it('are not served on the default network, where a link is a line in /etc/hosts', async () => {
    await start('plain');
    await start('linker', '--link', 'plain:other');
    expect(await ask('linker', 'A', 'plain')).toEqual({ code: 'EREFUSED' });
    const hosts = await instance.berthOk(['exec', 'linker', 'cat', '/etc/hosts']);
    const { shortId: id, address } = await facts('plain', 'bridge');
    expect(hosts).toContain(`${address}\tother ${id} plain\n`);
    expect(await instance.berthOk(['exec', 'linker', 'cat', '/etc/resolv.conf'])).not.toContain('127.0.0.11');
    await instance.berthOk(['rm', '-f', 'plain', 'linker']);
  });

  it('of Compose services are their services', async () => {
    const folder = await mkdtemp('/tmp/berth-names-');
    await writeFile(
      `${folder}/compose.yaml`,
      'services:\n  front: { image: busybox, command: sleep 1000 }\n' +
        '  api: { image: busybox, command: sleep 1000, deploy: { replicas: 2 } }\n',
    );
    const compose = (...args: string[]) =>
      instance.berthOk(['compose', '-p', 'app', ...args], { cwd: folder });
    await compose('up', '-d');
    const { records } = (await ask('app-front-1', 'A', 'api')) as { records: object[] };
    expect(records).toHaveLength(2);
    expect(await ask('app-front-1', 'A', 'app-api-2')).toMatchObject({ records: [{ ttl: 600 }] });
    await compose('down', '-t', '0');
    await rm(folder, { recursive: true });
  });

  it("are answered under a host's firewall that drops what comes in", async () => {
    await using _ = await dropInput();
    expect(await ask('client', 'A', 'web')).toEqual(found(await addressOf('web', 'shop')));
  });

  it('that no DNS can carry are refused', async () => {
    const bad = ['two words', '', 'x'.repeat(64), 'a..b'];
    for (const alias of bad) {
      const { status, body } = await instance.api('POST /containers/create', {
        Image: 'busybox',
        HostConfig: { NetworkMode: 'shop' },
        NetworkingConfig: { EndpointsConfig: { shop: { Aliases: [alias] } } },
      });
      expect(status, alias).toBe(400);
      expect(JSON.stringify(body)).toContain('is no name that DNS can carry');
    }
  });

  it('are answered while berthd is dead, and after its next start', async () => {
    const web = await addressOf('web', 'shop');
    const { pid } = await facts('client');
    await instance.killDaemon();
    expect(await askFrom(pid, 'A', 'www')).toEqual(found(web));
    expect(await askFrom(pid, 'PTR', web)).toEqual({ records: ['web.shop'] });
    await instance.startDaemon();
    expect(await askFrom(pid, 'A', 'www')).toEqual(found(web));
    await start('later', '--network', 'shop');
    expect(await askFrom(pid, 'A', 'later')).toEqual(found(await addressOf('later', 'shop')));
    await instance.berthOk(['rm', '-f', 'later']);
  });

  it('are answered again when the resolver was killed', async () => {
    const resolver = await readFile(`${instance.execRoot}/r.pid`, 'utf8');
    process.kill(Number(resolver), 'SIGKILL');
    expect(await ask('client', 'A', 'web')).toEqual(found(await addressOf('web', 'shop')));
    expect(await readFile(`${instance.execRoot}/r.pid`, 'utf8')).not.toBe(resolver);
  });

  it('are answered when the launcher was killed, in old containers and in new ones', async () => {
    process.kill(Number(await readFile(`${instance.execRoot}/l.pid`, 'utf8')), 'SIGKILL');
    expect(await ask('client', 'A', 'web')).toEqual(found(await addressOf('web', 'shop')));
    await start('fresh', '--network', 'shop');
    expect(await ask('fresh', 'A', 'web')).toEqual(found(await addressOf('web', 'shop')));
    expect(await ask('client', 'A', 'fresh')).toEqual(found(await addressOf('fresh', 'shop')));
    await instance.berthOk(['rm', '-f', 'fresh']);
  });

  it('are answered by a process without rights', async () => {
    const resolver = (await readFile(`${instance.execRoot}/r.pid`, 'utf8')).trim();
    const status = await readFile(`/proc/${resolver}/status`, 'utf8');
    expect(status).toMatch(/^Uid:(\t65529){4}$/m);
    expect(status).toMatch(/^Gid:(\t65529){4}$/m);
    expect(status).toMatch(/^Groups:\s*$/m);
    expect(status).toMatch(/^CapPrm:\t0+$/m);
    expect(status).toMatch(/^CapEff:\t0+$/m);
    expect(status).toMatch(/^NoNewPrivs:\t1$/m);
    expect(status).toMatch(/^Seccomp:\t2$/m);
  });

  describe('outside', () => {
    let server: DnsServer;
    beforeAll(async () => {
      server = await startDnsServer(namespaces, 2, 'quiet');
    });
    afterAll(async () => server[Symbol.asyncDispose]());
    const answered = { records: [{ address: '192.0.2.7', ttl: 60 }] };

    it('are asked of the servers that the container names, by UDP and, where that is too short, by TCP', async () => {
      await start('asker', '--network', 'shop', '--dns', server.address);
      expect(await ask('asker', 'A', 'answer.test')).toEqual(answered);
      expect(await ask('asker', 'A', 'missing')).toEqual(MISSING);
      expect(await ask('asker', 'A', 'web')).toEqual(found(await addressOf('web', 'shop')));
      const { records } = (await ask('asker', 'A', 'long.test')) as { records: object[] };
      expect(records).toHaveLength(60);
      expect(server.questions).toEqual(['udp answer.test', 'udp missing', 'udp long.test', 'tcp long.test']);
      await instance.berthOk(['rm', '-f', 'asker']);
    });

    it("are asked of the host's servers as they are now", async () => {
      const host = `${instance.execRoot}/n/host`;
      const before = await readFile(host, 'utf8');
      expect(before).toBe(await readFile('/etc/resolv.conf', 'utf8'));
      await start('asker', '--network', 'shop');
      await writeFile(host, `nameserver ${server.address}\n`);
      expect(await ask('asker', 'A', 'host.test')).toEqual(answered);
      expect(server.questions).toContain('udp host.test');
      await writeFile(host, before);
      await instance.berthOk(['rm', '-f', 'asker']);
    });

    it('are asked of the next server when one refuses or says nothing', async () => {
      await start('asker', '--network', 'shop', '--dns', server.address, '--dns', outside.address);
      expect(await ask('asker', 'A', 'refused.test')).toEqual({ code: 'EREFUSED' });
      expect(await ask('asker', 'A', 'silent.test')).toEqual(answered);
      expect(outside.questions.slice(-2)).toEqual(['udp refused.test', 'udp silent.test']);
      await server.stop();
      expect(await ask('asker', 'A', 'answer.test')).toEqual(answered);
      await instance.berthOk(['rm', '-f', 'asker']);
    });

    it("are asked with the container's search domains and options", async () => {
      await start(
        'searcher',
        ...['--network', 'shop', '--dns', outside.address, '--dns-search', 'inner.test'],
        ...['--dns-option', 'ndots:2'],
      );
      expect(await instance.berthOk(['exec', 'searcher', 'tail', '-n', '3', '/etc/resolv.conf'])).toBe(
        'nameserver 127.0.0.11\nsearch inner.test\noptions ndots:2',
      );
      await instance.berth(['exec', 'searcher', 'ping', '-c', '1', '-W', '1', 'deep.name']);
      expect(outside.questions).toContain('udp deep.name.inner.test');
      await instance.berthOk(['rm', '-f', 'searcher']);
    });

    it("are asked of a server on the container's own loopback through its own network", async () => {
      await start('own', '--network', 'shop', '--dns', '127.0.0.1');
      const { pid } = await facts('own');
      await using own = await serveDns(`/proc/${pid}/ns/net`);
      expect(await ask('own', 'A', 'answer.test')).toEqual(answered);
      expect(own.questions).toEqual(['udp answer.test']);
      expect(await ask('own', 'A', 'web')).toEqual(found(await addressOf('web', 'shop')));
      await instance.berthOk(['rm', '-f', 'own']);
    });
  });
});

interface Endpoint {
  readonly IPAddress: string;
  readonly GlobalIPv6Address: string;
  readonly DNSNames: readonly string[] | null;
}

interface DnsServer extends AsyncDisposable {
  readonly address: string;
  /** "udp answer.test", in the order in which they came. */
  readonly questions: readonly string[];
  stop(): Promise<void>;
}

/** On a host beside this one. */
async function startDnsServer(
  namespaces: HeldNamespaces,
  number: number,
  ...args: readonly string[]
): Promise<DnsServer> {
  const { namespace, address } = await namespaces.neighbour(number);
  const server = await serveDns(namespace.path, args);
  return Object.assign(server, { address });
}

async function serveDns(namespacePath: string, args: readonly string[] = []): Promise<DnsServer> {
  const child = spawn('nsenter', [
    `--net=${namespacePath}`,
    ...[process.execPath, `${FIXTURES}/dns-server.ts`, ...args],
  ]);
  const questions: string[] = [];
  const lines = createInterface({ input: child.stdout });
  const [ready] = (await once(lines, 'line')) as [string];
  if (ready !== 'ready') throw new Error(`the DNS server says ${ready}`);
  lines.on('line', (line) => questions.push(line));
  const stop = () => end(child);
  return { address: '127.0.0.1', questions, stop, [Symbol.asyncDispose]: stop };
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}

/** A firewall of the host's user that lets in what the host itself asked for, and nothing else. */
async function dropInput(): Promise<AsyncDisposable> {
  const rules = `table inet test-firewall {
    chain input {
      type filter hook input priority filter; policy drop;
      iifname lo accept
      ct state established,related accept
    }
  }\n`;
  await runChecked('nft', ['-f', '-'], { input: rules });
  return {
    async [Symbol.asyncDispose]() {
      await runChecked('nft', ['delete', 'table', 'inet', 'test-firewall']);
    },
  };
}
