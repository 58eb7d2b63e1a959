import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import {
  decodeFields,
  encodeFrame,
  type Field,
  FieldWriter,
  type Frame,
  FrameDecoder,
  unavailable,
} from '../base/index.ts';
import { connectPayload, type WorkerPlace, workerPayload } from './from-spec.ts';
import { fileTag, guestMessage, guestTag, recordTag } from './guest-protocol.ts';
import { VM_CONTROL_SOCKET, vmControl, vmStateTag } from './vm-plan.ts';

/** A process of a guest, as its kernel tells of it (proc(5)). */
export interface GuestRecord {
  /** In the numbers of the guest's agent; those that the processes see are in their status. */
  readonly pid: number;
  /** /proc/PID/stat and /proc/PID/status. */
  readonly stat: string;
  readonly status: string;
  /** Empty for one that has ended. */
  readonly command: readonly string[];
  /** By its name where the guest knows one. */
  readonly user: string;
}

/** Which way of its plan a machine was started by, and how long that took: milliseconds from the start of QEMU. */
export interface MachineState {
  readonly machine: number;
  /** Until the guest was ready, and until its first process was executed. */
  readonly readyAfter: number;
  readonly startedAfter: number;
  /** Why the ways before it were of no use. */
  readonly passedOver: readonly string[];
}

/**
 * What the monitor of a running machine is asked. `folder` is the machine's folder below the runtime's root. Each request
 * has a connection of its own. Throws `unavailable` when the machine has ended or its guest does not answer.
 */
export class MachineControl {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** The accounts of the guest by their names: its processes' control group's, like cpu.stat, and meminfo, stat and net/dev of /proc. */
  async statistics(signal?: AbortSignal): Promise<ReadonlyMap<string, string>> {
    const answer = await this.#ask(guestMessage.statistics, new Uint8Array(), signal);
    const files = decodeFields(answer.payload).filter(({ tag }) => tag === guestTag.file);
    return new Map(
      files.map(({ value }) => {
        const fields = decodeFields(value);
        return [textOf(fields, fileTag.path), textOf(fields, fileTag.content)];
      }),
    );
  }

  async processes(signal?: AbortSignal): Promise<readonly GuestRecord[]> {
    const answer = await this.#ask(guestMessage.processes, new Uint8Array(), signal);
    const records = decodeFields(answer.payload).filter(({ tag }) => tag === guestTag.process);
    return records.map(({ value }) => decodeRecord(decodeFields(value)));
  }

  /** How the machine came to be. */
  async state(signal?: AbortSignal): Promise<MachineState> {
    const { payload } = await this.#ask(vmControl.state, new Uint8Array(), signal);
    const fields = decodeFields(payload);
    return {
      machine: numberOf(fields, vmStateTag.machine),
      readyAfter: numberOf(fields, vmStateTag.ready) / 1000,
      startedAfter: numberOf(fields, vmStateTag.started) / 1000,
      passedOver: fields.filter(({ tag }) => tag === vmStateTag.passedOver).map(({ value }) => String(value)),
    };
  }

  /** Sends SIGKILL to all processes; the machine then ends as it does by itself, with its disk written. */
  async killAll(signal?: AbortSignal): Promise<void> {
    await this.#ask(guestMessage.killAll, new Uint8Array(), signal);
  }

  /** Replaces the content of a file that the guest was set up with, like /etc/hosts. */
  async putFile(path: string, content: Uint8Array, signal?: AbortSignal): Promise<void> {
    const request = new FieldWriter().text(fileTag.path, path).bytes(fileTag.content, content);
    await this.#ask(guestMessage.putFile, request.finish(), signal);
  }

  /** A socket to berth's file worker in the guest; the worker ends with it. */
  openFiles(place: WorkerPlace, signal?: AbortSignal): Promise<Socket> {
    return this.#stream(workerPayload(place), signal);
  }

  /** A socket to a port inside the guest, at the first of the addresses that accepts. Throws `unavailable` with the reason when none does. */
  connect(port: number, addresses: readonly string[], signal?: AbortSignal): Promise<Socket> {
    return this.#stream(connectPayload(port, addresses), signal);
  }

  /** The input and output of a process that is started for it, and ends with it. */
  async #stream(process: Uint8Array, signal?: AbortSignal): Promise<Socket> {
    const connection = await this.#connect(signal);
    try {
      await connection.request(vmControl.stream, process);
      return connection.release();
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  async #ask(type: number, payload: Uint8Array, signal?: AbortSignal): Promise<Frame> {
    const connection = await this.#connect(signal);
    try {
      return await connection.request(type, payload);
    } finally {
      connection.close();
    }
  }

  /** By a descriptor of the folder, as paths of sockets are at most 107 bytes long. */
  async #connect(signal?: AbortSignal): Promise<Connection> {
    signal?.throwIfAborted();
    let folder: FileHandle;
    try {
      folder = await open(this.#folder, constants.O_DIRECTORY);
    } catch (cause) {
      throw unavailable('the virtual machine has ended', { cause });
    }
    try {
      return await Connection.open(`/proc/self/fd/${folder.fd}/${VM_CONTROL_SOCKET}`, signal);
    } finally {
      await folder.close();
    }
  }
}

/** A connection to the monitor, for one request. */
class Connection {
  readonly #socket: Socket;
  #received: Buffer = Buffer.alloc(0);
  #answer: PromiseWithResolvers<Frame> | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('readable', this.#onReadable);
    socket.on('error', this.#onEnd);
    socket.on('close', this.#onEnd);
  }

  static async open(path: string, signal?: AbortSignal): Promise<Connection> {
    const socket = connect(path);
    const abort = () => socket.destroy(new Error('the request was cancelled'));
    signal?.addEventListener('abort', abort, { once: true });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    socket.once('connect', resolve);
    socket.once('error', reject);
    try {
      await promise;
      socket.once('close', () => signal?.removeEventListener('abort', abort));
      return new Connection(socket);
    } catch (cause) {
      signal?.removeEventListener('abort', abort);
      signal?.throwIfAborted();
      throw unavailable('the virtual machine has ended, or is just starting', { cause });
    } finally {
      socket.removeListener('error', reject);
    }
  }

  async request(type: number, payload: Uint8Array): Promise<Frame> {
    this.#answer = Promise.withResolvers<Frame>();
    this.#socket.write(encodeFrame(type, 1, payload));
    const answer = await this.#answer.promise;
    if (answer.type !== guestMessage.error) return answer;
    throw unavailable(textOf(decodeFields(answer.payload), guestTag.message));
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

function decodeRecord(fields: readonly Field[]): GuestRecord {
  return {
    pid: numberOf(fields, recordTag.pid),
    stat: textOf(fields, recordTag.stat),
    status: textOf(fields, recordTag.status),
    command: textOf(fields, recordTag.command).split('\0').slice(0, -1),
    user: textOf(fields, recordTag.user),
  };
}

function numberOf(fields: readonly Field[], tag: number): number {
  const value = fields.find((field) => field.tag === tag)?.value;
  return value === undefined ? 0 : Number(value.readBigUInt64LE());
}

function textOf(fields: readonly Field[], tag: number): string {
  return fields.find((field) => field.tag === tag)?.value.toString() ?? '';
}
