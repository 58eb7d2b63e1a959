import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newContainerId, newNetworkId, runChecked } from '../../base/index.ts';
import type { NetworkDriver, ReachablePort } from '../contract.ts';
import { createNetworkDriver } from '../driver.ts';
import { HeldNamespaces, type Neighbour, seenAtOnce, seenFrom } from '../held-namespaces.fixture.ts';
import { firewalld, UFW, UFW_ROUTE_ALLOW } from './host-firewalls.fixture.ts';
import type { Passage } from './verdict.ts';

/** Rules that a host may have of its own, and whether another host still gets to port 8080, which leads to port 80. */
const RULES: readonly (readonly [string, string, Passage['kind']])[] = [
  ['nothing', '', 'passed'],
  ['a policy', chain('forward', 'drop'), 'stopped'],
  [
    'a policy with exceptions',
    chain('forward', 'drop', ['ct status dnat accept', 'ct state established accept']),
    'passed',
  ],
  ['a rule for the translated port', chain('forward', 'accept', ['tcp dport 80 reject']), 'stopped'],
  ['a rule for other ports', chain('forward', 'accept', ['tcp dport { 81, 90-99 } drop']), 'passed'],
  ['a rule for udp', chain('forward', 'accept', ['udp dport 80 drop']), 'passed'],
  ['a rule for a range', chain('forward', 'accept', ['meta l4proto tcp th dport 79-81 drop']), 'stopped'],
  ['a rule for a subnet', chain('forward', 'accept', ['ip daddr 10.90.0.0/16 drop']), 'stopped'],
  ['a rule for IPv6', chain('forward', 'accept', ['ip6 daddr ::/0 drop']), 'passed'],
  ['a rule by interface', chain('forward', 'accept', ['oifname "brreach*" drop']), 'stopped'],
  ['a rule before the translation', chain('prerouting', 'accept', ['tcp dport 8080 drop']), 'stopped'],
  [
    'a set',
    chain(
      'forward',
      'accept',
      ['tcp dport @web drop'],
      'set web { type inet_service; elements = { 80, 443 }; }',
    ),
    'stopped',
  ],
  [
    'an empty set',
    chain('forward', 'accept', ['ip saddr @none drop'], 'set none { type ipv4_addr; }'),
    'passed',
  ],
  [
    'another chain',
    chain(
      'forward',
      'drop',
      ['jump more'],
      'chain more {\nip daddr 10.90.0.2 accept\nip saddr 10.90.0.2 accept\n}',
    ),
    'passed',
  ],
  [
    'a chain that returns',
    chain(
      'forward',
      'accept',
      ['goto more'],
      'chain more {\ntcp dport 80 return\nct state established accept\ndrop\n}',
    ),
    'passed',
  ],
  ['chains of input', chain('input', 'drop'), 'passed'],
];

/** A table with one chain at a hook, and what else the table holds. */
function chain(hook: string, policy: string, rules: readonly string[] = [], more = ''): string {
  const head = `type filter hook ${hook} priority ${hook === 'prerouting' ? 'raw' : 'filter'}; policy ${policy};`;
  return `table inet own {\n${more}\nchain hooked {\n${[head, ...rules].join('\n')}\n}\n}\n`;
}

const inSandbox = process.env.BERTH_SANDBOX !== undefined;

