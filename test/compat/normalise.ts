/** Replaces what must differ between two daemons and two runs: ids, times, addresses, sizes. */
export function normalise(value: unknown, key = ''): unknown {
  if (Array.isArray(value)) return sortMounts(key, value).map((item) => normalise(item, key));
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).map(([name, member]) => [
      normaliseText(name),
      normalise(member, name),
    ]);
    return Object.fromEntries(entries.sort(([a], [b]) => String(a).localeCompare(String(b))));
  }
  if (typeof value === 'number' && VARYING_NUMBERS.has(key)) return value === 0 ? 0 : `<${key}>`;
  if (typeof value === 'string')
    return VARYING_TEXTS.has(key) && value !== '' ? `<${key}>` : normaliseText(value);
  return value;
}

/** dockerd lists the mounts of a container in no order. */
function sortMounts(key: string, list: readonly unknown[]): readonly unknown[] {
  const place = (mount: unknown) =>
    typeof mount === 'object' && mount !== null && 'Destination' in mount ? String(mount.Destination) : '';
  return key === 'Mounts' ? list.toSorted((a, b) => (place(a) < place(b) ? -1 : 1)) : list;
}

const VARYING_NUMBERS = new Set([
  'Created',
  'Pid',
  'Size',
  'SharedSize',
  'time',
  'timeNano',
  'current',
  'total',
  'PublicPort',
]);

const VARYING_TEXTS = new Set([
  'berth.stand-in',
  'EndpointID',
  'execDuration',
  'Gateway',
  'HostPort',
  'HostnamePath',
  'HostsPath',
  'IPAddress',
  'IPv4Address',
  'LogPath',
  'MacAddress',
  'Mountpoint',
  'ResolvConfPath',
  'SandboxKey',
  'org.opencontainers.image.description',
  'Source',
  'Subnet',
]);

function normaliseText(text: string): string {
  return text
    .replace(/\b[0-9a-f]{64}\b/g, '<id>')
    .replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)/g, (time) =>
      time.startsWith('0001') ? time : '<time>',
    )
    .replace(/\b[0-9a-f]{12}\b/g, '<short id>')
    .replace(
      /\b(Up|Exited \(\d+\)|Restarting \(\d+\)) (Less than a second|\d+ seconds?|About a minute)/g,
      '$1 <duration>',
    );
}

/** The body as JSON, JSON lines, or a text that keeps stream headers readable. */
export function parseBody(contentType: string, body: Buffer): unknown {
  const text = body.toString();
  if (contentType.startsWith('application/vnd.docker.multiplexed-stream')) return demultiplex(body);
  if (!contentType.startsWith('application/json') || text.trim() === '') return text;
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== '');
  return lines.length === 1 ? JSON.parse(text) : lines.map((line) => JSON.parse(line));
}

/** All bytes per stream: how they were cut into frames may differ. */
function demultiplex(body: Buffer): Record<string, string> {
  const streams: Record<string, Buffer[]> = {};
  let at = 0;
  while (at + 8 <= body.length) {
    const name = body.readUInt8(at) === 2 ? 'stderr' : 'stdout';
    const length = body.readUInt32BE(at + 4);
    streams[name] = [...(streams[name] ?? []), body.subarray(at + 8, at + 8 + length)];
    at += 8 + length;
  }
  return Object.fromEntries(
    Object.entries(streams).map(([name, chunks]) => [name, Buffer.concat(chunks).toString()]),
  );
}
