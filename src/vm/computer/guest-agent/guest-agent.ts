import { setTimeout as wait } from 'node:timers/promises';
import { denied, errorMessage, internal, notFound, unavailable } from '../../../base/index.ts';
import type { ComputerControl } from '../control.ts';
import { isObject } from '../qmp-answer.ts';
import { AgentRefusal, AgentSession } from './agent-session.ts';

/** A command for the guest: the program is looked for in the agent's PATH. */
export interface GuestCommand {
  readonly args: readonly string[];
  /** "NAME=VALUE", beside the agent's own environment. */
  readonly env?: readonly string[];
  /** A folder in the guest; undefined: the agent's own. */
  readonly directory?: string | undefined;
  readonly input?: Uint8Array | undefined;
}

export interface GuestExit {
  /** 128 and the signal's number for one that a signal ended, 127 where there is no such program, as shells have it. */
  readonly exitCode: number;
  readonly output: Buffer;
  readonly errorOutput: Buffer;
  /** There was more output than the agent keeps: 16 MiB of each. */
  readonly truncated: boolean;
}

/** An agent that runs answers within milliseconds, where the guest is emulated on a busy host within seconds. */
const PATIENCE_MS = 10_000;

/** A guest that writes much has to write it out first. */
const FREEZE_TIMEOUT_MS = 10_000;

/** The agent answers when it has done what it was asked before. */
const THAW_TIMEOUT_MS = 60_000;

/** Of a file at once: it is a line of JSON for the agent. */
const CHUNK = 512 * 1024;

const FIRST_LOOK_MS = 10;
const LONGEST_WAIT_MS = 500;

/**
 * QEMU's agent in a guest, where its system has it. Each request takes the agent for itself only as long as it is answered, so
 * that a long command does not keep others out. Methods throw `unavailable` where no agent answers, with what to install, and
 * `denied` for what the guest's system does not let it do.
 */
export class GuestAgent {
  readonly #control: Pick<ComputerControl, 'openAgent'>;
  readonly #patience: number;

  /** `patience`: milliseconds in which an agent that is there answers. */
  constructor(control: Pick<ComputerControl, 'openAgent'>, patience = PATIENCE_MS) {
    this.#control = control;
    this.#patience = patience;
  }

  /** Runs a command until it ends; aborted, it is told to end (SIGTERM). Its output comes at its end: the agent has no streams. */
  async run(command: GuestCommand, signal: AbortSignal): Promise<GuestExit> {
    let pid: number;
    try {
      pid = numberIn(await this.#call('guest-exec', execArguments(command), signal), 'pid');
    } catch (error) {
      if (isMissingProgram(error)) return noSuchProgram(command.args[0] ?? '');
      throw translated(error);
    }
    try {
      return await this.#exitOf(pid, signal);
    } catch (error) {
      if (signal.aborted) await this.#end(pid);
      throw translated(error);
    }
  }

  /** The content of a file, in pieces. Throws `not-found`. */
  async *read(path: string, signal: AbortSignal): AsyncGenerator<Buffer> {
    const handle = await this.#open(path, 'r', signal);
    try {
      for (;;) {
        const part = await this.#call('guest-file-read', { handle, count: CHUNK }, signal);
        const data = base64In(part, 'buf-b64');
        if (data.length > 0) yield data;
        if (!isObject(part) || part.eof === true || data.length === 0) return;
      }
    } catch (error) {
      throw translated(error);
    } finally {
      await this.#close(handle);
    }
  }

  /** Writes a file, in the place of one that is there. Throws `not-found` for a folder that there is not. */
  async write(path: string, content: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void> {
    const handle = await this.#open(path, 'w', signal);
    try {
      for await (const data of content) await this.#append(handle, data, signal);
      await this.#call('guest-file-flush', { handle }, signal);
    } catch (error) {
      throw translated(error);
    } finally {
      await this.#close(handle);
    }
  }

  /** Sets the guest's clock, which after a snapshot's restore is that of then. */
  async setTime(now: Date, signal: AbortSignal): Promise<void> {
    try {
      await this.#call('guest-set-time', { time: now.getTime() * 1e6 }, signal);
    } catch (error) {
      if (!(error instanceof AgentRefusal)) throw error;
      // Agents refuse where their system has no hwclock, as Debian 13; its clock can be set all the same.
      const { exitCode } = await this.run({ args: ['date', '-u', '-s', `@${now.getTime() / 1000}`] }, signal);
      if (exitCode !== 0) throw translated(error);
    }
  }

  /** Has the guest write out what it holds back, so that a freeze has little to do; it does the rest where this fails. */
  async writeOut(signal: AbortSignal): Promise<void> {
    await this.run({ args: ['sync'] }, signal).catch(() => {});
  }

  /**
   * Holds the guest's file systems still, each whole: who writes to them waits until {@link thaw}, which the caller always does,
   * also when this fails. Meanwhile the agent refuses all else.
   */
  async freeze(signal: AbortSignal): Promise<void> {
    const inTime = AbortSignal.any([signal, AbortSignal.timeout(FREEZE_TIMEOUT_MS)]);
    try {
      await this.#call('guest-fsfreeze-freeze', {}, inTime);
    } catch (error) {
      throw translated(error);
    }
  }

  /** Lets the guest's file systems go; nothing happens when they are not held. Throws when they may still be. */
  async thaw(): Promise<void> {
    const inTime = AbortSignal.timeout(THAW_TIMEOUT_MS);
    try {
      await this.#call('guest-fsfreeze-thaw', {}, inTime, THAW_TIMEOUT_MS);
    } catch (cause) {
      if (cause instanceof AgentRefusal) return; // it holds none, as it cannot
      throw unavailable(`the machine's file systems may be held still: ${errorMessage(cause)}`, {
        hint: 'Let them go inside (fsfreeze -u FOLDER), or restart the machine',
        cause,
      });
    }
  }

  /** The agent takes less at once than it is asked to when its disk is slow. */
  async #append(handle: number, data: Uint8Array, signal: AbortSignal): Promise<void> {
    for (let at = 0; at < data.length; ) {
      const part = Buffer.from(data.subarray(at, at + CHUNK));
      const args = { handle, 'buf-b64': part.toString('base64') };
      const written = numberIn(await this.#call('guest-file-write', args, signal), 'count');
      if (written === 0) throw unavailable('the guest takes no more of a file');
      at += written;
    }
  }

  /** The agent has no event for it, so it is asked: at once, and then more and more seldom. */
  async #exitOf(pid: number, signal: AbortSignal): Promise<GuestExit> {
    for (let pause = FIRST_LOOK_MS; ; pause = Math.min(2 * pause, LONGEST_WAIT_MS)) {
      const status = await this.#call('guest-exec-status', { pid }, signal);
      if (!isObject(status)) throw internal('the guest agent tells no status of a process');
      if (status.exited === true) return exitIn(status);
      await wait(pause, undefined, { signal });
    }
  }

  /** It may have ended, and so may the agent. */
  async #end(pid: number): Promise<void> {
    const args = { path: 'kill', arg: ['-TERM', String(pid)] };
    await this.#call('guest-exec', args, AbortSignal.timeout(this.#patience)).catch(() => {});
  }

