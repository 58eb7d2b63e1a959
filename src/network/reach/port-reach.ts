import type { PublishedPort } from '../contract.ts';
import type { Packet } from './match.ts';
import type { Ruleset } from './ruleset.ts';
import { type Obstacle, type Passage, passage } from './verdict.ts';

/** Who gets to a published port, as far as the host's own rules tell. */
export interface PortReach {
  /** Programs of this host. */
  readonly host: Passage;
  /** Other machines; undefined: the port is published on loopback. */
  readonly neighbours: Passage | undefined;
}

/**
 * Follows new connections to a port through the host's rules, but for those of berth's own table. `bridge` is the
 * interface of the container's network.
 */
export function portReach(
  ruleset: Ruleset,
  port: PublishedPort,
  bridge: string,
  ownTable: string,
): PortReach {
  const isOwn = (table: string) => table === ownTable;
  const at = (hook: string, packet: Packet) => {
    const legacy = ruleset.legacy[packet.family].get(hook.toUpperCase());
    return first(passage(ruleset, hook, packet, isOwn), legacy === undefined ? PASSED : perhaps(legacy));
  };
  /** What the host sends into a bridge meets the rules of the family bridge too. */
  const intoBridge = (packet: Packet) =>
    first(
      passage(ruleset, 'output', packet, isOwn, ['bridge']),
      passage(ruleset, 'postrouting', packet, isOwn, ['bridge']),
    );
  const asked: Packet = {
    family: port.hostIp.includes(':') ? 'ip6' : 'ip',
    protocol: port.protocol,
    destination: ['0.0.0.0', '::'].includes(port.hostIp) ? undefined : port.hostIp,
    destinationPort: port.hostPort,
    inInterface: undefined,
    outInterface: undefined,
    translated: false,
  };
  if (port.hostIp === '::1' || port.hostIp.startsWith('127.')) {
    const looped = { ...asked, inInterface: 'lo' };
    return {
      host: first(at('output', { ...asked, outInterface: 'lo' }), at('input', looped)),
      neighbours: undefined,
    };
  }
  // What is not of the container's family is taken by the supervisor's own socket, and goes no further.
  const isTranslated = port.containerIp.includes(':') === (asked.family === 'ip6');
  if (!isTranslated) {
    return { host: at('output', asked), neighbours: first(at('prerouting', asked), at('input', asked)) };
  }
  const translated: Packet = {
    ...asked,
    destination: port.containerIp,
    destinationPort: port.containerPort,
    outInterface: bridge,
    translated: port.hostIp !== port.containerIp,
  };
  return {
    host: first(at('output', translated), intoBridge(translated)),
    neighbours: first(
      first(at('prerouting', asked), at('forward', translated)),
      first(at('postrouting', translated), intoBridge(translated)),
    ),
  };
}

const PASSED: Passage = { kind: 'passed' };

/** Nobody follows packets through those rules. */
const perhaps = (by: Obstacle): Passage => ({ kind: 'perhaps-stopped', by });

/** Two hooks in a row. */
function first(one: Passage, two: Passage): Passage {
  if (one.kind === 'stopped' || two.kind === 'passed') return one;
  return two.kind === 'stopped' || one.kind === 'passed' ? two : one;
}
