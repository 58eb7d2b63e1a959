import {
  conflict,
  decodeFields,
  type Field,
  FieldWriter,
  type Frame,
  fieldOf,
  numberOf,
  optionalNumberOf,
  timeOf,
} from '../base/index.ts';
import { Channel, connectSocket } from './channel.ts';
import type {
  AttachOptions,
  AttachSession,
  ExecSession,
  ExitStatus,
  OutputChunk,
  RunEnd,
  RunFacts,
} from './contract.ts';
import { endDetails, NOT_RESTARTED } from './exit-record.ts';
import { message, streamBit, tag } from './protocol.ts';
import { runtimeFailure } from './runtime-failure.ts';

/** So much unread output is kept here before the supervisor has to wait. */
const UNREAD_MAX = 256 * 1024;

/** Input goes in pieces of this size, each acknowledged when the process's pipe has taken it. */
const INPUT_PIECE = 32 * 1024;

/** Where a supervisor listens, and which version of the protocol it speaks. */
export interface SessionAddress {
  readonly socketPath: string;
  readonly version: number;
}

/** Attaches to PID 1 of a supervisor. */
export async function openAttachSession(
  { socketPath, version }: SessionAddress,
  options: AttachOptions,
): Promise<AttachSession> {
  const session = await Session.open(socketPath, version);
  await session.request(message.attach, new FieldWriter().number(tag.streams, bitsOf(options)).finish());
  return session;
}

/** Starts a process in the container. Throws as `Supervisor.run`. */
export async function openExecSession(
  { socketPath, version }: SessionAddress,
  process: object | Uint8Array,
  options: AttachOptions & { readonly terminal: boolean },
): Promise<ExecSession> {
  const session = await Session.open(socketPath, version);
  const payload = new FieldWriter()
    .number(tag.streams, bitsOf(options))
    .number(tag.terminal, Number(options.terminal))
    .bytes(tag.process, process instanceof Uint8Array ? process : Buffer.from(JSON.stringify(process)))
    .finish();
  const started = await session.request(message.exec, payload);
  return new Exec(session, numberOf(decodeFields(started.payload), tag.pid));
}

function bitsOf(options: AttachOptions): number {
  return (
    (options.stdin ? streamBit.stdin : 0) |
    (options.stdout ? streamBit.stdout : 0) |
    (options.stderr ? streamBit.stderr : 0)
  );
}

/** The status that an exited frame carries. */
export function decodeExit(frame: Frame): ExitStatus {
  const fields = decodeFields(frame.payload);
  const finishedAt = timeOf(fields, tag.time);
  const run = decodeRun(fields);
  const words = fieldOf(fields, tag.runtimeLog);
  if (words !== undefined && run !== undefined) {
    return {
      kind: 'not-restarted',
      reason: runtimeFailure(NOT_RESTARTED, words.toString()),
      finishedAt,
      run,
    };
  }
  const oomKilled = numberOf(fields, tag.oomKilled) === 1;
  const code = numberOf(fields, tag.code);
  return { kind: 'exited', code, oomKilled, finishedAt, run, ...decodeDetails(fields) };
}

/** An end that is followed by a restart. Throws RangeError when a field is missing. */
export function decodeRunEnd(fields: readonly Field[]): RunEnd {
  return {
    kind: 'exited',
    code: numberOf(fields, tag.code),
    oomKilled: numberOf(fields, tag.oomKilled) === 1,
    finishedAt: timeOf(fields, tag.time),
    run: { startedAt: timeOf(fields, tag.startTime), restarts: numberOf(fields, tag.restarts) },
    ...decodeDetails(fields),
  };
}

function decodeRun(fields: readonly Field[]): RunFacts | undefined {
  if (fieldOf(fields, tag.startTime) === undefined) return undefined;
  return { startedAt: timeOf(fields, tag.startTime), restarts: numberOf(fields, tag.restarts) };
}

function decodeDetails(fields: readonly Field[]) {
  return endDetails({
    signal: optionalNumberOf(fields, tag.endSignal),
    peak: optionalNumberOf(fields, tag.memoryPeak),
    limit: optionalNumberOf(fields, tag.memoryLimit),
  });
}

