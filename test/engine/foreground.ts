import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

/** A command that runs while the test looks at what it prints. */
export class Foreground {
  readonly child: ChildProcess;
  readonly #lines: string[] = [];
  readonly #closed: Promise<unknown>;
  #changed = Promise.withResolvers<void>();

  constructor(
    file: string,
    args: readonly string[],
    options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
  ) {
    const child = spawn(file, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
    this.child = child;
    this.#closed = once(child, 'close').finally(() => this.#changed.resolve());
    for (const input of [child.stdout, child.stderr]) {
      if (input === null) continue;
      createInterface({ input }).on('line', (line) => {
        this.#lines.push(line);
        this.#changed.resolve();
      });
    }
  }

  /** What it has printed so far. */
  get lines(): readonly string[] {
    return this.#lines;
  }

  /** Resolves once a line has the text. */
  async said(text: string): Promise<void> {
    while (!this.#lines.some((line) => line.includes(text))) {
      if (this.child.exitCode !== null) {
        throw new Error(
          `it ended with ${this.child.exitCode} and never said "${text}":\n${this.#lines.join('\n')}`,
        );
      }
      await this.#changed.promise;
      this.#changed = Promise.withResolvers();
    }
  }

  /** Resolves at the end of the command and its output; null when a signal ended it. */
  async exitCode(): Promise<number | null> {
    await this.#closed;
    return this.child.exitCode;
  }
}
