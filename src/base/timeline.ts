/** One step of an operation; milliseconds. */
export interface TimelineStep {
  readonly name: string;
  /** Since the timeline's beginning. */
  readonly start: number;
  readonly duration: number;
  /** What there is to know of it, where its name does not say it. */
  readonly description?: string;
}

/** Where the time of one operation goes: its steps, in the order in which they began; some may run side by side. */
export class Timeline {
  readonly #began = performance.now();
  readonly #steps: TimelineStep[] = [];

  get steps(): readonly TimelineStep[] {
    return this.#steps.toSorted((a, b) => a.start - b.start);
  }

  /** Something to know of the operation, at the moment when it is known. */
  note(name: string, description: string): void {
    this.#steps.push({ name, description, start: performance.now() - this.#began, duration: 0 });
  }

  /** Does `work` as a step; one that throws is noted, too. */
  async step<T>(name: string, work: () => T | Promise<T>): Promise<T> {
    const start = performance.now() - this.#began;
    try {
      return await work();
    } finally {
      this.#steps.push({ name, start, duration: performance.now() - this.#began - start });
    }
  }
}
