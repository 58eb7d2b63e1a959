import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { Duplex } from 'node:stream';
import { internal, unavailable } from '../../src/base/index.ts';
import { beginSteps, type ComputerFiles, computerArguments } from '../../src/vm/computer/arguments.ts';
import type { ComputerLayout } from '../../src/vm/computer/contract.ts';
import type { ComputerEventStream, ComputerMonitor } from '../../src/vm/computer/monitor.ts';
import { isObject, parseObject } from '../../src/vm/computer/qmp-answer.ts';
import { EventQueue } from '../../src/vm/computer/testing/fake-qemu.ts';
import {
  VM_AGENT_DESCRIPTOR,
  VM_GUEST_AGENT_DESCRIPTOR,
  VM_QMP_DESCRIPTOR,
  type VmStep,
} from '../../src/vm/vm-plan.ts';

export interface BareOptions {
  /** An open file of a snapshot's state to go on from. */
  readonly state?: number;
  /** As if nobody pressed the button yet: no processor runs. */
  readonly paused?: boolean;
  /** Booted in the place of what the disks have. */
  readonly kernel?: { readonly path: string; readonly initramfs: string; readonly words: string };
  /** An open file that `add-fd` hands over: Node itself cannot send any. */
  readonly handed?: number;
}

/** A computer's QEMU without monitor and confinement: what its arguments and commands do. Its cards lead nowhere. */
export class BareComputer implements ComputerMonitor, AsyncDisposable {
  readonly #qemu: ChildProcess;
  readonly #qmp: Duplex;
  readonly #console: Duplex;
  /** The port of QEMU's guest agent. */
  readonly agent: Duplex;
  readonly #waiting = new Map<string, PromiseWithResolvers<unknown>>();
  readonly #streams = new Set<EventQueue>();
  #words = '';
  #ended: string | undefined;
  #screen = '';
  #looked: (() => void) | undefined;

  static async start(
    layout: ComputerLayout,
    files: ComputerFiles,
    options: BareOptions = {},
  ): Promise<BareComputer> {
    const begin = options.state === undefined ? 'boot' : 'resume';
    const args = computerArguments(layout, files, '00000000-0000-4000-8000-000000000000', begin);
    const computer = new BareComputer([...args.map(asBare), ...kernelArguments(options)], options);
    const steps = beginSteps(begin).slice(0, options.paused === true ? -1 : undefined);
    for (const step of steps) await computer.#perform(step);
    return computer;
  }

  private constructor(args: readonly string[], { state, handed }: BareOptions) {
    const files = handed === undefined ? [] : ['-add-fd', `fd=${HANDED_DESCRIPTOR},set=${HANDED_SET}`];
    // Ends with this process, however that ends.
    this.#qemu = spawn('setpriv', ['--pdeathsig', 'KILL', 'qemu-system-x86_64', ...args, ...files], {
      stdio: ['ignore', 'ignore', 'pipe', 'pipe', 'pipe', state ?? 'ignore', 'pipe', handed ?? 'ignore'],
    });
    this.#qemu.stderr?.on('data', (chunk: Buffer) => {
      this.#words += chunk.toString();
    });
    this.#console = this.#channel(VM_AGENT_DESCRIPTOR);
    this.#console.on('data', (chunk: Buffer) => this.#show(chunk.toString()));
    this.#qmp = this.#channel(VM_QMP_DESCRIPTOR);
    const lines = createInterface({ input: this.#qmp });
    lines.on('line', (line) => this.#take(line));
    lines.on('error', () => {}); // the channel's own
    this.agent = this.#channel(VM_GUEST_AGENT_DESCRIPTOR);
    this.#qemu.once('close', (code, signal) =>
      this.#end(`QEMU has ended (${signal ?? code}): ${this.#words}`),
    );
  }

  async execute(command: string, args: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
    if (command === 'add-fd') return { 'fdset-id': HANDED_SET };
    const id = `${command}-${this.#waiting.size}-${Math.random()}`;
    const answer = Promise.withResolvers<unknown>();
    this.#waiting.set(id, answer);
    this.#qmp.write(`${JSON.stringify({ execute: command, arguments: args, id })}\n`);
    return answer.promise;
  }

  async events(): Promise<ComputerEventStream> {
    const queue = new EventQueue(() => this.#streams.delete(queue));
    this.#streams.add(queue);
    return queue;
  }

  /** What the console shows up to something that it shows after what was waited for before. */
  async shows(pattern: RegExp): Promise<string> {
    for (;;) {
      const found = pattern.exec(this.#screen);
      if (found !== null) {
        const end = found.index + found[0].length;
        const seen = this.#screen.slice(0, end);
        this.#screen = this.#screen.slice(end);
        return seen;
      }
      if (this.#ended !== undefined) throw unavailable(`${this.#ended}\n${this.#screen}`);
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#looked = resolve;
      await promise;
    }
  }

  type(text: string): void {
    this.#console.write(text);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#qemu.exitCode !== null || this.#qemu.signalCode !== null) return;
    const closed = once(this.#qemu, 'close');
    this.#qemu.kill('SIGKILL');
    await closed;
  }

  async #perform(step: VmStep): Promise<void> {
    if ('command' in step) {
      const { execute, arguments: args } = step.command;
      await this.execute(execute, args);
      return;
    }
    await using events = await this.events();
    const answer: unknown = await this.execute('query-migrate');
    if (isObject(answer) && answer.status === 'completed') return;
    await events.find(({ name, data }) => name === 'MIGRATION' && data.status === 'completed');
  }

  #channel(descriptor: number): Duplex {
    const channel: unknown = this.#qemu.stdio[descriptor];
    if (!(channel instanceof Duplex)) throw internal(`descriptor ${descriptor} of QEMU is no channel`);
    return channel.on('error', () => {}); // its end says enough
  }

  #show(text: string): void {
    this.#screen += text;
    this.#looked?.();
  }

  #take(line: string): void {
    const message = parseObject(line);
    if (typeof message.event === 'string') {
      const event = { name: message.event, data: isObject(message.data) ? message.data : {} };
      for (const stream of this.#streams) stream.push(event);
      return;
    }
    const answer = this.#waiting.get(String(message.id));
    this.#waiting.delete(String(message.id));
    if (isObject(message.error)) answer?.reject(unavailable(String(message.error.desc)));
    else answer?.resolve(message.return);
  }

  #end(how: string): void {
    this.#ended = how;
    for (const answer of this.#waiting.values()) answer.reject(unavailable(how));
    this.#looked?.();
  }
}

const HANDED_DESCRIPTOR = 7;
const HANDED_SET = 1;

function kernelArguments({ kernel }: BareOptions): string[] {
  if (kernel === undefined) return [];
  return ['-kernel', kernel.path, '-initrd', kernel.initramfs, '-append', kernel.words];
}

/** Cards without taps, and disks that are not booted, whose places in the order a kernel would want for itself. */
function asBare(word: string): string {
  return word.replace(/^tap,fd=(\d+)/, 'hubport,hubid=$1').replace(/,bootindex=\d+$/, '');
}
