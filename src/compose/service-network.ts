import { explained, fieldsOf, isNull } from './fields.ts';
import { checkKeys, PORT, SERVICE_NETWORK } from './known-keys.ts';
import { asList, asMap, asText, asTexts, type Located, wrongAt } from './located-yaml.ts';
import type { ServiceNetwork, ServicePort } from './model.ts';
import { parsePortShort } from './short-forms.ts';

/** Reads `ports` in its short and long forms, ranges spread out; what is the same is there once. */
export function parsePorts(node: Located): ServicePort[] {
  const ports = asList(node).flatMap(parsePort);
  const keyOf = ({ hostIp, hostPort, containerPort, protocol }: ServicePort) =>
    [hostIp, hostPort, containerPort, protocol].join();
  return [...new Map(ports.map((port) => [keyOf(port), port])).values()];
}

function parsePort(node: Located): ServicePort[] {
  if (node.kind === 'scalar') return explained(node, () => parsePortShort(asText(node)));
  const map = asMap(node);
  checkKeys(map, PORT);
  const get = fieldsOf(map);
  const target = get('target', asText);
  if (target === undefined) throw wrongAt(node, `${node.path}.target is missing`);
  const published = get('published', asText);
  const protocol = get('protocol', asText) ?? 'tcp';
  const short = `${published === undefined ? '' : `${published}:`}${target}/${protocol}`;
  const hostIp = get('host_ip', asText) ?? '';
  return explained(node, () => parsePortShort(short)).map((port) => ({ ...port, hostIp }));
}

/** Reads a service's `networks`: a list of names, or a mapping with addresses and aliases. */
export function parseNetworks(node: Located): ServiceNetwork[] {
  const plain = { aliases: [], address: undefined, address6: undefined, macAddress: undefined };
  if (node.kind === 'list') return [...new Set(asTexts(node))].map((name) => ({ name, ...plain }));
  return [...asMap(node).entries].map(([name, value]) => {
    if (isNull(value)) return { name, ...plain };
    const map = asMap(value);
    checkKeys(map, SERVICE_NETWORK);
    const get = fieldsOf(map);
    return {
      name,
      aliases: get('aliases', asTexts) ?? [],
      address: get('ipv4_address', asText),
      address6: get('ipv6_address', asText),
      macAddress: get('mac_address', asText),
    };
  });
}