  async #open(path: string, mode: 'r' | 'w', signal: AbortSignal): Promise<number> {
    try {
      const handle = await this.#call('guest-file-open', { path, mode }, signal);
      if (typeof handle === 'number') return handle;
    } catch (error) {
      if (error instanceof AgentRefusal && /No such file/.test(error.message)) {
        throw notFound(`${path}: no such file or directory in the machine`);
      }
      throw translated(error);
    }
    throw internal('the guest agent gives no handle of a file');
  }

  async #close(handle: number): Promise<void> {
    const signal = AbortSignal.timeout(this.#patience);
    await this.#call('guest-file-close', { handle }, signal).catch(() => {}); // the agent may have ended
  }

  async #call(
    command: string,
    args: Readonly<Record<string, unknown>>,
    signal: AbortSignal,
    patience = this.#patience,
  ): Promise<unknown> {
    const socket = await this.#control.openAgent(signal);
    const onAbort = () => socket.destroy();
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      using session = await AgentSession.begin(socket, patience);
      return await session.execute(command, args);
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    } finally {
      signal.removeEventListener('abort', onAbort);
      socket.destroy();
    }
  }
}

/** The agent knows of no folder, and an environment would be the whole one: a shell adds both. */
function execArguments({ args, env = [], directory, input }: GuestCommand): Record<string, unknown> {
  const isPlain = env.length === 0 && directory === undefined;
  const script = 'cd -- "$1" && shift && exec env -- "$@"';
  const wrapped = isPlain ? args : ['/bin/sh', '-c', script, 'sh', directory ?? '.', ...env, ...args];
  const [path = '', ...arg] = wrapped;
  return {
    ...{ path, arg, 'capture-output': true },
    ...(input === undefined ? {} : { 'input-data': Buffer.from(input).toString('base64') }),
  };
}

/** In the words of GLib, which starts the programs. */
function isMissingProgram(error: unknown): boolean {
  return error instanceof AgentRefusal && /Failed to execute child process/.test(error.message);
}

function noSuchProgram(program: string): GuestExit {
  const errorOutput = Buffer.from(`${program}: there is no such program in the machine\n`);
  return { exitCode: 127, output: Buffer.alloc(0), errorOutput, truncated: false };
}

function exitIn(status: Readonly<Record<string, unknown>>): GuestExit {
  const { exitcode, signal } = status;
  return {
    exitCode: typeof exitcode === 'number' ? exitcode : 128 + (typeof signal === 'number' ? signal : 0),
    output: base64In(status, 'out-data'),
    errorOutput: base64In(status, 'err-data'),
    truncated: status['out-truncated'] === true || status['err-truncated'] === true,
  };
}

function translated(error: unknown): unknown {
  if (!(error instanceof AgentRefusal)) return error;
  if (error.reason === 'CommandNotFound' || /disabled/.test(error.message)) {
    return denied(`the guest agent does not allow that: ${error.message}`, {
      hint: 'See its configuration in the machine: /etc/qemu/qemu-ga.conf, /etc/sysconfig/qemu-ga',
      cause: error,
    });
  }
  return unavailable(`the guest agent refuses: ${error.message}`, { cause: error });
}

function numberIn(value: unknown, key: string): number {
  const found = isObject(value) ? value[key] : undefined;
  if (typeof found === 'number') return found;
  throw internal(`the guest agent gives no ${key}`);
}

function base64In(value: unknown, key: string): Buffer {
  const found = isObject(value) ? value[key] : undefined;
  return typeof found === 'string' ? Buffer.from(found, 'base64') : Buffer.alloc(0);
}
