import type { Instance } from '../engine/instance.ts';
import { type Inspected, inspectAll } from './host-state.ts';
import { pick, randomNumbers } from './random.ts';

/** What a client knows of its container, as words that can be compared. */
export type Knowledge = string;

/** One request, and all that may be true of the container once it was sent: the last one when it was acknowledged. */
export interface Step {
  readonly name: string;
  readonly send: (instance: Instance) => Promise<void>;
  readonly outcomes: readonly Knowledge[];
}

/** What a client does with its container: the choices in each state, and how that state is seen. */
export interface Role {
  readonly container: string;
  choices(state: Knowledge): readonly Step[];
  see(container: Inspected | undefined): Knowledge;
}

/**
 * A client that does one thing after another with a container of its own, until berthd does not answer any more. It remembers
 * what it was told, so that it can be compared with what is.
 */
export class Actor {
  readonly #role: Role;
  readonly #random: () => number;
  #known: Knowledge;
  #pending: Step | undefined;
  #acknowledged = 0;

  /** What it chooses is decided by the seed and its container's name. */
  constructor(role: Role, seed: number) {
    this.#role = role;
    this.#random = randomNumbers(seed + Number.parseInt(role.container, 36));
    this.#known = role.see(undefined);
  }

  /** Requests that were answered. */
  get acknowledged(): number {
    return this.#acknowledged;
  }

  /**
   * Goes on until a request gets no answer, or, between two of them, as long as it may. Throws when one is refused with words
   * that are not tolerated, and when a refusal leaves what was not asked for.
   */
  async act(instance: Instance, { goesOn = () => true, tolerated }: Acting = {}): Promise<void> {
    while (goesOn()) {
      const step = pick(this.#random, this.#role.choices(this.#known));
      this.#pending = step;
      try {
        await step.send(instance);
        this.#acknowledged += 1;
        this.#known = step.outcomes.at(-1) ?? this.#known;
      } catch (error) {
        if (!(error instanceof Refused)) return;
        const what = `${this.#role.container}, ${this.#known}: ${step.name} was refused: ${error.message}`;
        if (tolerated?.test(error.message) !== true) throw new Error(what);
        const wrong = this.compare(await inspectAll(instance));
        if (wrong !== undefined) throw new Error(`${what}; ${wrong}`);
      }
      this.#pending = undefined;
    }
  }

  /** What is no longer as it was acknowledged; undefined when all is. From then on it goes on with what it sees. */
  compare(containers: readonly Inspected[]): string | undefined {
    const { container } = this.#role;
    const seen = this.#role.see(containers.find(({ Name }) => Name === `/${container}`));
    const possible = [this.#known, ...(this.#pending?.outcomes ?? [])];
    const where = this.#pending === undefined ? 'idle' : this.#pending.name;
    const known = this.#known;
    this.#known = seen;
    this.#pending = undefined;
    return possible.includes(seen) ? undefined : `${container} was ${known}, then ${where}, and is ${seen}`;
  }
}

/** How an {@link Actor} acts while something else than berthd may be killed. */
export interface Acting {
  readonly goesOn?: () => boolean;
  /** Words of refusals that are no fault. */
  readonly tolerated?: RegExp;
}

/** berthd answered, and said no. */
export class Refused extends Error {}

/** Sends a request that is not refused unless it gets no answer; its body is returned. */
export async function request(instance: Instance, line: string, body?: unknown): Promise<unknown> {
  const answer = await instance.api(line, body);
  if (answer.status >= 400) throw new Refused(`${line}: ${answer.status} ${JSON.stringify(answer.body)}`);
  return answer.body;
}
