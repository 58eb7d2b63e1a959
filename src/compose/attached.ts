import { type EngineClient, type OutputStream, outputChunks, type PendingExit } from '../client/index.ts';
import type { LogLines } from './log-lines.ts';
import { ofEither } from './members.ts';

/** A container that has ended for good. */
export interface Ended {
  readonly name: string;
  readonly exitCode: number;
}

/** Containers whose output is shown from before their start until they end for good. */
export class AttachedContainers {
  readonly #client: EngineClient;
  readonly #lines: LogLines;
  readonly #labelOf: (container: string) => string;
  readonly #signal: AbortSignal;
  readonly #endings = new Map<string, Promise<Ended>>();

  /** `labelOf` names a container in the lines. */
  constructor(
    client: EngineClient,
    lines: LogLines,
    labelOf: (container: string) => string,
    signal: AbortSignal,
  ) {
    this.#client = client;
    this.#lines = lines;
    this.#labelOf = labelOf;
    this.#signal = signal;
  }

  /** Attaches to a container that is about to start, or runs. */
  async attach(name: string): Promise<void> {
    const exit = await this.#nextExit(name);
    const options = { stdout: true, stderr: true, signal: this.#signal };
    const stream = await ofEither(this.#client, (members) => members.attach(name, options));
    const ending = this.#follow(name, stream, exit);
    ending.catch(() => {}); // reported by who waits for the endings
    this.#endings.set(name, ending);
  }

  /** When all have ended, in no order of their ends. */
  async all(): Promise<Ended[]> {
    return Promise.all(this.#endings.values());
  }

  /** The first that ends; never, without containers. */
  async first(): Promise<Ended> {
    return Promise.race(this.#endings.values());
  }

  /** The first that ends with another code than 0; never, when none does. */
  async firstFailure(): Promise<Ended> {
    const { promise, resolve, reject } = Promise.withResolvers<Ended>();
    for (const ending of this.#endings.values()) {
      ending.then((ended) => {
        if (ended.exitCode !== 0) resolve(ended);
      }, reject);
    }
    return promise;
  }

  /** Shows output, over restarts, until the container stays ended. */
  async #follow(name: string, attached: OutputStream, pending: PendingExit): Promise<Ended> {
    const label = this.#labelOf(name);
    let stream = attached;
    let exit = pending;
    for (;;) {
      for await (const chunk of outputChunks(stream)) this.#lines.write(label, chunk);
      this.#lines.end(label);
      const { StatusCode: exitCode } = await exit.exit();
      this.#lines.status(label, `exited with code ${exitCode}`);
      // Registered before the look, so that an exit in between is not missed.
      exit = await this.#nextExit(name);
      const signal = this.#signal;
      const { State: state } = await ofEither(this.#client, (members) => members.inspect(name, { signal }));
      if (!state.Running && !state.Restarting) return { name, exitCode };
      const since = unixSeconds(state.FinishedAt);
      stream = await ofEither(this.#client, (members) => members.logs(name, { follow: true, since, signal }));
    }
  }

  #nextExit(name: string): Promise<PendingExit> {
    const options = { condition: 'next-exit', signal: this.#signal } as const;
    return ofEither(this.#client, (members) => members.wait(name, options));
  }
}

/** RFC 3339 with nanoseconds, as the API takes times: "1764033195.265166936". */
function unixSeconds(time: string): string {
  const nanoseconds = /\.(\d+)/.exec(time)?.[1] ?? '0';
  return `${Math.floor(Date.parse(time) / 1000)}.${nanoseconds.padEnd(9, '0')}`;
}
