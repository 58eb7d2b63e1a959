import { isIP } from 'node:net';
import { invalid, isPortProtocol, PORT_PROTOCOLS } from '../base/index.ts';
import type { PortBinding, PortSelection } from '../engine/index.ts';
import type { Fields } from './fields.ts';

/** HostConfig.PortBindings: by container port ("80/tcp"), places on the host. Throws `invalid` with the part that is wrong. */
export function parsePorts(bindings: Fields): PortBinding[] {
  return bindings.names().flatMap((key) => {
    const port = containerPort(key);
    return bindings.objects(key).map((place) => ({ ...port, ...hostPlace(place) }));
  });
}

/** As {@link parsePorts}, but a port without places means all that it is published at. */
export function parseSelections(selections: Fields): PortSelection[] {
  return selections.names().flatMap((key) => {
    const port = containerPort(key);
    const places = selections.objects(key).map(hostPlace);
    return (places.length === 0 ? [{ hostIp: '', hostPort: 0 }] : places).map((place) => ({
      ...port,
      ...place,
    }));
  });
}

function containerPort(key: string): Pick<PortBinding, 'protocol' | 'containerPort'> {
  const [port = '', protocol] = portKey(key).split('/');
  if (!isPortProtocol(protocol)) {
    throw invalid(`invalid proto: ${protocol}`, {
      hint: `A port's protocol is one of ${PORT_PROTOCOLS.join(', ')}`,
    });
  }
  return { protocol, containerPort: Number(port) };
}

function hostPlace(place: Fields): Pick<PortBinding, 'hostIp' | 'hostPort' | 'lastHostPort'> {
  return { hostIp: hostAddress(place.text('HostIp')), ...hostPorts(place.text('HostPort')) };
}

function hostAddress(text: string): string {
  if (text !== '' && isIP(text) === 0) {
    throw invalid(`HostConfig.PortBindings: "${text}" is no IP address of the host`);
  }
  return text;
}

/** "8000", or "8000-8010": the first free one of those; "": the kernel's choice. */
function hostPorts(text: string): Pick<PortBinding, 'hostPort' | 'lastHostPort'> {
  if (text === '') return { hostPort: 0 };
  const [first = '', last] = text.split('-');
  const [hostPort, lastHostPort] = [first, last ?? first].map((part) =>
    /^\d{1,5}$/.test(part) ? Number(part) : -1,
  );
  if (
    hostPort === undefined ||
    lastHostPort === undefined ||
    hostPort < 0 ||
    lastHostPort > 65535 ||
    lastHostPort < hostPort
  ) {
    throw invalid(`invalid port specification: "${text}"`);
  }
  return last === undefined ? { hostPort } : { hostPort, lastHostPort };
}

/** "80" and "80/TCP" are "80/tcp". */
export function portKey(text: string): string {
  const [port = '', protocol = 'tcp'] = text.split('/');
  if (!/^\d{1,5}$/.test(port) || Number(port) > 65535 || Number(port) === 0) {
    throw invalid(`invalid port specification: "${text}"`);
  }
  return `${Number(port)}/${protocol.toLowerCase()}`;
}
