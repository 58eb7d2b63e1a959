import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { run, runChecked } from '../base/index.ts';
import type { NamespaceHandle, NamespaceSource } from './contract.ts';

/** Seconds that an answer may take to come, on a busy machine. */
export const PATIENCE = 20;

/** Anything with a network namespace: a container, or a host beside this one. */
export interface Member {
  readonly namespace: NamespaceHandle;
}

/** A host beside this one, and this host's address on their link. */
export interface Neighbour extends Member {
  readonly address: string;
  readonly hostAddress: string;
}

/** Namespaces for tests, held by a process each, as the launcher holds them by descriptors; and traffic between them. */
export class HeldNamespaces implements NamespaceSource, AsyncDisposable {
  readonly #holders = new Map<number, ChildProcess>();
  readonly #servers: ChildProcess[] = [];
  /** This host's ends of the links to neighbours. */
  readonly #links: string[] = [];

  get count(): number {
    return this.#holders.size;
  }

  async create(): Promise<NamespaceHandle> {
    const holder = spawn('unshare', ['--net', 'cat'], { stdio: ['pipe', 'pipe', 'inherit'] });
    holder.stdin.write('ready');
    await once(holder.stdout, 'data');
    const handle = holder.pid ?? 0;
    this.#holders.set(handle, holder);
    const path = `/proc/${handle}/ns/net`;
    await runChecked('nsenter', [`--net=${path}`, 'ip', 'link', 'set', 'lo', 'up']);
    return { handle, path };
  }

  async release({ handle }: NamespaceHandle): Promise<void> {
    const holder = this.#holders.get(handle);
    if (holder === undefined || !this.#holders.delete(handle)) return;
    await end(holder);
  }

  /** A host on the same link as this one: 198.18.<number>.2, and this host is 198.18.<number>.1. */
  neighbour(number: number): Promise<Neighbour> {
    return this.#neighbour(`neighbour${number}`, [`198.18.${number}.2`, `198.18.${number}.1`], '24');
  }

  /** As {@link neighbour}, with IPv6: 2001:db8:<number>::2 and ::1. */
  neighbourWithIPv6(number: number): Promise<Neighbour> {
    const prefix = `2001:db8:${number}::`;
    return this.#neighbour(`six${number}`, [`${prefix}2`, `${prefix}1`], '64 nodad');
  }

  async #neighbour(
    link: string,
    [address, hostAddress]: readonly [string, string],
    suffix: string,
  ): Promise<Neighbour> {
    const namespace = await this.create();
    this.#links.push(link);
    const pair = `link add ${link} type veth peer name eth0 netns ${namespace.path}`;
    const [length, ...flags] = suffix.split(' ');
    const add = (ip: string, device: string) =>
      ['addr add', `${ip}/${length}`, 'dev', device, ...flags].join(' ');
    await batch(['ip'], [pair, add(hostAddress, link), `link set ${link} up`]);
    await batch(
      ['nsenter', `--net=${namespace.path}`, 'ip'],
      [add(address, 'eth0'), 'link set eth0 up', `route add default via ${hostAddress}`],
    );
    return { namespace, address, hostAddress };
  }

  /** A TCP server that answers each connection with the client's address. Listens when this resolves. */
  async serve({ namespace }: Member, port: number, host = '0.0.0.0'): Promise<void> {
    const script = `require('net').createServer((s) => s.end(s.remoteAddress)).listen(${port}, '${host}', () => console.log())`;
    const server = spawn('nsenter', [`--net=${namespace.path}`, process.execPath, '-e', script]);
    this.#servers.push(server);
    await once(server.stdout, 'data');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#servers.splice(0).map(end));
    // They would go with their namespaces too, but some time later.
    for (const link of this.#links.splice(0)) await run('ip', ['link', 'del', link]);
    await Promise.all([...this.#holders.keys()].map((handle) => this.release({ handle, path: '' })));
  }
}

/** Runs a program in a namespace, or on this host. */
export function inside(member: Member | 'host', ...command: [string, ...string[]]) {
  const [file, ...args] = command;
  return member === 'host'
    ? run(file, args)
    : run('nsenter', [`--net=${member.namespace.path}`, file, ...args]);
}

/** The address that a {@link HeldNamespaces.serve server} sees us come from, however long that takes on a busy machine. */
export function seenFrom(member: Member | 'host', address: string, port: number) {
  return heard(member, address, port, PATIENCE);
}

/** The same; undefined when the server is not reached within a second. */
export function seenAtOnce(member: Member | 'host', address: string, port: number) {
  return heard(member, address, port, 1);
}

async function heard(member: Member | 'host', address: string, port: number, seconds: number) {
  const { stdout } = await inside(member, 'busybox', 'nc', '-w', String(seconds), address, String(port));
  return stdout.toString().trim() || undefined;
}

async function batch(command: readonly [string, ...string[]], lines: readonly string[]): Promise<void> {
  const [file, ...args] = command;
  await runChecked(file, [...args, '-batch', '-'], { input: `${lines.join('\n')}\n` });
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}
