import { judge, type Match, type Packet } from './match.ts';
import { type BaseChain, type Chain, isRecord, type Ruleset } from './ruleset.ts';

/** What stops packets: a rule, or the policy of a chain. */
export interface Obstacle {
  /** "ip filter". */
  readonly table: string;
  readonly chain: string;
  /** The rule as nft prints it; undefined: the chain's policy. */
  readonly rule: string | undefined;
}

/** What becomes of packets at one hook. */
export type Passage =
  | { readonly kind: 'passed' }
  | { readonly kind: 'stopped'; readonly by: Obstacle }
  /** Some of them, or nobody can tell: rules that look at more than we know. */
  | { readonly kind: 'perhaps-stopped'; readonly by: Obstacle };

/** Walks the chains of a hook as the kernel does, but for tables that `skips`. An accept ends one table's walk only (nft(8)). */
export function passage(
  ruleset: Ruleset,
  hook: string,
  packet: Packet,
  skips: (table: string) => boolean,
  families: readonly string[] = ['inet', packet.family],
): Passage {
  let doubt: Obstacle | undefined;
  for (const chain of ruleset.baseChains) {
    if (chain.hook !== hook || chain.type === 'nat' || !families.includes(chain.family) || skips(chain.table))
      continue;
    const result = walkBase(ruleset, chain, packet);
    if (result.kind === 'stopped') return result;
    if (result.kind === 'perhaps-stopped') doubt ??= result.by;
  }
  return doubt === undefined ? { kind: 'passed' } : { kind: 'perhaps-stopped', by: doubt };
}

function walkBase(ruleset: Ruleset, chain: BaseChain, packet: Packet): Passage {
  const walk = new Walk(ruleset, packet);
  const end = walk.chain(chain, 'yes');
  if (end === 'accepted') return walk.passed();
  if (end !== 'through') return walk.stopped(end);
  if (chain.policy === 'accept') return walk.passed();
  return walk.stopped({ table: tableOf(chain), chain: chain.name, rule: undefined });
}

const tableOf = ({ family, table }: Chain) => `${family} ${table}`;

/** Conditions that nft does not spell out: iptables' own matches but for comments, limits and maps of verdicts. */
function hidesCondition(expression: Record<string, unknown>): boolean {
  const { xt } = expression;
  if (isRecord(xt) && xt.type === 'match') return xt.name !== 'comment';
  return 'limit' in expression || 'vmap' in expression;
}

/** Accepted for certain, stopped for certain by an obstacle, or neither. */
type End = 'accepted' | 'through' | Obstacle;

/** Deeper than the kernel lets chains call each other (NFT_JUMP_STACK_SIZE). */
const DEEPEST = 16;

class Walk {
  readonly #ruleset: Ruleset;
  readonly #packet: Packet;
  /** The first rule that stops some of the packets. */
  #doubt: Obstacle | undefined;
  /** Some packets were accepted by a rule, so that what follows does not stop all of them. */
  #someAccepted = false;

  constructor(ruleset: Ruleset, packet: Packet) {
    this.#ruleset = ruleset;
    this.#packet = packet;
  }

  passed(): Passage {
    return this.#doubt === undefined ? { kind: 'passed' } : { kind: 'perhaps-stopped', by: this.#doubt };
  }

  stopped(by: Obstacle): Passage {
    return this.#someAccepted ? { kind: 'perhaps-stopped', by } : { kind: 'stopped', by };
  }

  /** `reached` says whether all packets come here, or some ("maybe"). */
  chain(chain: Chain, reached: Exclude<Match, 'no'>, depth = 0): End {
    if (depth > DEEPEST) return 'through';
    for (const rule of chain.rules) {
      const matched = this.#matches(rule.expressions, chain, reached);
      if (matched === 'no') continue;
      const end = this.#verdict(
        rule.expressions,
        { table: tableOf(chain), chain: chain.name, rule: rule.text },
        {
          chain,
          matched,
          depth,
        },
      );
      if (end === 'return') return 'through';
      if (end !== 'through') return end;
    }
    return 'through';
  }

  #matches(expressions: readonly unknown[], { family, table }: Chain, reached: Match): Match {
    let result = reached;
    for (const expression of expressions) {
      if (!isRecord(expression)) continue;
      const judged =
        'match' in expression
          ? judge(expression.match, this.#packet, (set) => this.#ruleset.elements(family, table, set))
          : hidesCondition(expression)
            ? 'maybe'
            : 'yes';
      if (judged === 'no') return 'no';
      if (judged === 'maybe') result = 'maybe';
    }
    return result;
  }

  #verdict(
    expressions: readonly unknown[],
    here: Obstacle,
    { chain, matched, depth }: { chain: Chain; matched: Exclude<Match, 'no'>; depth: number },
  ): End | 'return' {
    for (const expression of expressions) {
      if (!isRecord(expression)) continue;
      if ('accept' in expression) {
        if (matched === 'yes') return 'accepted';
        this.#someAccepted = true;
      }
      if ('drop' in expression || 'reject' in expression) {
        if (matched === 'yes') return here;
        this.#doubt ??= here;
      }
      if ('return' in expression && matched === 'yes') return 'return';
      for (const call of [expression.jump, expression.goto]) {
        if (!isRecord(call) || typeof call.target !== 'string') continue;
        const target = this.#ruleset.chain(chain.family, chain.table, call.target);
        const end = target === undefined ? 'through' : this.chain(target, matched, depth + 1);
        if (end !== 'through') return end;
        if (call === expression.goto && matched === 'yes') return 'return';
      }
    }
    return 'through';
  }
}
