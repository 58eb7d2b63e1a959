import { connect, type Socket } from 'node:net';
import {
  asBerthError,
  BerthError,
  decodeFields,
  type ErrorKind,
  encodeFrame,
  type Frame,
  FrameDecoder,
  fieldOf,
  internal,
  isBerthError,
  PREVIOUS_PROTOCOL_VERSION,
  PROTOCOL_VERSION,
  systemErrorCode,
  textOf,
  unavailable,
} from '../base/index.ts';
import { message, tag } from './protocol.ts';
import { runtimeFailure } from './runtime-failure.ts';

/**
 * A framed connection to the launcher or a supervisor: requests find their answers by id, all other frames go to
 * `onFrame` in order.
 */
export class Channel implements AsyncDisposable {
  /** Resolves (never rejects) when the connection has ended, whoever ended it. */
  readonly closed: Promise<void>;
  readonly #socket: Socket;
  readonly #peer: string;
  readonly #decoder = new FrameDecoder();
  readonly #waiting = new Map<number, PromiseWithResolvers<Frame>>();
  readonly #onFrame: (frame: Frame) => void;
  readonly version: number;
  #lastId = 0;
  #failure: BerthError | undefined;

  /** `peer` names the other side in messages. `socket` must be connected. */
  constructor(
    socket: Socket,
    peer: string,
    onFrame: (frame: Frame) => void,
    version: number = PROTOCOL_VERSION,
  ) {
    this.version = version;
    this.#socket = socket;
    this.#peer = peer;
    this.#onFrame = onFrame;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.closed = promise;
    socket.on('data', (chunk) => this.#receive(chunk));
    socket.on('error', () => {}); // "close" follows, and says all that matters
    socket.once('close', () => {
      this.#failAll();
      resolve();
    });
    socket.once('end', () => socket.end());
  }

  get isOpen(): boolean {
    return this.#socket.writable;
  }

  /**
   * Sends a request and resolves with its answer. Rejects with the error that the other side reports, with
   * `unavailable` when it goes away before.
   */
  async request(type: number, payload?: Uint8Array): Promise<Frame> {
    if (!this.isOpen) throw this.#gone();
    const id = this.#freeId();
    const answer = Promise.withResolvers<Frame>();
    this.#waiting.set(id, answer);
    this.#socket.write(encodeFrame(type, id, payload, this.version));
    return await answer.promise;
  }

  /** Stops taking frames, so that the other side has to wait. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** Ends the connection at once. */
  close(): void {
    this.#socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    await this.closed;
  }

  #freeId(): number {
    if (this.#waiting.size >= 0xffff) throw internal(`too many requests to ${this.#peer} at once`);
    do this.#lastId = (this.#lastId % 0xffff) + 1;
    while (this.#waiting.has(this.#lastId));
    return this.#lastId;
  }

  #receive(chunk: string | Buffer): void {
    try {
      for (const frame of this.#decoder.push(Buffer.from(chunk))) this.#dispatch(frame);
    } catch (error) {
      this.#failure = internal(`${this.#peer} broke the protocol`, { cause: error });
      this.close();
    }
  }

  #dispatch(frame: Frame): void {
    // Who does not speak this version says so in its own.
    if (frame.version !== this.version && frame.type !== message.error) {
      throw new RangeError(`protocol version ${frame.version} instead of ${this.version}`);
    }
    const answer = frame.id === 0 ? undefined : this.#waiting.get(frame.id);
    if (answer === undefined) {
      this.#onFrame(frame);
      return;
    }
    this.#waiting.delete(frame.id);
    if (frame.type === message.error) answer.reject(reportedError(frame));
    else answer.resolve(frame);
  }

  #failAll(): void {
    for (const answer of this.#waiting.values()) answer.reject(this.#gone());
    this.#waiting.clear();
  }

  #gone(): BerthError {
    return this.#failure ?? unavailable(`${this.#peer} has gone`);
  }
}

/**
 * Greets in this version and, where the other side refuses it by name, in the one before. `open` connects and says hello;
 * its result is returned.
 */
export async function greet<T>(open: (version: number) => Promise<T>): Promise<T> {
  try {
    return await open(PROTOCOL_VERSION);
  } catch (error) {
    if (!isBerthError(error, 'not-implemented')) throw error;
    return await open(PREVIOUS_PROTOCOL_VERSION);
  }
}

/** Connects to a unix socket. Rejects with the system's error, or as cancelled. */
export async function connectSocket(path: string, signal?: AbortSignal): Promise<Socket> {
  signal?.throwIfAborted();
  const socket = connect(path);
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const onAbort = () => {
    socket.destroy();
    reject(asBerthError(signal?.reason));
  };
  signal?.addEventListener('abort', onAbort, { once: true });
  socket.once('connect', () => resolve(socket));
  socket.once('error', reject);
  try {
    return await promise;
  } finally {
    signal?.removeEventListener('abort', onAbort);
    socket.removeListener('error', reject);
  }
}

/** A connection, or undefined when nobody listens at the path. */
export async function connectIfAlive(path: string, signal?: AbortSignal): Promise<Socket | undefined> {
  try {
    return await connectSocket(path, signal);
  } catch (error) {
    const code = systemErrorCode(error);
    // One that ends just now resets what it has not accepted.
    if (code === 'ENOENT' || code === 'ECONNREFUSED' || code === 'ECONNRESET') return undefined;
    throw error;
  }
}

const ERROR_KINDS: readonly ErrorKind[] = [
  'invalid',
  'not-found',
  'conflict',
  'unavailable',
  'not-implemented',
  'internal',
];

/** The error that an error frame reports. */
function reportedError(frame: Frame): BerthError {
  const fields = decodeFields(frame.payload);
  const text = textOf(fields, tag.message);
  const words = fieldOf(fields, tag.runtimeLog);
  if (words !== undefined) return runtimeFailure(text, words.toString());
  const kind = ERROR_KINDS.find((known) => known === textOf(fields, tag.kind)) ?? 'internal';
  return new BerthError(kind, text);
}
