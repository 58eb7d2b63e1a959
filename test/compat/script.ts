/**
 * A request script: what is sent to a daemon, one step after the other, on one instance. The same script goes to
 * dockerd (whose answers are the golden files) and to berthd.
 */
export interface Script {
  readonly name: string;
  readonly steps: readonly Step[];
}

export type Step = RequestStep | HijackStep;

interface CommonStep {
  /** Names the step in golden files and in failures. */
  readonly name: string;
  /** "POST /containers/create?name=x"; `{id}` stands for a saved value. */
  readonly request: string;
  /** JSON, or a function that makes a tar. */
  readonly body?: unknown;
  /** Saves a member of the JSON answer under a name. */
  readonly save?: Readonly<Record<string, string>>;
}

export interface RequestStep extends CommonStep {
  readonly kind?: 'request';
  /** The answer is a stream of JSON lines whose order or number may vary: only these members are compared. */
  readonly lines?: readonly string[];
  /** Only the names of the members are compared: the values are the host's. */
  readonly keys?: boolean;
  /** The answer has no end of its own: it is left when this text has come. */
  readonly ends?: string;
}

/** A connection that becomes a raw stream; `input` is sent when the answer's headers are there. */
export interface HijackStep extends CommonStep {
  readonly kind: 'hijack';
  readonly input?: string;
  readonly upgrade?: boolean;
}

/** What a daemon answered to one step, with all that must differ replaced. */
export interface Recorded {
  readonly step: string;
  readonly status: number;
  readonly contentType: string;
  readonly body: unknown;
}
