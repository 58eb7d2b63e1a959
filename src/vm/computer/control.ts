import type { Socket } from 'node:net';
import { basename, dirname } from 'node:path';
import { runChecked } from '../../base/index.ts';
import { MonitorConnection } from '../monitor-connection.ts';
import { vmControl } from '../vm-plan.ts';
import { ComputerEvents } from './events.ts';
import { returnedBy } from './qmp-answer.ts';

export interface ExecuteOptions {
  /**
   * An open file that goes to QEMU with the command, which is getfd or add-fd: so QEMU gets files that are not in its root.
   * It stays the caller's.
   */
  readonly descriptor?: number;
  readonly signal?: AbortSignal;
}

/**
 * What a computer that runs is asked: QEMU's commands and events, and the guest's agent. Beside it, `MachineControl.state`
 * tells of its start. Each request has a connection of its own. Throws `unavailable` when the computer has ended.
 */
export class ComputerControl {
  readonly #folder: string;
  readonly #runtime: string;

  /** `folder` is the computer's below the runtime's root, `runtime` the program berth-vm. */
  constructor(folder: string, runtime: string) {
    this.#folder = folder;
    this.#runtime = runtime;
  }

  /**
   * What a command of QEMU's (QMP reference) returns. Commands of all callers are done one after the other. Throws
   * `unavailable` with QEMU's words when it refuses. A command that was sent is carried out even when `signal` is aborted.
   */
  async execute(
    command: string,
    args: Readonly<Record<string, unknown>> = {},
    { descriptor, signal }: ExecuteOptions = {},
  ): Promise<unknown> {
    const line = JSON.stringify({ execute: command, arguments: args });
    const answer =
      descriptor === undefined ? await this.#ask(line, signal) : await this.#give(line, descriptor, signal);
    return returnedBy(command, answer);
  }

  /** QEMU's events from now on: opened before a command, it has what the command brings about. */
  async events(signal?: AbortSignal): Promise<ComputerEvents> {
    const connection = await this.#open(vmControl.events, signal);
    return new ComputerEvents(connection.release());
  }

  /**
   * The stream to QEMU's guest agent, as soon as nobody else has it; destroyed, it is free for the next one. What a caller
   * before did not wait for may still come: begin with guest-sync-delimited (QEMU Guest Agent Protocol Reference). That
   * nothing answers there is no error: not every system has the agent.
   */
  async openAgent(signal?: AbortSignal): Promise<Socket> {
    return (await this.#open(vmControl.agent, signal)).release();
  }

  async #ask(line: string, signal?: AbortSignal): Promise<string> {
    const connection = await MonitorConnection.open(this.#folder, signal);
    try {
      return (await connection.request(vmControl.qmp, Buffer.from(line))).payload.toString();
    } finally {
      connection.close();
    }
  }

  /** By a program, as Node cannot send descriptors. */
  async #give(line: string, descriptor: number, signal?: AbortSignal): Promise<string> {
    const words = ['--root', dirname(this.#folder), 'qmp', basename(this.#folder)];
    const options = { input: line, descriptors: [descriptor], ...(signal === undefined ? {} : { signal }) };
    return (await runChecked(this.#runtime, words, options)).stdout.toString();
  }

  async #open(type: number, signal?: AbortSignal): Promise<MonitorConnection> {
    const connection = await MonitorConnection.open(this.#folder, signal);
    try {
      await connection.request(type, new Uint8Array());
      return connection;
    } catch (error) {
      connection.close();
      throw error;
    }
  }
}
