import { rm, stat, writeFile } from 'node:fs/promises';
import { runChecked } from '../../src/base/index.ts';
import type { NetworkNamespace } from '../../src/runtime/contract.ts';

/** A pair of interfaces: one is in a network namespace, with the guest's address, the other is the host's. */
export interface Pair {
  /** Its name in the namespace. */
  readonly name: string;
  readonly hostName: string;
  /** Without the prefix, which is 24 bits. */
  readonly guest: string;
  readonly host: string;
  readonly mtu: number;
}

/** Makes a pair; returns its hardware addresses. The host's end is to be deleted by its name, and takes the other along. */
export async function connectNamespace(
  { path }: NetworkNamespace,
  { name, hostName, guest, host, mtu }: Pair,
): Promise<{ guest: string; host: string }> {
  const inside = (...args: string[]) => runChecked('nsenter', [`--net=${path}`, 'ip', ...args]);
  const peer = ['type', 'veth', 'peer', 'name', hostName, 'netns', String(process.pid)];
  await inside('link', 'add', name, 'mtu', String(mtu), ...peer);
  await runChecked('ip', ['link', 'set', hostName, 'mtu', String(mtu), 'up']);
  await runChecked('ip', ['address', 'add', `${host}/24`, 'dev', hostName]);
  await inside('address', 'add', `${guest}/24`, 'dev', name);
  await inside('link', 'set', name, 'up');
  const { stdout } = await inside('-o', 'link', 'show', name);
  const hostLink = await runChecked('ip', ['-o', 'link', 'show', hostName]);
  return { guest: hardwareAddress(stdout), host: hardwareAddress(hostLink.stdout) };
}

function hardwareAddress(link: Buffer): string {
  return /link\/ether (\S+)/.exec(link.toString())?.[1] ?? '';
}

/** What the resolver answers to a namespace on the network `shop`: names with their addresses. */
export async function writeNames(
  execRoot: string,
  { path }: NetworkNamespace,
  names: Readonly<Record<string, string>>,
): Promise<void> {
  const { ino } = await stat(path);
  const lines = Object.entries(names).flatMap(([name, address]) => [
    `host ${address} ${name}`,
    `name ${name} ${address}`,
  ]);
  await writeFile(`${execRoot}/n/n-5409`, ['berth-names 1', 'network shop', ...lines, 'end', ''].join('\n'));
  await writeFile(`${execRoot}/n/s-${ino}`, 'berth-names 1\nnetwork 5409\nend\n');
}

/** The resolver ends with its launcher when it has no names to tell. */
export async function removeNames(execRoot: string, { path }: NetworkNamespace): Promise<void> {
  const { ino } = await stat(path);
  await rm(`${execRoot}/n/s-${ino}`);
}
