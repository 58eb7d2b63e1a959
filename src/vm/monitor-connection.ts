import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { decodeFields, encodeFrame, type Frame, FrameDecoder, unavailable } from '../base/index.ts';
import { guestMessage, guestTag } from './guest-protocol.ts';
import { VM_CONTROL_SOCKET } from './vm-plan.ts';

/** A connection to the monitor of a running virtual machine, for one request and what may follow its answer. */
export class MonitorConnection {
  readonly #socket: Socket;
  #received: Buffer = Buffer.alloc(0);
  #answer: PromiseWithResolvers<Frame> | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('readable', this.#onReadable);
    socket.on('error', this.#onEnd);
    socket.on('close', this.#onEnd);
  }

  /**
   * `folder` is the machine's folder below the runtime's root. Throws `unavailable` when the machine has ended. The
   * connection ends when `signal` is aborted.
   */
  static async open(folder: string, signal?: AbortSignal): Promise<MonitorConnection> {
    signal?.throwIfAborted();
    let handle: FileHandle;
    try {
      handle = await open(folder, constants.O_DIRECTORY);
    } catch (cause) {
      throw unavailable('the virtual machine has ended', { cause });
    }
    try {
      // By a descriptor of the folder, as paths of sockets are at most 107 bytes long.
      return await MonitorConnection.#connect(`/proc/self/fd/${handle.fd}/${VM_CONTROL_SOCKET}`, signal);
    } finally {
      await handle.close();
    }
  }

  static async #connect(path: string, signal?: AbortSignal): Promise<MonitorConnection> {
    signal?.throwIfAborted();
    const socket = connect(path);
    const abort = () => socket.destroy(new Error('the request was cancelled'));
    signal?.addEventListener('abort', abort, { once: true });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    socket.once('connect', resolve);
    socket.once('error', reject);
    try {
      await promise;
      socket.once('close', () => signal?.removeEventListener('abort', abort));
      return new MonitorConnection(socket);
    } catch (cause) {
      signal?.removeEventListener('abort', abort);
      signal?.throwIfAborted();
      throw unavailable('the virtual machine has ended, or is just starting', { cause });
    } finally {
      socket.removeListener('error', reject);
    }
  }

  /**
   * Throws `unavailable` with the monitor's own words when it refuses, when the machine ends before it answers, and when
   * it has not answered after `patience` milliseconds; undefined: it may take as long as it likes.
   */
  async request(type: number, payload: Uint8Array, patience?: number): Promise<Frame> {
    this.#answer = Promise.withResolvers<Frame>();
    this.#socket.write(encodeFrame(type, 1, payload));
    const answer = await this.#answerWithin(patience);
    if (answer.type !== guestMessage.error) return answer;
    const message = decodeFields(answer.payload).find(({ tag }) => tag === guestTag.message)?.value;
    throw unavailable(message?.toString() ?? 'the virtual machine gave no reason');
  }

  async #answerWithin(patience: number | undefined): Promise<Frame> {
    const answer = this.#answer ?? Promise.withResolvers<Frame>();
    if (patience === undefined) return answer.promise;
    const giveUp = () =>
      answer.reject(unavailable(`the virtual machine's guest has not answered for ${patience / 1000} s`));
    const timer = setTimeout(giveUp, patience);
    try {
      return await answer.promise;
    } finally {
      clearTimeout(timer);
    }
  }

  /** What follows is the socket's reader's. */
  release(): Socket {
    this.#socket.removeListener('error', this.#onEnd);
    this.#socket.removeListener('close', this.#onEnd);
    return this.#socket;
  }

  close(): void {
    this.#socket.destroy();
  }

  /** Takes no more than one frame: what is behind an answer may be another protocol. */
  readonly #onReadable = (): void => {
    for (let chunk = this.#read(); chunk !== null; chunk = this.#read()) {
      this.#received = Buffer.concat([this.#received, chunk]);
      if (this.#received.length < 4) continue;
      const length = 4 + this.#received.readUInt32LE(0);
      if (this.#received.length < length) continue;
      const rest = this.#received.subarray(length);
      const [frame] = new FrameDecoder().push(this.#received.subarray(0, length));
      this.#received = Buffer.alloc(0);
      this.#socket.removeListener('readable', this.#onReadable);
      if (rest.length > 0) this.#socket.unshift(rest);
      if (frame !== undefined) this.#answer?.resolve(frame);
      return;
    }
  };

  #read(): Buffer | null {
    const chunk: unknown = this.#socket.read();
    return Buffer.isBuffer(chunk) ? chunk : null;
  }

  readonly #onEnd = (cause?: unknown): void => {
    this.#answer?.reject(
      unavailable('the virtual machine has ended', cause instanceof Error ? { cause } : {}),
    );
  };
}
