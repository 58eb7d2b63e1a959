/** What happened to what, as `docker events` shows it. */
export interface EngineEvent {
  readonly type: 'container' | 'machine' | 'image' | 'network' | 'volume' | 'daemon' | 'builder';
  readonly action: string;
  /** Id or name of the thing. */
  readonly actor: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly time: Date;
  /** Orders events of the same millisecond; nanoseconds since the epoch. */
  readonly timeNano: bigint;
}

/** How many past events a late subscriber can ask for. */
const HISTORY = 256;

type Listener = (event: EngineEvent) => void;

/** The instance's event log: a bounded history and its live listeners. */
export class Events {
  readonly #history: EngineEvent[] = [];
  readonly #listeners = new Set<Listener>();
  #lastNano = 0n;

  emit(
    type: EngineEvent['type'],
    action: string,
    actor: string,
    attributes: Readonly<Record<string, string>> = {},
  ): void {
    const timeNano = this.#nextNano();
    const event = {
      type,
      action,
      actor,
      attributes,
      time: new Date(Number(timeNano / 1_000_000n)),
      timeNano,
    };
    this.#history.push(event);
    if (this.#history.length > HISTORY) this.#history.shift();
    for (const listener of [...this.#listeners]) listener(event);
  }

  /** Calls `listener` for every later event until the returned function is called. */
  listen(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Past events between two moments (nanoseconds since the epoch, both included), the oldest first. */
  between(since: bigint, until: bigint | undefined): EngineEvent[] {
    return this.#history.filter(
      ({ timeNano }) => timeNano >= since && (until === undefined || timeNano <= until),
    );
  }

  /** Strictly rising, so that clients can order and resume by it. */
  #nextNano(): bigint {
    const now = BigInt(Date.now()) * 1_000_000n;
    this.#lastNano = now > this.#lastNano ? now : this.#lastNano + 1n;
    return this.#lastNano;
  }
}
