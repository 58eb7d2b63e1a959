import { isIP } from 'node:net';
import { invalid, isPortProtocol } from '../../base/index.ts';
import type { PortBinding } from '../../client/index.ts';

/** What `-p` and `--expose` ask for, as the API takes it. */
export interface PublishedPorts {
  readonly exposed: Record<string, object>;
  readonly bindings: Record<string, PortBinding[]>;
}

interface PortRange {
  readonly first: number;
  readonly last: number;
}

/**
 * Parses `[[ip:][hostPort]:]containerPort[/protocol]`, each port also a range, and `--expose` ports.
 * Throws `invalid` with the part that is wrong.
 */
export function parsePorts(publish: readonly string[], expose: readonly string[]): PublishedPorts {
  const ports: PublishedPorts = { exposed: {}, bindings: {} };
  for (const spec of publish) addPublished(ports, spec);
  for (const spec of expose) {
    const [range, protocol] = splitProtocol(spec);
    const { first, last } = parseRange(range, 'containerPort');
    for (let port = first; port <= last; port += 1) ports.exposed[`${port}/${protocol}`] = {};
  }
  return ports;
}

function addPublished({ exposed, bindings }: PublishedPorts, spec: string): void {
  const [rest, protocol] = splitProtocol(spec);
  const parts = rest.split(':');
  const containerText = parts.at(-1) ?? '';
  const hostText = parts.at(-2);
  const ip = hostAddress(parts.slice(0, -2).join(':'));
  if (containerText === '') throw invalid(`no port specified: ${spec}<empty>`);
  const container = parseRange(containerText, 'containerPort');
  const host = hostText === undefined || hostText === '' ? undefined : parseRange(hostText, 'hostPort');
  const containerCount = container.last - container.first;
  const hostCount = host === undefined ? containerCount : host.last - host.first;
  if (hostCount !== containerCount && containerCount > 0) {
    throw invalid(`invalid ranges specified for container and host Ports: ${containerText} and ${hostText}`);
  }
  for (let offset = 0; offset <= containerCount; offset += 1) {
    const key = `${container.first + offset}/${protocol}`;
    exposed[key] = {};
    const binding = { HostIp: ip, HostPort: hostPort(host, containerCount, offset) };
    bindings[key] = [...(bindings[key] ?? []), binding];
  }
}

/** An address without the brackets of IPv6; whatever stands before the ports must be one. */
function hostAddress(text: string): string {
  const ip = /^\[(.*)\]$/.exec(text)?.[1] ?? text;
  if (ip !== '' && isIP(ip) === 0) throw invalid(`invalid IP address: ${text}`);
  return ip;
}

/** One host port for each of a range; for a single container port, the range that the engine may choose from. */
function hostPort(host: PortRange | undefined, containerCount: number, offset: number): string {
  if (host === undefined) return '';
  if (containerCount === 0 && host.first !== host.last) return `${host.first}-${host.last}`;
  return String(host.first + offset);
}

function splitProtocol(spec: string): [string, string] {
  const [rest = '', protocol = 'tcp'] = spec.split('/');
  const lower = protocol.toLowerCase();
  if (!isPortProtocol(lower)) throw invalid(`invalid proto: ${protocol}`);
  return [rest, lower];
}

function parseRange(text: string, what: string): PortRange {
  const [, first, last = first] = /^(\d+)(?:-(\d+))?$/.exec(text) ?? [];
  const range = { first: Number(first), last: Number(last) };
  if (first === undefined || range.last > 65535 || range.first > range.last) {
    throw invalid(`invalid ${what}: ${text}`, {
      hint: 'A port is a number up to 65535, or a range like 8000-8010',
    });
  }
  return range;
}
