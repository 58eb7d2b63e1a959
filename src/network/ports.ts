import { readdir, readFile, readlink } from 'node:fs/promises';

export interface PortHolder {
  readonly pid: number;
  readonly command: string;
}

/** The process that holds a host port, if one of this pid namespace does. */
export async function findPortHolder(
  protocol: 'tcp' | 'udp',
  ip: string,
  port: number,
): Promise<PortHolder | undefined> {
  const sockets = await listSockets('/proc/net', protocol);
  const inodes = new Set(
    sockets
      .filter(
        (socket) => socket.port === port && (isAny(ip) || isAny(socket.address) || socket.address === ip),
      )
      .map(({ inode }) => inode),
  );
  if (inodes.size === 0) return undefined;
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    if (await holdsSocket(pid, inodes)) return { pid: Number(pid), command: await commandOf(pid) };
  }
  return undefined;
}

/** The ports that processes in the network namespace of `pid` listen on, ascending. */
export async function listeningPorts(pid: number, protocol: 'tcp' | 'udp'): Promise<number[]> {
  const sockets = await listSockets(`/proc/${pid}/net`, protocol);
  return [...new Set(sockets.map(({ port }) => port))].sort((a, b) => a - b);
}

interface ListeningSocket {
  /** Dotted; IPv6 addresses are kept as hex digits, "::" for every address. */
  readonly address: string;
  readonly port: number;
  readonly inode: string;
}

/** States in /proc/net/tcp and udp that mean "listens" (include/net/tcp_states.h): LISTEN, and CLOSE for UDP. */
const LISTENING = { tcp: '0A', udp: '07' };

async function listSockets(folder: string, protocol: 'tcp' | 'udp'): Promise<ListeningSocket[]> {
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

/** An IPv4 address stands there as a little-endian number in hex. */
function parseProcAddress(hex: string): string {
  if (/^0+$/.test(hex)) return hex.length === 8 ? '0.0.0.0' : '::';
  if (hex.length !== 8) return hex;
  return [6, 4, 2, 0].map((at) => Number.parseInt(hex.slice(at, at + 2), 16)).join('.');
}

const isAny = (address: string) => address === '0.0.0.0' || address === '::';

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
