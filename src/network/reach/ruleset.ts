import { internal, run } from '../../base/index.ts';
import { type LegacyObstacles, readLegacyObstacles, translatedMatch } from './iptables.ts';

/** The host's nftables rules, iptables' of the nft kind among them (libnftables-json(5)). */
export interface Ruleset {
  /** Chains that a hook calls, in the order of their priority. */
  readonly baseChains: readonly BaseChain[];
  chain(family: string, table: string, name: string): Chain | undefined;
  /** The elements of a named set or the entries of a map. */
  elements(family: string, table: string, set: string): readonly unknown[];
  /** What nft does not know of. */
  readonly legacy: Readonly<Record<'ip' | 'ip6', LegacyObstacles>>;
}

export interface Chain {
  readonly family: string;
  readonly table: string;
  readonly name: string;
  readonly rules: readonly Rule[];
}

export interface BaseChain extends Chain {
  readonly hook: string;
  readonly type: string;
  readonly policy: 'accept' | 'drop';
}

export interface Rule {
  /** As nft prints it; "" where it could not be found. */
  readonly text: string;
  readonly expressions: readonly unknown[];
}

/** Reads the rules of this network namespace. Throws `internal` when nft refuses. */
export async function readRuleset(signal?: AbortSignal): Promise<Ruleset> {
  const options = signal === undefined ? {} : { signal };
  const [json, text, ip, ip6] = await Promise.all([
    run('nft', ['-j', 'list', 'ruleset'], options),
    run('nft', ['-a', 'list', 'ruleset'], options),
    readLegacyObstacles('ip', signal),
    readLegacyObstacles('ip6', signal),
  ]);
  if (json.code !== 0) throw internal(`nft does not list the host's rules: ${json.stderr.trim()}`);
  return parseRuleset(JSON.parse(json.stdout.toString()), text.stdout.toString(), { ip, ip6 });
}

/** `listing` is what `nft -a list ruleset` prints: the rules' texts, by their handles. */
export function parseRuleset(
  json: unknown,
  listing: string,
  legacy: Ruleset['legacy'] = { ip: new Map(), ip6: new Map() },
): Ruleset {
  const texts = ruleTexts(listing);
  const chains = new Map<
    string,
    { readonly head: Named & Record<string, unknown>; readonly rules: Rule[] }
  >();
  const sets = new Map<string, readonly unknown[]>();
  for (const object of objects(json)) {
    if (isNamed(object.chain))
      chains.set(keyOf(object.chain, object.chain.name), { head: object.chain, rules: [] });
    for (const set of [object.set, object.map]) {
      if (isNamed(set)) sets.set(keyOf(set, set.name), Array.isArray(set.elem) ? set.elem : []);
    }
    if (isRule(object.rule)) {
      const { rule } = object;
      const text = texts.get(`${keyOf(rule, rule.chain)} ${rule.handle}`) ?? '';
      chains
        .get(keyOf(rule, rule.chain))
        ?.rules.push({ text, expressions: rule.expr.map((each) => translated(each, text)) });
    }
  }
  const baseChains = [...chains.values()]
    .flatMap(({ head, rules }): (BaseChain & { priority: number })[] => {
      const { family, table, name, hook, type, prio, policy } = head;
      if (typeof hook !== 'string' || typeof type !== 'string') return [];
      const priority = typeof prio === 'number' ? prio : 0;
      return [
        { family, table, name, rules, hook, type, priority, policy: policy === 'drop' ? 'drop' : 'accept' },
      ];
    })
    .sort((a, b) => a.priority - b.priority);
  return {
    legacy,
    baseChains,
    chain(family, table, name) {
      const found = chains.get(keyOf({ family, table }, name));
      return found && { family, table, name, rules: found.rules };
    },
    elements: (family, table, set) => sets.get(keyOf({ family, table }, set)) ?? [],
  };
}

function translated(expression: unknown, text: string): unknown {
  if (!isRecord(expression) || !isRecord(expression.xt) || expression.xt.type !== 'match') return expression;
  return translatedMatch(expression.xt.name, text) ?? expression;
}

interface InTable {
  readonly family: string;
  readonly table: string;
}

interface Named extends InTable {
  readonly name: string;
}

const keyOf = ({ family, table }: InTable, name: string) => `${family} ${table} ${name}`;

function ruleTexts(listing: string): Map<string, string> {
  const texts = new Map<string, string>();
  let table = '';
  let chain = '';
  for (const line of listing.split('\n')) {
    table = /^table (\S+ \S+) \{/.exec(line)?.[1] ?? table;
    chain = /^\tchain (\S+) \{/.exec(line)?.[1] ?? chain;
    const [, text, handle] = /^\t\t(.*) # handle (\d+)$/.exec(line) ?? [];
    if (text !== undefined)
      texts.set(`${table} ${chain} ${handle}`, text.replace(/counter packets \d+ bytes \d+ ?/, ''));
  }
  return texts;
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function objects(json: unknown): Record<string, unknown>[] {
  const list = isRecord(json) ? json.nftables : undefined;
  return Array.isArray(list) ? list.filter(isRecord) : [];
}

function isInTable(value: unknown): value is InTable & Record<string, unknown> {
  return isRecord(value) && typeof value.family === 'string' && typeof value.table === 'string';
}

function isNamed(value: unknown): value is Named & Record<string, unknown> {
  return isInTable(value) && typeof value.name === 'string';
}

function isRule(
  value: unknown,
): value is InTable & { readonly chain: string; readonly handle: number; readonly expr: readonly unknown[] } {
  return isInTable(value) && typeof value.chain === 'string' && Array.isArray(value.expr);
}
