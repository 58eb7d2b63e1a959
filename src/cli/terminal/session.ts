import { spawnSync } from 'node:child_process';
import type { ReadStream } from 'node:tty';
import { DEFAULT_DETACH_KEYS, DetachScanner, invalid, parseDetachKeys } from '../../base/index.ts';
import { copyOutput, type HijackedStream } from '../../client/index.ts';

/** What connects this process's streams with a container's. */
export interface SessionOptions {
  readonly stream: HijackedStream;
  /** Send our standard input. */
  readonly stdin: boolean;
  /** The process has a terminal, not pipes. */
  readonly tty: boolean;
  readonly detachKeys?: string | undefined;
  /** Tells the engine the terminal's size. */
  readonly resize: (size: { rows: number; columns: number }) => Promise<void>;
}

export type SessionEnd = 'ended' | 'detached';

/** Refuses a terminal for the container where our input is none. */
export function checkTerminal({ stdin, tty }: { stdin: boolean; tty: boolean }): void {
  if (stdin && tty && !process.stdin.isTTY) {
    throw invalid('the input device is not a TTY', {
      hint: 'Leave out -t when input comes from a pipe or a file',
    });
  }
}

/**
 * Our terminal or pipes joined with a process's. From construction to disposal the terminal is raw: keys go to the
 * process, and ctrl-p ctrl-q (or other keys that were asked for) leaves it.
 */
export class Session implements Disposable {
  /** Resolves when the process's output ended or the user left. */
  readonly ended: Promise<SessionEnd>;
  readonly #options: SessionOptions;
  readonly #release: (() => void)[] = [];

  constructor(options: SessionOptions) {
    this.#options = options;
    const { stream, stdin, tty } = options;
    const detached = Promise.withResolvers<SessionEnd>();
    const output = copyOutput(stream, process.stdout, process.stderr).then((): SessionEnd => 'ended');
    this.ended = Promise.race([output, detached.promise]);
    output.catch(() => {}); // once the user has left, its end is nobody's concern
    if (stdin) this.#sendInput(() => detached.resolve('detached'));
    if (tty && process.stdout.isTTY) {
      const fit = () => void this.fitTerminal();
      process.stdout.on('resize', fit);
      this.#release.push(() => process.stdout.off('resize', fit));
    }
  }

  /** Gives the process's terminal the size of ours. */
  async fitTerminal(): Promise<void> {
    if (!this.#options.tty || !process.stdout.isTTY) return;
    const { rows, columns } = process.stdout;
    // A process that ended meanwhile has no terminal to resize.
    await this.#options.resize({ rows, columns }).catch(() => {});
  }

  [Symbol.dispose](): void {
    for (const release of this.#release) release();
    this.#options.stream.socket.destroy();
  }

  #sendInput(onDetach: () => void): void {
    const { socket } = this.#options.stream;
    const { tty, detachKeys = DEFAULT_DETACH_KEYS } = this.#options;
    const input = process.stdin;
    const scanner = tty ? new DetachScanner(parseDetachKeys(detachKeys)) : undefined;
    const forward = (chunk: Buffer) => {
      const { send, detached } = scanner?.scan(chunk) ?? { send: chunk, detached: false };
      if (send.length > 0 && !socket.write(send)) {
        input.pause();
        socket.once('drain', () => input.resume());
      }
      if (detached) onDetach();
    };
    const finish = () => socket.end();
    socket.on('error', () => {}); // the process ended while we typed: its output's end tells
    if (tty && input.isTTY) {
      makeRaw(input);
      this.#release.push(() => input.setRawMode(false));
    }
    input.on('data', forward).once('end', finish);
    this.#release.push(() => input.off('data', forward).off('end', finish).pause());
  }
}

/**
 * Node's raw mode still makes CR LF of each LF of output, where programs with a screen of their own mean a step down by it.
 * Without stty it stays so.
 */
function makeRaw(input: ReadStream): void {
  input.setRawMode(true);
  spawnSync('stty', ['-opost'], { stdio: ['inherit', 'ignore', 'ignore'] });
}
