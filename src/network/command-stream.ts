import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { systemErrorCode, unavailable } from '../base/index.ts';

/** How one program is started, fed and understood. */
export interface StreamProgram {
  readonly file: string;
  readonly args: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  /** The text to write for a batch: its commands, and one more whose answer tells that they are done. */
  encode(commands: readonly string[]): string;
  /**
   * What the answer says so far: undefined while it is incomplete. A program may also refuse by ending; what it
   * printed on standard error is then the reason.
   */
  decode(output: { readonly stdout: string; readonly stderr: string }): StreamAnswer | undefined;
}

export type StreamAnswer =
  | { readonly kind: 'done'; readonly output?: string }
  | { readonly kind: 'refused'; readonly reason: string };

/**
 * A program that stays alive between batches of commands and reads them from a pipe: a batch costs a write, not a
 * fork. It is started when first needed and again after it ended. Batches run one after the other.
 */
export class CommandStream implements AsyncDisposable {
  readonly #program: StreamProgram;
  #child: ChildProcessWithoutNullStreams | undefined;
  #batches = 0;
  #tail: Promise<unknown> = Promise.resolve();

  constructor(program: StreamProgram) {
    this.#program = program;
  }

  /** Runs commands in order up to the first that is refused. Throws `unavailable` when the program cannot be started. */
  run(commands: readonly string[]): Promise<StreamAnswer> {
    const answer = this.#tail.then(() => this.#exchange(commands));
    this.#tail = answer.catch(() => {});
    return answer;
  }

  /** Tells the program that no more commands come; it ends by itself. Another batch would start a new one. */
  end(): void {
    this.#child?.stdin.end();
    this.#child = undefined;
  }

  /** Waits for the batches that were given, then ends the program. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#tail;
    await this.#stop();
  }

  async #exchange(commands: readonly string[]): Promise<StreamAnswer> {
    const child = this.#running();
    const output = { stdout: '', stderr: '' };
    const { promise, resolve, reject } = Promise.withResolvers<StreamAnswer>();
    const read = (stream: 'stdout' | 'stderr') => (chunk: Buffer) => {
      output[stream] += chunk.toString();
      const answer = this.#program.decode(output);
      if (answer !== undefined) resolve(answer);
    };
    const [onStdout, onStderr] = [read('stdout'), read('stderr')];
    const onClose = () => resolve({ kind: 'refused', reason: output.stderr.trim() || 'it ended' });
    const onError = (error: Error) => reject(startFailure(this.#program.file, error));
    child.stdout.on('data', onStdout);
    child.stderr.on('data', onStderr);
    child.once('close', onClose);
    child.once('error', onError);
    try {
      child.stdin.write(this.#program.encode(commands));
      return await promise;
    } finally {
      child.stdout.off('data', onStdout);
      child.stderr.off('data', onStderr);
      child.off('close', onClose);
      child.off('error', onError);
      this.#batches += 1;
      if (this.#batches >= MOST_BATCHES) await this.#stop();
    }
  }

  #running(): ChildProcessWithoutNullStreams {
    if (this.#child !== undefined) return this.#child;
    const { file, args, env } = this.#program;
    const child = spawn(file, args, { stdio: 'pipe', ...(env === undefined ? {} : { env }) });
    const forget = () => {
      if (this.#child === child) this.#child = undefined;
    };
    child.stdin.on('error', () => {}); // it ended before it read everything: `close` follows and tells
    child.on('error', forget);
    child.once('exit', forget);
    this.#child = child;
    this.#batches = 0;
    return child;
  }

  async #stop(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL'); // between batches it holds nothing that could be lost
    await exited;
  }
}

/** nft's line editor remembers each line, some 200 bytes of memory: a new process after that many. */
const MOST_BATCHES = 5000;

function startFailure(file: string, error: Error): Error {
  const reason =
    systemErrorCode(error) === 'ENOENT' ? 'is not installed' : `could not be started: ${error.message}`;
  return unavailable(`the program ${file} ${reason}`, {
    hint: file === 'nft' ? 'Install the package nftables' : 'Install the packages iproute2 and util-linux',
    cause: error,
  });
}
