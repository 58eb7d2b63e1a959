import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';

/** A command on a terminal of its own (a pty, by util-linux's script), with somebody who types. */
export class Terminal {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #closed: Promise<unknown>;
  #output = '';
  #changed = Promise.withResolvers<void>();

  constructor(command: readonly string[], env: NodeJS.ProcessEnv) {
    const words = command.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
    this.#child = spawn('script', ['--quiet', '--return', '--flush', '--command', words, '/dev/null'], {
      env: { ...env, SHELL: '/bin/sh' },
    });
    this.#child.stdout.on('data', (chunk: Buffer) => {
      this.#output += chunk.toString();
      this.#changed.resolve();
    });
    this.#closed = once(this.#child, 'close').finally(() => this.#changed.resolve());
  }

  type(keys: string): void {
    this.#child.stdin.write(keys);
  }

  /** Resolves when the terminal shows the text. */
  async shows(text: string): Promise<void> {
    while (!this.#output.includes(text)) {
      if (this.#child.exitCode !== null)
        throw new Error(`it ended and never showed ${text}:\n${this.#output}`);
      await this.#changed.promise;
      this.#changed = Promise.withResolvers();
    }
  }

  /** How the command ended, and all that the terminal has shown. */
  async end(): Promise<{ readonly code: number | null; readonly output: string }> {
    await this.#closed;
    return { code: this.#child.exitCode, output: this.#output };
  }
}
