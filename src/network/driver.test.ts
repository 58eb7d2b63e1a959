import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { newContainerId, newNetworkId, run } from '../base/index.ts';
import type { BridgeNetwork, NamespaceHandle, NamespaceSource, NetworkDriver } from './contract.ts';
import { createNetworkDriver } from './driver.ts';

/** Namespaces held by a process each, as the launcher holds them by descriptors. */
class HeldNamespaces implements NamespaceSource, AsyncDisposable {
  readonly #holders = new Map<number, ChildProcess>();

  async create(): Promise<NamespaceHandle> {
    const holder = spawn('unshare', [
      '--net',
      'sh',
      '-c',
      'ip link set lo up; echo ready; exec sleep infinity',
    ]);
    await once(holder.stdout, 'data');
    const handle = holder.pid ?? 0;
    this.#holders.set(handle, holder);
    return { handle, path: `/proc/${handle}/ns/net` };
  }

  async release({ handle }: NamespaceHandle): Promise<void> {
    const holder = this.#holders.get(handle);
    if (holder === undefined || !this.#holders.delete(handle)) return;
    const exited = once(holder, 'exit');
    holder.kill('SIGKILL');
    await exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const handle of [...this.#holders.keys()]) await this.release({ handle, path: '' });
  }
}

const inSandbox = process.env.BERTH_SANDBOX === '1';

/** Runs in a network namespace of the test run's own (scripts/test): it changes interfaces and rules. */
describe.runIf(inSandbox)('the network driver', () => {
  let namespaces: HeldNamespaces;
  let driver: NetworkDriver;
  beforeEach(async () => {
    namespaces = new HeldNamespaces();
    driver = createNetworkDriver({ instance: 'nettest', namespaces });
    await driver.restore({ networks: [], endpoints: [], ports: [] });
  });
  afterEach(async () => {
    await namespaces[Symbol.asyncDispose]();
    await driver.removeInstance();
  });

  const bridge = (name: string, options: object = {}) =>
    driver.createBridge({ id: newNetworkId(), name, ...options });
  const join = async (network: BridgeNetwork, options = {}) => {
    const containerId = newContainerId();
    return { containerId, ...(await driver.connectNew(containerId, network, options)) };
  };
  const inside = async ({ namespace }: { namespace: NamespaceHandle }, ...command: string[]) =>
    run('nsenter', [`--net=${namespace.path}`, ...command]);
  /** Answers each connection with "hello"; returns when it listens. */
  const serve = async (member: { namespace: NamespaceHandle }, port: number) => {
    const script = `require('net').createServer((s) => s.end('hello')).listen(${port}, () => console.log('ready'))`;
    const server = spawn('nsenter', [`--net=${member.namespace.path}`, process.execPath, '-e', script]);
    await once(server.stdout, 'data');
    return server;
  };
  const reaches = async (member: { namespace: NamespaceHandle }, address: string, port: number) => {
    const { stdout } = await inside(member, 'busybox', 'nc', '-w', '1', address, String(port));
    return stdout.toString().trim() === 'hello';
  };

  it('connects containers of one network, and gives them the address that they ask for', async () => {
    const network = await bridge('one', { subnet: '10.77.0.0/24' });
    const a = await join(network);
    const b = await join(network, { address: '10.77.0.9' });
    expect(b.endpoint.address).toBe('10.77.0.9');
    expect((await inside(a, 'ping', '-c1', '-W2', '10.77.0.9')).code).toBe(0);
    await expect(join(network, { address: '10.77.0.9' })).rejects.toThrow(
      'Address already in use: 10.77.0.9',
    );
    await expect(join(network, { address: '10.78.0.9' })).rejects.toThrow('not in the subnet');
  });

  it('keeps networks apart, and internal ones from everything', async () => {
    const [front, back, inner] = [
      await bridge('front'),
      await bridge('back'),
      await bridge('inner', { internal: true }),
    ];
    const [a, b, c] = [await join(front), await join(back), await join(inner)];
    expect((await inside(a, 'ping', '-c1', '-W1', b.endpoint.address)).code).not.toBe(0);
    expect((await inside(a, 'ping', '-c1', '-W1', c.endpoint.address)).code).not.toBe(0);
    expect((await inside(c, 'ip', 'route', 'show', 'default')).stdout.toString()).toBe('');
  });

  it('publishes a port on the addresses asked for, for neighbours and for containers by the host', async () => {
    const network = await bridge('web');
    const server = await join(network);
    const client = await join(network);
    const other = await join(await bridge('elsewhere'));
    const web = await serve(server, 80);
    await expect.poll(() => reaches(client, server.endpoint.address, 80)).toBe(true);
    const port = { protocol: 'tcp', containerIp: server.endpoint.address, containerPort: 80 } as const;
    await driver.publish(server.containerId, [
      { ...port, hostIp: '0.0.0.0', hostPort: 8080 },
      { ...port, hostIp: '127.0.0.1', hostPort: 8081 },
    ]);
    expect(await reaches(client, network.gateway, 8080)).toBe(true);
    expect(await reaches(other, network.gateway, 8080)).toBe(true);
    expect(await reaches(other, server.endpoint.address, 81)).toBe(false);
    expect(await reaches(client, network.gateway, 8081)).toBe(false);
    await driver.unpublish(server.containerId);
    expect(await reaches(client, network.gateway, 8080)).toBe(false);
    web.kill();
  });

  it("honours a rule of the host's own that drops a published port", async () => {
    const network = await bridge('web');
    const server = await join(network);
    const other = await join(await bridge('elsewhere'));
    const web = await serve(server, 80);
    const port = { protocol: 'tcp', containerIp: server.endpoint.address, containerPort: 80 } as const;
    await driver.publish(server.containerId, [{ ...port, hostIp: '0.0.0.0', hostPort: 8080 }]);
    await expect.poll(() => reaches(other, network.gateway, 8080)).toBe(true);
    const rule = 'table inet mine { chain f { type filter hook forward priority 10; tcp dport 80 drop; }; }';
    await run('nft', ['-f', '-'], { input: rule });
    expect(await reaches(other, network.gateway, 8080)).toBe(false);
    await run('nft', ['delete', 'table', 'inet', 'mine']);
    web.kill();
  });

  it('puts back what was flushed, takes living addresses as used, and removes what has no record', async () => {
    const network = await bridge('kept', { subnet: '10.79.0.0/24' });
    const a = await join(network);
    await run('nft', ['delete', 'table', 'ip', 'berth_nettest']);
    await run('ip', ['link', 'add', 'vnettestdead', 'type', 'bridge']);
    const next = createNetworkDriver({ instance: 'nettest', namespaces });
    await next.restore({ networks: [network], endpoints: [a.endpoint], ports: [] });
    const { endpoint } = await next.connectNew(newContainerId(), network);
    expect(endpoint.address).not.toBe(a.endpoint.address);
    expect((await run('nft', ['list', 'table', 'ip', 'berth_nettest'])).code).toBe(0);
    expect((await run('ip', ['link', 'show', 'vnettestdead'])).code).not.toBe(0);
  });

  it('chooses subnets that nobody uses and names what a chosen one overlaps with', async () => {
    const first = await bridge('first');
    const second = await bridge('second');
    expect(first.subnet).not.toBe(second.subnet);
    await expect(bridge('third', { subnet: first.subnet })).rejects.toThrow('overlaps with network first');
    await run('ip', ['link', 'add', 'vpn0', 'type', 'bridge']);
    await run('ip', ['addr', 'add', '10.99.0.1/16', 'dev', 'vpn0']);
    await run('ip', ['link', 'set', 'vpn0', 'up']);
    await expect(bridge('third', { subnet: '10.99.7.0/24' })).rejects.toThrow(
      "the host's route to 10.99.0.0/16 on vpn0",
    );
    await run('ip', ['link', 'del', 'vpn0']);
  });

  it('leaves nothing on the host when its instance is removed', async () => {
    await join(await bridge('gone'));
    await driver.removeInstance();
    expect((await run('nft', ['list', 'tables'])).stdout.toString()).not.toContain('berth_nettest');
    expect((await run('ip', ['-o', 'link'])).stdout.toString()).not.toMatch(/v?b?r?nettest/);
  });
});
