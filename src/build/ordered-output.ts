import type { BuildEvent } from './contract.ts';

/**
 * Joins what stages that run at the same time tell into one stream that reads as if they ran one after the other: the
 * first unfinished stage is heard at once, what the later ones say waits for its turn.
 */
export class OrderedOutput {
  readonly #emit: (event: BuildEvent) => void;
  readonly #stages: { readonly held: BuildEvent[]; isFinished: boolean }[];
  #front = 0;

  constructor(stages: number, emit: (event: BuildEvent) => void) {
    this.#emit = emit;
    this.#stages = Array.from({ length: stages }, () => ({ held: [], isFinished: false }));
  }

  /** Tells an event of the stage at this position. */
  tell(position: number, event: BuildEvent): void {
    if (position === this.#front) this.#emit(event);
    else this.#stages[position]?.held.push(event);
  }

  /** The stage at this position says nothing more. */
  finish(position: number): void {
    const stage = this.#stages[position];
    if (stage !== undefined) stage.isFinished = true;
    while (this.#stages[this.#front]?.isFinished) {
      this.#front += 1;
      for (const event of this.#stages[this.#front]?.held.splice(0) ?? []) this.#emit(event);
    }
  }
}