/** Runs in a network namespace of the test run's own (scripts/test): it changes interfaces and rules. */
describe.runIf(inSandbox)('who gets to a published port', () => {
  let driver: NetworkDriver;
  let neighbour: Neighbour;
  let port: ReachablePort;
  const namespaces = new HeldNamespaces();
  beforeAll(async () => {
    driver = await createNetworkDriver({ instance: 'reach', localSeed: 'a machine', namespaces });
    await driver.restore({ networks: [], endpoints: [], ports: [] });
    const network = await driver.createBridge({ id: newNetworkId(), name: 'one', subnet: '10.90.0.0/24' });
    const containerId = newContainerId();
    const container = await driver.connectNew(containerId, network);
    await namespaces.serve(container, 80);
    neighbour = await namespaces.neighbour(9);
    port = {
      ...{ protocol: 'tcp', hostIp: '0.0.0.0', hostPort: 8080, containerPort: 80, networkId: network.id },
      containerIp: container.endpoint.address,
    };
    await driver.publish(containerId, [port]);
  });
  afterAll(async () => {
    await driver.removeInstance();
    await driver[Symbol.asyncDispose]();
    await namespaces[Symbol.asyncDispose]();
  });

  const withRules = async <T>(rules: string, work: () => Promise<T>): Promise<T> => {
    if (rules !== '') await runChecked('nft', ['-f', '-'], { input: rules });
    try {
      return await work();
    } finally {
      if (rules !== '') await runChecked('nft', ['delete', 'table', 'inet', 'own']);
    }
  };

  it.each(RULES)('is what the kernel lets through: %s', async (_name, rules, expected) => {
    await withRules(rules, async () => {
      const [reach] = await driver.reach([port]);
      expect(reach?.neighbours?.kind).toBe(expected);
      const see = expected === 'passed' ? seenFrom : seenAtOnce;
      const answer = await see(neighbour, neighbour.hostAddress, 8080);
      expect(answer).toBe(expected === 'passed' ? neighbour.address : undefined);
    });
  });

  it('names the rule or the policy that stops it', async () => {
    const stoppedBy = async (rules: string) => {
      const [reach] = await withRules(rules, () => driver.reach([port]));
      return reach?.neighbours;
    };
    const by = { table: 'inet own', chain: 'hooked' };
    expect(await stoppedBy(chain('forward', 'drop'))).toEqual({
      kind: 'stopped',
      by: { ...by, rule: undefined },
    });
    expect(await stoppedBy(chain('forward', 'accept', ['tcp dport 80 counter drop']))).toEqual({
      kind: 'stopped',
      by: { ...by, rule: 'tcp dport 80 drop' },
    });
    expect(await stoppedBy(chain('forward', 'accept', ['ip saddr 192.0.2.0/24 drop']))).toEqual({
      kind: 'perhaps-stopped',
      by: { ...by, rule: 'ip saddr 192.0.2.0/24 drop' },
    });
    expect(await stoppedBy(chain('forward', 'drop', ['ip saddr 192.0.2.0/24 accept']))).toEqual({
      kind: 'perhaps-stopped',
      by: { ...by, rule: undefined },
    });
  });

  const seen = () => seenAtOnce(neighbour, neighbour.hostAddress, 8080);
  const reached = async () => (await driver.reach([port]))[0]?.neighbours;

  it("is what ufw's rules let through, which stay as they are", async () => {
    await runChecked('iptables-restore', ['--noflush'], { input: UFW });
    try {
      const before = (await runChecked('iptables', ['-S', 'FORWARD'])).stdout.toString();
      const { bridge } = await driver.createBridge({ id: newNetworkId(), name: 'beside-ufw' });
      expect((await runChecked('iptables', ['-S'])).stdout.toString()).not.toContain(bridge);
      const policy = { table: 'ip filter', chain: 'FORWARD', rule: undefined };
      expect(await reached()).toEqual({ kind: 'stopped', by: policy });
      expect(await seen()).toBeUndefined();
      await runChecked('iptables', UFW_ROUTE_ALLOW.split(' '));
      expect(await reached()).toEqual({ kind: 'passed' });
      expect(await seen()).toBe(neighbour.address);
      expect((await runChecked('iptables', ['-S', 'FORWARD'])).stdout.toString()).toBe(before);
    } finally {
      await runChecked('nft', ['delete', 'table', 'ip', 'filter']);
    }
  });

  it("is what firewalld's rules let through", async () => {
    for (const strict of [false, true]) {
      await runChecked('nft', ['-f', '-'], { input: firewalld({ strict }) });
      try {
        expect((await reached())?.kind).toBe(strict ? 'stopped' : 'passed');
        expect(await seen()).toBe(strict ? undefined : neighbour.address);
      } finally {
        await runChecked('nft', ['delete', 'table', 'inet', 'firewalld']);
      }
    }
  });

  it.each([
    ['ip', 'forward'],
    ['bridge', 'output'],
    ['bridge', 'postrouting'],
  ])('is what a table of the family %s lets through at %s', async (family, hook) => {
    const type = `type filter hook ${hook} priority 0; policy accept;`;
    const rules = `table ${family} own {\nchain hooked {\n${type}\nip daddr 10.90.0.0/16 tcp dport 80 drop\n}\n}\n`;
    await runChecked('nft', ['-f', '-'], { input: rules });
    try {
      expect(await reached()).toMatchObject({
        kind: 'stopped',
        by: { table: `${family} own`, chain: 'hooked' },
      });
      expect(await seen()).toBeUndefined();
    } finally {
      await runChecked('nft', ['delete', 'table', family, 'own']);
    }
  });

  it('is in doubt where rules of iptables-legacy stop something', async () => {
    const drop = ['FORWARD', '-p', 'tcp', '--dport', '80', '-j', 'DROP'];
    await runChecked('iptables-legacy', ['-A', ...drop]);
    try {
      const by = { table: 'ip filter of iptables-legacy', chain: 'FORWARD' };
      expect(await reached()).toMatchObject({ kind: 'perhaps-stopped', by });
      expect(await seen()).toBeUndefined();
    } finally {
      await runChecked('iptables-legacy', ['-D', ...drop]);
    }
    expect(await reached()).toEqual({ kind: 'passed' });
  });

  it('knows that a port on loopback is for the host alone', async () => {
    const [reach] = await driver.reach([{ ...port, hostIp: '127.0.0.1' }]);
    expect(reach).toEqual({ host: { kind: 'passed' }, neighbours: undefined });
  });
});
