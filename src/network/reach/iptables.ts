import { readFile } from 'node:fs/promises';
import { run } from '../../base/index.ts';
import type { Obstacle } from './verdict.ts';

/**
 * A match of iptables' own as libnftables-json(5) would have it, out of the rule as nft prints it (`ct state established`);
 * undefined where it cannot be told so. nft hides those matches in JSON only.
 */
export function translatedMatch(name: unknown, text: string): object | undefined {
  if (name === 'conntrack') {
    const [, key, values] = /\bct (state|status) ([a-z,]+)/.exec(text) ?? [];
    return key === undefined ? undefined : match({ ct: { key } }, values?.split(','));
  }
  if (name === 'multiport') {
    const [, protocol, several, ports = several] =
      /\b(tcp|udp|sctp|th) dport (?:\{ ([^}]*) \}|(\d+(?:-\d+)?))/.exec(text) ?? [];
    const payload = { protocol, field: 'dport' };
    return ports === undefined ? undefined : match({ payload }, ports.split(',').map(portOrRange));
  }
  return undefined;
}

const match = (left: object, right: unknown) => ({ match: { op: 'in', left, right } });

function portOrRange(text: string): unknown {
  const [first = 0, last] = text.split('-').map(Number);
  return last === undefined ? first : { range: [first, last] };
}

/** Rules and policies of iptables-legacy that may stop packets, by chain ("FORWARD"): nft does not know of them. */
export type LegacyObstacles = ReadonlyMap<string, Obstacle>;

/** The first of each chain of the filter table. None where the kernel has no such table, or the program is missing. */
export async function readLegacyObstacles(
  family: 'ip' | 'ip6',
  signal?: AbortSignal,
): Promise<LegacyObstacles> {
  const names = await readFile(`/proc/net/${family}_tables_names`, 'utf8').catch(() => '');
  if (!names.split('\n').includes('filter')) return new Map();
  const program = family === 'ip' ? 'iptables-legacy-save' : 'ip6tables-legacy-save';
  const listing = await run(program, ['-t', 'filter'], signal === undefined ? {} : { signal }).catch(
    () => undefined,
  );
  return legacyObstacles(family, listing?.stdout.toString() ?? '');
}

/** `listing` is in the syntax of iptables-save(8). */
export function legacyObstacles(family: 'ip' | 'ip6', listing: string): LegacyObstacles {
  const obstacles = new Map<string, Obstacle>();
  const table = `${family} filter of iptables-legacy`;
  for (const line of listing.split('\n')) {
    const [, policyChain] = /^:(\S+) DROP /.exec(line) ?? [];
    const [, chain, rule] = /^-A (\S+) (.*-j (?:DROP|REJECT)\b.*)$/.exec(line) ?? [];
    if (policyChain !== undefined) obstacles.set(policyChain, { table, chain: policyChain, rule: undefined });
    else if (chain !== undefined && !obstacles.has(chain)) obstacles.set(chain, { table, chain, rule });
  }
  return obstacles;
}
