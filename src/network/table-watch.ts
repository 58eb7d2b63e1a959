import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { run } from '../base/index.ts';

/**
 * Calls `putBack` whenever a table has gone, as `nft flush ruleset` makes it. It learns of that by a process (nft(8), monitor)
 * which ends with this one, however that ends. Where the process cannot be started, nothing is watched: the next change of
 * the table finds out.
 */
export class TableWatch implements AsyncDisposable {
  readonly #table: string;
  readonly #putBack: () => Promise<void>;
  readonly #monitor: ChildProcess;
  #work: Promise<void> = Promise.resolve();

  constructor(table: string, putBack: () => Promise<void>) {
    this.#table = table;
    this.#putBack = putBack;
    const args = ['--pdeathsig', 'KILL', 'nft', 'monitor', 'destroy', 'tables'];
    const monitor = spawn('setpriv', args, { stdio: ['ignore', 'pipe', 'ignore'] });
    monitor.on('error', () => {});
    createInterface({ input: monitor.stdout }).on('line', (line) => {
      if (line === `delete table inet ${table}`) this.#check();
    });
    this.#monitor = monitor;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { pid, exitCode, signalCode } = this.#monitor;
    if (pid !== undefined && exitCode === null && signalCode === null) {
      const exited = once(this.#monitor, 'exit');
      this.#monitor.kill('SIGKILL');
      await exited;
    }
    await this.#work;
  }

  /** The table may be there again: a whole one is loaded by deleting the old one first. */
  #check(): void {
    const work = async () => {
      const { code } = await run('nft', ['list', 'table', 'inet', this.#table]);
      if (code !== 0) await this.#putBack();
    };
    this.#work = this.#work.then(work).catch(() => {}); // the next change meets the reason itself
  }
}
