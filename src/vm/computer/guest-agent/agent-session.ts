import { randomInt } from 'node:crypto';
import type { Socket } from 'node:net';
import { errorMessage, internal, unavailable } from '../../../base/index.ts';
import { isObject } from '../qmp-answer.ts';

/** Comes before an answer to guest-sync-delimited, and before the request makes the agent forget half a request. */
const DELIMITER = 0xff;

const NEWLINE = 0x0a;

/** More than any answer: 48 MiB are the most that the agent reads of a file at once, in base64. */
const LONGEST_LINE = 80 * 1024 ** 2;

/** The agent refused a command; the message is its own. */
export class AgentRefusal extends Error {
  override readonly name = 'AgentRefusal';
  /** "CommandNotFound" for what it does not have, or its system does not allow. */
  readonly reason: string;

  constructor(reason: string, message: string) {
    super(message);
    this.reason = reason;
  }
}

/**
 * The stream to a guest's agent while we have it: requests and answers are lines of JSON, one request at a time (QEMU Guest Agent
 * Protocol Reference). Throws `unavailable` when it ends or, at the begin, nothing answers.
 */
export class AgentSession implements Disposable {
  readonly #socket: Socket;
  readonly #chunks: AsyncIterator<Buffer>;
  #received: Buffer = Buffer.alloc(0);

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.#chunks = socket[Symbol.asyncIterator]();
  }

  /** `patience`: milliseconds in which the agent is to answer. */
  static async begin(socket: Socket, patience: number): Promise<AgentSession> {
    const session = new AgentSession(socket);
    const timer = setTimeout(() => socket.destroy(notThere()), patience);
    try {
      await session.#synchronize();
      return session;
    } catch (error) {
      session[Symbol.dispose]();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  /** What the command returned. Throws {@link AgentRefusal}. */
  async execute(command: string, args: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
    this.#send(command, args);
    const { return: value, error } = parse(await this.#readTo(NEWLINE));
    if (!isObject(error)) return value;
    throw new AgentRefusal(String(error.class), String(error.desc));
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }

  /** What is answered before our own number is for somebody who did not wait for it. */
  async #synchronize(): Promise<void> {
    const id = randomInt(2 ** 31);
    this.#socket.write(Buffer.from([DELIMITER]));
    this.#send('guest-sync-delimited', { id });
    for (;;) {
      await this.#readTo(DELIMITER);
      const line = await this.#readTo(NEWLINE);
      if (parse(line).return === id) return;
    }
  }

  #send(execute: string, args: Readonly<Record<string, unknown>>): void {
    this.#socket.write(`${JSON.stringify({ execute, arguments: args })}\n`);
  }

  /** What comes before a byte, which is taken too. */
  async #readTo(byte: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    for (let length = 0; ; ) {
      const at = this.#received.indexOf(byte);
      if (at >= 0) {
        parts.push(this.#received.subarray(0, at));
        this.#received = this.#received.subarray(at + 1);
        return Buffer.concat(parts);
      }
      parts.push(this.#received);
      length += this.#received.length;
      if (length > LONGEST_LINE) throw unavailable('the guest agent answers without end');
      this.#received = await this.#next();
    }
  }

  async #next(): Promise<Buffer> {
    const { value, done } = await this.#chunks.next().catch((cause: unknown) => {
      throw cause instanceof Error && cause.name === 'BerthError' ? cause : ended(cause);
    });
    if (done === true || value === undefined) throw ended(undefined);
    return value;
  }
}

function parse(line: Buffer): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(line.toString());
    if (isObject(value)) return value;
  } catch (cause) {
    throw unavailable('the guest agent says what is no JSON', { cause });
  }
  throw internal('the guest agent says what is no object');
}

function ended(cause: unknown) {
  const why = cause === undefined ? '' : `: ${errorMessage(cause)}`;
  return unavailable(`the connection to the guest agent has ended${why}`, { cause });
}

function notThere() {
  return unavailable("QEMU's guest agent does not answer in the machine", {
    hint: 'Wait until its system has booted, or install it there: apt-get install qemu-guest-agent (dnf, apk: the same name)',
  });
}
