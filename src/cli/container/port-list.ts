import type { PublishedPort } from '../../client/index.ts';

/**
 * The PORTS column: `0.0.0.0:8000->5050/tcp, 80/tcp`. Ports that follow each other and are published under their own number
 * (or not at all) become a range, as docker shows them.
 */
export function formatPorts(ports: readonly PublishedPort[]): string {
  const groups = new Map<
    string,
    { readonly ip: string | undefined; readonly type: string; ranges: [number, number][] }
  >();
  const mapped: string[] = [];
  for (const { IP: ip, PrivatePort: port, PublicPort: published, Type: type } of [...ports].sort(
    comparePorts,
  )) {
    if (ip !== undefined && ip !== '' && published !== port) {
      mapped.push(`${joinHostPort(ip, String(published))}->${port}/${type}`);
      continue;
    }
    const key = `${ip ?? ''}/${type}`;
    const group = groups.get(key) ?? { ip: ip === '' ? undefined : ip, type, ranges: [] };
    groups.set(key, group);
    const last = group.ranges.at(-1);
    if (last !== undefined && port === last[1] + 1) last[1] = port;
    else group.ranges.push([port, port]);
  }
  const grouped = [...groups.values()].flatMap(({ ip, type, ranges }) =>
    ranges.map(([first, last]) => {
      const range = first === last ? String(first) : `${first}-${last}`;
      return `${ip === undefined ? '' : `${joinHostPort(ip, range)}->`}${range}/${type}`;
    }),
  );
  return [...grouped, ...mapped].join(', ');
}

function comparePorts(a: PublishedPort, b: PublishedPort): number {
  return (
    a.PrivatePort - b.PrivatePort ||
    byteOrder(a.IP ?? '', b.IP ?? '') ||
    (a.PublicPort ?? 0) - (b.PublicPort ?? 0) ||
    byteOrder(a.Type, b.Type)
  );
}

/** A locale's order would put "::" before "0.0.0.0". */
function byteOrder(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

/** "127.0.0.1:80", "[::1]:80". */
export function joinHostPort(ip: string, port: string): string {
  return ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`;
}
