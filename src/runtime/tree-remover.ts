import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { unavailable } from '../base/index.ts';
import { reportedFailure } from './files.ts';

/** So many trees are removed at once: a large one does not keep the others waiting, and a disk is kept busy. */
const WORKERS = 4;
/** Milliseconds without work until the processes are let go. */
const IDLE = 5000;

/**
 * Removes trees, whatever their owners and modes are, by processes that stay for the next one: with a thousand
 * containers to remove, a process for each kept berthd busy with nothing else. `nativeDirectory` holds berth-fs.
 */
export class TreeRemover implements AsyncDisposable {
  readonly #nativeDirectory: string;
  #workers: Worker[] = [];
  #idle: NodeJS.Timeout | undefined;

  constructor(nativeDirectory: string) {
    this.#nativeDirectory = nativeDirectory;
  }

  /**
   * Removes a folder and all below it; one that is missing is fine. Throws `conflict` at a mount point, whose content
   * stays, and `invalid` for a path that is not absolute or has no name at its end.
   */
  async remove(path: string): Promise<void> {
    clearTimeout(this.#idle);
    try {
      await this.#worker().remove(path);
    } finally {
      if (this.#workers.every(({ waiting }) => waiting === 0)) {
        this.#idle = setTimeout(() => void this[Symbol.asyncDispose](), IDLE).unref();
      }
    }
  }

  /** Lets the processes go when they have done what they were asked for. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#idle);
    const workers = this.#workers;
    this.#workers = [];
    await Promise.all(workers.map((worker) => worker[Symbol.asyncDispose]()));
  }

  /** The one that has the least to do; another one where all have something. */
  #worker(): Worker {
    this.#workers = this.#workers.filter(({ hasEnded }) => !hasEnded);
    const [least] = this.#workers.toSorted((a, b) => a.waiting - b.waiting);
    if (least !== undefined && (least.waiting === 0 || this.#workers.length === WORKERS)) return least;
    const worker = new Worker(join(this.#nativeDirectory, 'berth-fs'));
    this.#workers.push(worker);
    return worker;
  }
}

/** One process: it answers the paths that it is given in their order. */
class Worker implements AsyncDisposable {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #waiting: PromiseWithResolvers<void>[] = [];
  readonly #gone: Promise<unknown>;
  #hasEnded = false;

  constructor(program: string) {
    this.#child = spawn(program, ['remove-trees'], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#child.stdin.on('error', () => {}); // its end is told below
    createInterface({ input: this.#child.stdout }).on('line', (line) => this.#answer(line));
    this.#gone = once(this.#child, 'close').then(
      () => this.#end('berth-fs has ended before a tree was removed'),
      (error: Error) => this.#end(`berth-fs could not be started: ${error.message}`),
    );
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  remove(path: string): Promise<void> {
    const answer = Promise.withResolvers<void>();
    this.#waiting.push(answer);
    this.#child.stdin.write(`${path}\0`);
    return answer.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.stdin.end();
    await this.#gone;
  }

  #answer(line: string): void {
    const asked = this.#waiting.shift();
    if (line === 'done') asked?.resolve();
    else asked?.reject(reportedFailure(line));
  }

  #end(reason: string): void {
    this.#hasEnded = true;
    for (const asked of this.#waiting.splice(0)) asked.reject(unavailable(reason));
  }
}