class Session implements AttachSession {
  readonly exited: Promise<ExitStatus>;
  readonly #channel: Channel;
  readonly #output = new OutputQueue();
  #lastWrite: Promise<void> = Promise.resolve();

  static async open(socketPath: string, version: number): Promise<Session> {
    const socket = await connectSocket(socketPath);
    return new Session((onFrame) => new Channel(socket, 'the supervisor', onFrame, version));
  }

  private constructor(openChannel: (onFrame: (frame: Frame) => void) => Channel) {
    const exited = Promise.withResolvers<ExitStatus>();
    this.exited = exited.promise;
    this.#channel = openChannel((frame) => {
      if (frame.type === message.exited) exited.resolve(decodeExit(frame));
      else this.#take(frame);
    });
    this.#channel.closed.then(() => {
      this.#output.end();
      exited.resolve({ kind: 'unknown', finishedAt: new Date() });
    });
  }

  async request(type: number, payload?: Uint8Array): Promise<Frame> {
    try {
      return await this.#channel.request(type, payload);
    } catch (error) {
      if (type === message.attach || type === message.exec) this.#channel.close();
      throw error;
    }
  }

  async *output(): AsyncIterable<OutputChunk> {
    for (;;) {
      const chunk = await this.#output.next();
      if (chunk === undefined) return;
      if (this.#output.size < UNREAD_MAX / 2) this.#channel.resume();
      yield chunk;
    }
  }

  write(data: Uint8Array): Promise<void> {
    return this.#inOrder(async () => {
      for (let at = 0; at < data.length; at += INPUT_PIECE) {
        await this.#input(message.stdin, data.subarray(at, at + INPUT_PIECE));
      }
    });
  }

  closeInput(): Promise<void> {
    return this.#inOrder(() => this.#input(message.closeStdin));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#output.end();
    await this.#channel[Symbol.asyncDispose]();
  }

  #take(frame: Frame): void {
    const stream = frame.type === message.stderr ? 'stderr' : 'stdout';
    this.#output.push({ stream, data: frame.payload });
    if (this.#output.size >= UNREAD_MAX) this.#channel.pause();
  }

  async #input(type: number, payload?: Uint8Array): Promise<void> {
    if (!this.#channel.isOpen) throw conflict('the process takes no input any more');
    await this.#channel.request(type, payload);
  }

  #inOrder(step: () => Promise<void>): Promise<void> {
    const done = this.#lastWrite.then(step, step);
    this.#lastWrite = done;
    done.catch(() => {}); // the caller of this step hears of it; the next step goes on
    return done;
  }
}

class Exec implements ExecSession {
  readonly pid: number;
  readonly #session: Session;

  constructor(session: Session, pid: number) {
    this.#session = session;
    this.pid = pid;
  }

  get exited(): Promise<ExitStatus> {
    return this.#session.exited;
  }

  output(): AsyncIterable<OutputChunk> {
    return this.#session.output();
  }

  write(data: Uint8Array): Promise<void> {
    return this.#session.write(data);
  }

  closeInput(): Promise<void> {
    return this.#session.closeInput();
  }

  async resize(rows: number, columns: number): Promise<void> {
    const size = new FieldWriter().number(tag.rows, rows).number(tag.columns, columns).finish();
    await this.#session.request(message.resize, size);
  }

  async signal(number: number): Promise<void> {
    await this.#session.request(message.signal, new FieldWriter().number(tag.number, number).finish());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session[Symbol.asyncDispose]();
  }
}

/** Chunks on their way from the socket to one reader. */
class OutputQueue {
  size = 0;
  readonly #chunks: OutputChunk[] = [];
  #ended = false;
  #wake: (() => void) | undefined;

  push(chunk: OutputChunk): void {
    if (this.#ended) return;
    this.#chunks.push(chunk);
    this.size += chunk.data.length;
    this.#wake?.();
  }

  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  /** The next chunk; undefined after the last. */
  async next(): Promise<OutputChunk | undefined> {
    while (this.#chunks.length === 0 && !this.#ended) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await promise;
    }
    const chunk = this.#chunks.shift();
    if (chunk !== undefined) this.size -= chunk.data.length;
    return chunk;
  }
}
