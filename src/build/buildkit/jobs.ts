import { conflict } from '../../base/index.ts';
import type { SolvedBuild } from '../builder.ts';
import { AwaitedMap } from './awaited-map.ts';
import type { DockerfileText } from './dockerfile-text.ts';
import { StatusLog } from './status-log.ts';

/** One build of a client's, from its Control.Solve to the answer to that. */
export class Job {
  readonly ref: string;
  /** The session with its files. */
  readonly session: string;
  readonly log: StatusLog;
  /** Aborted when the client asks no more for its result. */
  readonly signal: AbortSignal;
  /** What builds that the client drives have come to, by the ids that it knows them by. */
  readonly results = new Map<string, SolvedBuild>();
  readonly #kept = new AsyncDisposableStack();
  /** As the last build read it. */
  dockerfile: DockerfileText | undefined;
  /** Why the last build failed, which says more than what comes back from the client. */
  failure: unknown;
  readonly #returned = Promise.withResolvers<SolvedBuild | undefined>();

  #isEnded = false;

  constructor({ ref, session }: { ref: string; session: string }, signal: AbortSignal) {
    this.ref = ref;
    this.session = session;
    this.log = new StatusLog(ref);
    this.signal = signal;
    signal.addEventListener('abort', () => this.#returned.reject(signal.reason), { once: true });
    this.#returned.promise.catch(() => {}); // somebody may never ask
  }

  /** Throws why it has ended, if it has: nothing can be asked of it any more. */
  checkOpen(): void {
    if (this.#isEnded) throw this.failure ?? conflict(`the build ${this.ref} has ended`);
  }

  /** What the client says its build came to; undefined: nothing. */
  get returned(): Promise<SolvedBuild | undefined> {
    return this.#returned.promise;
  }

  /** Holds what was built until the end, by an id where the client has one for it. */
  keep(result: SolvedBuild, id?: string): SolvedBuild {
    this.#kept.use(result);
    if (id !== undefined) this.results.set(id, result);
    return result;
  }

  /** Its client has its answer, or wants none. What no image was made of is left to the cache. */
  async end(): Promise<void> {
    this.#isEnded = true;
    this.log.end();
    await this.#kept.disposeAsync();
  }

  return(result: SolvedBuild | undefined): void {
    this.#returned.resolve(result);
  }

  fail(error: unknown): void {
    this.#returned.reject(error);
  }
}

/** The builds of one connection, by their refs. Those that have ended stay for clients that ask late how it went. */
export class Jobs {
  readonly #jobs = new AwaitedMap<Job>();

  /** Throws `conflict` for a ref that was there before. */
  add(job: Job): void {
    if (this.#jobs.has(job.ref)) throw conflict(`a build with the ref ${job.ref} is there already`);
    this.#jobs.set(job.ref, job);
  }

  /** A build, as soon as the client asks for it: what belongs to it may come first. Rejects when the signal is aborted. */
  find(ref: string, signal: AbortSignal): Promise<Job> {
    return this.#jobs.wait(ref, signal);
  }
}
