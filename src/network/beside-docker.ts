import { run } from '../base/index.ts';

/**
 * A dockerd on the same host sets the policy of the FORWARD chain to drop, and offers the chain DOCKER-USER for
 * what must pass all the same (docs.docker.com, "Packet filtering and firewalls"). berth's bridges are let through
 * there: what they forward is decided by berth's own table. The rules go behind the user's own, so that those
 * still decide first. Without dockerd nothing happens.
 */
export class BesideDocker {
  readonly #comment: string;

  /** `comment` marks the rules of one instance. */
  constructor(comment: string) {
    this.#comment = comment;
  }

  /** Brings the rules in line with the bridges that there are. */
  async restore(bridges: readonly string[]): Promise<void> {
    if (!(await hasChain())) return;
    await this.removeAll();
    for (const bridge of bridges) await this.#each('-A', bridge);
  }

  async add(bridge: string): Promise<void> {
    if (await hasChain()) await this.#each('-A', bridge);
  }

  async remove(bridge: string): Promise<void> {
    if (await hasChain()) await this.#each('-D', bridge);
  }

  /** Removes every rule of this instance. */
  async removeAll(): Promise<void> {
    const { stdout } = await run('iptables', ['-w', '-S', CHAIN]);
    const own = stdout
      .toString()
      .split('\n')
      .filter((rule) => rule.includes(`--comment ${this.#comment} `));
    for (const rule of own) await run('iptables', ['-w', ...rule.trim().replace(/^-A/, '-D').split(' ')]);
  }

  async #each(verb: '-A' | '-D', bridge: string): Promise<void> {
    const end = ['-m', 'comment', '--comment', this.#comment, '-j', 'ACCEPT'];
    for (const direction of ['-i', '-o'])
      await run('iptables', ['-w', verb, CHAIN, direction, bridge, ...end]);
  }
}

const CHAIN = 'DOCKER-USER';

/** dockerd needs iptables, so where that is missing there is no dockerd. */
async function hasChain(): Promise<boolean> {
  const { code } = await run('nft', ['list', 'chain', 'ip', 'filter', CHAIN]);
  return code === 0;
}
