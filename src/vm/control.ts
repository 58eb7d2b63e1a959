import type { Socket } from 'node:net';
import { decodeFields, type Field, FieldWriter, type Frame } from '../base/index.ts';
import { connectPayload, type WorkerPlace, workerPayload } from './from-spec.ts';
import { fileTag, guestMessage, guestTag, recordTag } from './guest-protocol.ts';
import { MonitorConnection } from './monitor-connection.ts';
import { vmControl, vmStateTag } from './vm-plan.ts';

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
  /** QEMU's process. */
  readonly pid: number;
  readonly machine: number;
  /** Until the guest was ready, and until its first process was executed. */
  readonly readyAfter: number;
  readonly startedAfter: number;
  /** Why the ways before it were of no use. */
  readonly passedOver: readonly string[];
}

/**
 * What a guest may take for an answer that it always has (milliseconds). However busy the host is, it is there in a tenth of this; one
 * that is silent for longer has a kernel that hangs, or does not want to answer.
 */
const PATIENCE = 30_000;

/**
 * What the monitor of a running machine is asked. `folder` is the machine's folder below the runtime's root. Each request
 * has a connection of its own. Throws `unavailable` when the machine has ended or its guest does not answer within `patience`
 * milliseconds, and the reason of a `signal` that is aborted before.
 */
export class MachineControl {
  readonly #folder: string;
  readonly #patience: number;

  constructor(folder: string, { patience = PATIENCE }: { readonly patience?: number } = {}) {
    this.#folder = folder;
    this.#patience = patience;
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
      pid: numberOf(fields, vmStateTag.pid),
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

  /** A socket to berth's file worker in the guest; the worker ends with it, and it when `signal` is aborted. */
  openFiles(place: WorkerPlace, signal?: AbortSignal): Promise<Socket> {
    return this.#stream(workerPayload(place), { patience: this.#patience, signal });
  }

  /**
   * A socket to a port inside the guest, at the first of the addresses that accepts, for as long as it takes to find out. Throws
   * `unavailable` with the reason when none does. The socket ends when `signal` is aborted.
   */
  connect(port: number, addresses: readonly string[], signal?: AbortSignal): Promise<Socket> {
    return this.#stream(connectPayload(port, addresses), { patience: undefined, signal });
  }

  /** The input and output of a process that is started for it, and ends with it. */
  async #stream(
    process: Uint8Array,
    { patience, signal }: { readonly patience: number | undefined; readonly signal: AbortSignal | undefined },
  ): Promise<Socket> {
    const connection = await MonitorConnection.open(this.#folder, signal);
    try {
      await connection.request(vmControl.stream, process, patience);
      return connection.release();
    } catch (error) {
      connection.close();
      signal?.throwIfAborted();
      throw error;
    }
  }

  async #ask(type: number, payload: Uint8Array, signal?: AbortSignal): Promise<Frame> {
    const connection = await MonitorConnection.open(this.#folder, signal);
    try {
      return await connection.request(type, payload, this.#patience);
    } catch (error) {
      signal?.throwIfAborted();
      throw error;
    } finally {
      connection.close();
    }
  }
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
