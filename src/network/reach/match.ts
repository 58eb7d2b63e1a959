import { isPortProtocol, type PortProtocol } from '../../base/index.ts';
import { contains, parseAddress, parseSubnet } from '../ip.ts';
import { isRecord } from './ruleset.ts';

/** What is known of the packets in question; what is not can be anything. */
export interface Packet {
  readonly family: 'ip' | 'ip6';
  readonly protocol: PortProtocol;
  readonly destination: string | undefined;
  readonly destinationPort: number;
  /** undefined: any but loopback. */
  readonly inInterface: string | undefined;
  readonly outInterface: string | undefined;
  /** Its destination was translated. */
  readonly translated: boolean;
}

/** Whether a rule's condition holds for all of the packets, for none, or for some that the rule knows more of. */
export type Match = 'yes' | 'no' | 'maybe';

type Lookup = (set: string) => readonly unknown[];

/** Judges one `match` of libnftables-json(5). */
export function judge(match: unknown, packet: Packet, lookup: Lookup): Match {
  if (!isRecord(match)) return 'maybe';
  const wanted =
    typeof match.right === 'string' && match.right.startsWith('@')
      ? lookup(match.right.slice(1))
      : match.right;
  const isEmpty = Array.isArray(wanted) && wanted.length === 0;
  const values = valuesOf(match.left, packet);
  const isNever = isEmpty || wantsLoopback(match.left, wanted, packet);
  if (values === undefined && !isNever) return 'maybe';
  const found = isNever ? 'no' : isIn(values ?? [], wanted);
  switch (match.op) {
    case '==':
    case 'in':
      return found;
    case '!=':
      return found === 'maybe' ? found : found === 'yes' ? 'no' : 'yes';
    default:
      return 'maybe';
  }
}

/** What comes from elsewhere comes by some interface, but not by that. */
function wantsLoopback(left: unknown, wanted: unknown, { inInterface }: Packet): boolean {
  const isInput = isRecord(left) && isRecord(left.meta) && left.meta.key === 'iifname';
  return isInput && wanted === 'lo' && inInterface === undefined;
}

/** The values that an expression has for the packets: several for a set of flags; undefined when that is not known. */
function valuesOf(left: unknown, packet: Packet): readonly (string | number)[] | undefined {
  if (!isRecord(left)) return undefined;
  if (isRecord(left.meta)) return known(metaValue(left.meta.key, packet));
  if (isRecord(left.payload)) return known(payloadValue(left.payload, packet));
  if (isRecord(left.ct) && left.ct.key === 'state') return ['new'];
  if (isRecord(left.ct) && left.ct.key === 'status' && packet.translated) return ['dnat'];
  return undefined;
}

const known = <T>(value: T | undefined): readonly T[] | undefined =>
  value === undefined ? undefined : [value];

function metaValue(key: unknown, packet: Packet): string | undefined {
  switch (key) {
    case 'iifname':
      return packet.inInterface;
    case 'oifname':
      return packet.outInterface;
    case 'l4proto':
      return packet.protocol;
    case 'nfproto':
      return packet.family === 'ip' ? 'ipv4' : 'ipv6';
    case 'protocol':
      return packet.family;
    default:
      return undefined;
  }
}

function payloadValue(
  { protocol, field }: Record<string, unknown>,
  packet: Packet,
): string | number | undefined {
  if (field === 'dport') {
    if (protocol === 'th' || protocol === packet.protocol) return packet.destinationPort;
    return NO_SUCH_FIELD;
  }
  if (typeof protocol === 'string' && isPortProtocol(protocol))
    return protocol === packet.protocol ? undefined : NO_SUCH_FIELD;
  if (protocol === 'ip' || protocol === 'ip6') {
    if (protocol !== packet.family) return NO_SUCH_FIELD;
    if (field === 'daddr') return packet.destination;
    if (field === 'protocol' || field === 'nexthdr') return packet.protocol;
  }
  return undefined;
}

/** A header that the packets do not have equals nothing; nft checks for the header first, so "!=" fails too, which is rare. */
const NO_SUCH_FIELD = '';

function isIn(values: readonly (string | number)[], wanted: unknown): Match {
  if (isRecord(wanted) && Array.isArray(wanted.set)) return isIn(values, wanted.set);
  if (Array.isArray(wanted)) {
    const judged = wanted.map((each: unknown) => isIn(values, each));
    return judged.includes('yes') ? 'yes' : judged.includes('maybe') ? 'maybe' : 'no';
  }
  if (isRecord(wanted)) return isInRange(values, wanted);
  if (typeof wanted === 'string' && wanted.endsWith('*')) {
    return answer(values.some((value) => String(value).startsWith(wanted.slice(0, -1))));
  }
  return answer(values.some((value) => String(value) === String(wanted)));
}

function isInRange(values: readonly (string | number)[], wanted: Record<string, unknown>): Match {
  const [value] = values;
  if (isRecord(wanted.elem)) return isIn(values, wanted.elem.val);
  if (isRecord(wanted.prefix) && typeof value === 'string') {
    if (value === NO_SUCH_FIELD) return 'no';
    return answer(contains(parseSubnet(`${wanted.prefix.addr}/${wanted.prefix.len}`), parseAddress(value)));
  }
  if (!Array.isArray(wanted.range)) return 'maybe';
  const [first, last] = wanted.range as unknown[];
  if (typeof first === 'number' && typeof last === 'number') {
    return answer(typeof value === 'number' && first <= value && value <= last);
  }
  return 'maybe';
}

const answer = (holds: boolean): Match => (holds ? 'yes' : 'no');
