import type { BuildEvent, BuildStep, StepNews } from './contract.ts';

/** Tells of the steps of one build, each with an id of its own. */
export class StepReports {
  readonly #emit: (event: BuildEvent) => void;
  readonly #signal: AbortSignal;
  readonly #part: string;
  #count = 0;

  /** `signal`: whether a step that fails was only cut short; `part`: a part of the build of which these are the steps. */
  constructor(emit: (event: BuildEvent) => void, signal: AbortSignal, part = 'step') {
    this.#emit = emit;
    this.#signal = signal;
    this.#part = part;
  }

  /** Tells of a step's start and end around the work. */
  async run<T>(name: string, work: (report: StepReport) => Promise<T>): Promise<T> {
    this.#count += 1;
    const step: BuildStep = { id: `${this.#part}-${this.#count}`, name };
    const report = new StepReport((news) => this.#emit({ kind: 'step', step, news }));
    report.tell({ kind: 'started' });
    try {
      const result = await work(report);
      report.tell({ kind: 'done' });
      return result;
    } catch (error) {
      report.tell(this.#signal.aborted ? { kind: 'cancelled' } : { kind: 'failed', error });
      throw error;
    }
  }
}

/** Tells of one step while it is worked on. */
export class StepReport {
  readonly tell: (news: StepNews) => void;

  constructor(tell: (news: StepNews) => void) {
    this.tell = tell;
  }

  output(text: string): void {
    this.tell({ kind: 'output', text });
  }

  cached(): void {
    this.tell({ kind: 'cached' });
  }

  /** Bytes that have come of something; a total of 0 is unknown. */
  progress(item: string, current: number, { isDone = false, total = 0 } = {}): void {
    this.tell({ kind: 'progress', item, current, total, isDone });
  }
}
