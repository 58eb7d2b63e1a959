import { createInterface } from 'node:readline';
import type { Duplex } from 'node:stream';
import { errorMessage, unavailable } from '../base/index.ts';
import type { VmStep } from './vm-plan.ts';

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/**
 * The commands and events of a running QEMU (QEMU Machine Protocol): one command at a time, and events since the
 * command before. The monitor (native/vm) does the same for machines; this is for templates.
 */
export class Qmp {
  readonly #stream: Duplex;
  #command: Waiter | undefined;
  #event: (Waiter & { readonly matches: (line: string) => boolean }) | undefined;
  #events: string[] = [];
  #failure: Error | undefined;

  constructor(stream: Duplex) {
    this.#stream = stream;
    const lines = createInterface({ input: stream });
    lines.on('line', (line) => this.#take(line));
    lines.on('close', () => this.#fail(unavailable('QEMU has ended')));
    lines.on('error', () => {}); // the stream's own
    stream.on('error', (error) => this.#fail(unavailable(`QEMU does not answer: ${errorMessage(error)}`)));
  }

  /** Does steps in order, each after the one before is done. Throws `unavailable` with QEMU's own words. */
  async perform(steps: readonly VmStep[]): Promise<void> {
    for (const step of steps) {
      if ('command' in step) await this.#execute(step.command);
      else await this.#await(step.event, step.words);
    }
  }

  #execute(command: { readonly execute: string }): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#events = [];
    this.#command = {
      resolve,
      reject: (error) => reject(unavailable(`QEMU refuses ${command.execute}: ${error.message}`)),
    };
    this.#stream.write(`${JSON.stringify(command)}\n`);
    return promise;
  }

  #await(event: string, words: readonly string[]): Promise<void> {
    const matches = (line: string) =>
      line.includes(`"event": "${event}"`) && words.every((word) => line.includes(word));
    if (this.#events.some(matches)) return Promise.resolve();
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#event = { resolve, reject, matches };
    return promise;
  }

  #take(line: string): void {
    if (line.startsWith('{"return"')) this.#answered()?.resolve();
    else if (line.startsWith('{"error"')) this.#answered()?.reject(new Error(descriptionIn(line)));
    else if (line.includes('"event"')) this.#happened(line);
  }

  #answered(): Waiter | undefined {
    const waiter = this.#command;
    this.#command = undefined;
    return waiter;
  }

  #happened(line: string): void {
    this.#events.push(line);
    if (this.#event?.matches(line) !== true) return;
    this.#event.resolve();
    this.#event = undefined;
  }

  #fail(error: Error): void {
    this.#failure = error;
    this.#answered()?.reject(error);
    this.#event?.reject(error);
    this.#event = undefined;
  }
}

/** The reason in a refusal: {"error": {"class": …, "desc": …}}. */
function descriptionIn(line: string): string {
  const answer: unknown = JSON.parse(line);
  if (typeof answer !== 'object' || answer === null || !('error' in answer)) return line;
  const { error } = answer;
  if (typeof error !== 'object' || error === null || !('desc' in error)) return line;
  return String(error.desc);
}
