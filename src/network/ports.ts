import { readdir, readFile, readlink } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import type { PortProtocol } from '../base/index.ts';
import { RESOLVER_ADDRESS } from './container-files.ts';

export interface PortHolder {
  readonly pid: number;
  readonly command: string;
}

/**
 * The process that holds a host port, if one of this pid namespace does. An address that is empty or unspecified
 * stands for every one, and so does that of a socket. Nobody is found for SCTP, whose ports only engines hold.
 */
export async function findPortHolder(
  protocol: PortProtocol,
  ip: string,
  port: number,
): Promise<PortHolder | undefined> {
  const wanted = ip.includes(':') ? canonicalIPv6(ip) : ip;
  const sockets = await listSockets('/proc/net', protocol);
  const inodes = new Set(
    sockets
      .filter(
        ({ port: held, address }) => held === port && (isAny(wanted) || isAny(address) || address === wanted),
      )
      .map(({ inode }) => inode),
  );
  if (inodes.size === 0) return undefined;
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    if (await holdsSocket(pid, inodes)) return { pid: Number(pid), command: await commandOf(pid) };
  }
  return undefined;
}

/** The ports that a container's processes listen on, ascending; `pid` is one of them. SCTP's are not known: none. */
export async function listeningPorts(pid: number, protocol: PortProtocol): Promise<number[]> {
  const all = await listSockets(`/proc/${pid}/net`, protocol);
  const sockets = all.filter(({ address }) => address !== RESOLVER_ADDRESS);
  return [...new Set(sockets.map(({ port }) => port))].sort((a, b) => a - b);
}

/** Whether the host has IPv6: only its loopback address says so for certain, in a kernel without and where it is disabled. */
export function hasIPv6(): boolean {
  return Object.values(networkInterfaces()).some((addresses = []) =>
    addresses.some(({ address }) => address === '::1'),
  );
}

interface ListeningSocket {
  /** Dotted, or IPv6 in its shortest form. */
  readonly address: string;
  readonly port: number;
  readonly inode: string;
}

/** States in /proc/net/tcp and udp that mean "listens" (include/net/tcp_states.h): LISTEN, and CLOSE for UDP. */
const LISTENING = { tcp: '0A', udp: '07' } as const;

async function listSockets(folder: string, protocol: PortProtocol): Promise<ListeningSocket[]> {
  if (protocol === 'sctp') return [];
  const tables = await Promise.all(
    [protocol, `${protocol}6`].map((name) => readFile(`${folder}/${name}`, 'utf8').catch(() => '')),
  );
  return tables.flatMap((table) =>
    table
      .split('\n')
      .slice(1)
      .flatMap((line) => {
        const [, local = '', , state, , , , , , inode] = line.trim().split(/\s+/);
        const [address = '', port = ''] = local.split(':');
        if (state !== LISTENING[protocol] || inode === undefined) return [];
        return [{ address: parseProcAddress(address), port: Number.parseInt(port, 16), inode }];
      }),
  );
}

/** Addresses stand there as little-endian 32-bit numbers in hex: one for IPv4, four for IPv6. */
function parseProcAddress(hex: string): string {
  const words = hex.match(/.{8}/g) ?? [];
  const bytes = words.map((word) => [6, 4, 2, 0].map((at) => word.slice(at, at + 2)));
  const dotted = (word: readonly string[] = []) => word.map((byte) => Number.parseInt(byte, 16)).join('.');
  if (bytes.length < 4) return dotted(bytes[0]);
  if (hex.startsWith(IPV4_MAPPED)) return dotted(bytes[3]);
  return canonicalIPv6(bytes.map(([a, b, c, d]) => `${a}${b}:${c}${d}`).join(':'));
}

/** ::ffff:0:0/96 (RFC 4291, 2.5.5.2), as /proc shows it: an IPv6 socket with an IPv4 address. */
const IPV4_MAPPED = `${'0'.repeat(16)}FFFF0000`;

/** The shortest form of an address (RFC 5952), without brackets; as it is when it is none. */
function canonicalIPv6(address: string): string {
  const url = URL.parse(`http://[${address}]`);
  return url === null ? address : url.hostname.slice(1, -1);
}

const isAny = (address: string) => ['', '0.0.0.0', '::'].includes(address);

async function holdsSocket(pid: string, inodes: ReadonlySet<string>): Promise<boolean> {
  const descriptors = await readdir(`/proc/${pid}/fd`).catch(() => []);
  for (const descriptor of descriptors) {
    const target = await readlink(`/proc/${pid}/fd/${descriptor}`).catch(() => '');
    const inode = /^socket:\[(\d+)\]$/.exec(target)?.[1];
    if (inode !== undefined && inodes.has(inode)) return true;
  }
  return false;
}

async function commandOf(pid: string): Promise<string> {
  return (await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => 'unknown')).trim();
}
