import { run, runChecked } from '../base/index.ts';

/**
 * A dockerd on the same host sets the policy of iptables' FORWARD chain to drop, which stops every other bridge too
 * (docs.docker.com, "Packet filtering and firewalls"). berth's bridges are let through at the end of that chain:
 * the user's own rules, and dockerd's, decide first, and what is forwarded to a bridge is decided by berth's table.
 * Without dockerd, or where ufw owns the policy, nothing is done.
 */
export class BesideDocker {
  readonly #comment: string;

  /** `comment` marks the rules of one instance. */
  constructor(comment: string) {
    this.#comment = comment;
  }

  /** Brings the rules in line with the bridges that there are; with none of them, nothing is left. */
  async restore(bridges: readonly string[]): Promise<void> {
    if (!(await hasDockerChain())) return;
    const rules = await listRules();
    const stale = rules.filter((rule) => this.#isOwn(rule)).map(deletion);
    const wanted = isPolicyOfDocker(rules) ? bridges.flatMap((bridge) => this.#accepting(bridge)) : [];
    await apply([...stale, ...wanted]);
  }

  async add(bridge: string): Promise<void> {
    if (!(await hasDockerChain())) return;
    if (isPolicyOfDocker(await listRules())) await apply(this.#accepting(bridge));
  }

  async remove(bridge: string): Promise<void> {
    if (!(await hasDockerChain())) return;
    const own = (await listRules()).filter((rule) => this.#isOwn(rule) && rule.includes(` ${bridge} `));
    await apply(own.map(deletion));
  }

  #accepting(bridge: string): string[] {
    const end = `-m comment --comment ${this.#comment} -j ACCEPT`;
    return ['-i', '-o'].map((direction) => `-A FORWARD ${direction} ${bridge} ${end}`);
  }

  #isOwn(rule: string): boolean {
    return rule.startsWith('-A ') && rule.includes(` --comment ${this.#comment} `);
  }
}

/** dockerd needs iptables, so where that is missing there is no dockerd. */
async function hasDockerChain(): Promise<boolean> {
  const { code } = await run('nft', ['list', 'chain', 'ip', 'filter', 'DOCKER-USER']);
  return code === 0;
}

/** With ufw the policy is the user's own choice ("deny routed"), whoever set it first. */
function isPolicyOfDocker(rules: readonly string[]): boolean {
  return !rules.some((rule) => rule.startsWith('-A FORWARD -j ufw-'));
}

/** The filter table in the syntax of iptables-save(8), a rule a line. */
async function listRules(): Promise<string[]> {
  const { stdout } = await runChecked('iptables', ['-w', '-S']);
  return stdout.toString().trim().split('\n');
}

const deletion = (rule: string) => rule.replace(/^-A /, '-D ');

/** All together or none of them (iptables-restore(8)). */
async function apply(rules: readonly string[]): Promise<void> {
  if (rules.length === 0) return;
  const input = ['*filter', ...rules, 'COMMIT', ''].join('\n');
  await runChecked('iptables-restore', ['-w', '--noflush'], { input });
}
