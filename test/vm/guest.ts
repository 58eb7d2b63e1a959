import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import {
  decodeFields,
  encodeFrame,
  FieldWriter,
  type Frame,
  FrameDecoder,
  internal,
  numberOf,
  textOf,
} from '../../src/base/index.ts';
import {
  fileTag,
  GUEST_MAIN_PROCESS,
  guestMessage,
  guestStream,
  guestTag,
  processTag,
  setupTag,
} from '../../src/vm/guest-protocol.ts';
import { bootSteps } from '../../src/vm/machine-arguments.ts';
import { Qmp } from '../../src/vm/qmp.ts';
import {
  busyboxTree,
  type GuestOptions,
  makeDisks,
  makeLayer,
  qemuCommand,
  writeTree,
} from './guest-machine.ts';

/** A guest that runs: QEMU with PID 1 (native/guest), without berthd, a monitor, or QEMU's confinement. */
export interface Guest extends AsyncDisposable {
  /** The folder that it may mount. */
  readonly shares: string;
  readonly layerCount: number;
  /** Everything that the guest's console said. */
  console(): string;
  /** Sends a request and returns the payload of its answer; an ERROR is thrown as `kind: message`. */
  ask(type: number, payload?: Buffer): Promise<Buffer>;
  /** SETUP with the layers; `add` says more. */
  setUp(add?: (fields: FieldWriter) => void): Promise<void>;
  /** START; `add` says more. The first process is the machine's own. */
  start(args: readonly string[], add?: (fields: FieldWriter) => void): Promise<GuestProgram>;
  /** Starts, and waits for the end. */
  run(args: readonly string[], add?: (fields: FieldWriter) => void): Promise<Finished>;
  /** Frames that belong to no process and no request. */
  readonly events: Frame[];
  /** Calls back with each of them. */
  onEvent(listener: (frame: Frame) => void): void;
  send(type: number, id: number, payload?: Buffer): void;
  /** Resolves when QEMU has ended. */
  readonly ended: Promise<void>;
}

export interface Finished {
  readonly code: number;
  readonly signal: number;
  readonly outOfMemory: boolean;
  readonly stdout: string;
  readonly stderr: string;
}

export interface GuestProgram {
  readonly id: number;
  /** As the guest's PID 1 sees it. */
  readonly pid: number;
  /** Output so far; grows. */
  readonly output: { stdout: string; stderr: string };
  /** Resolves when the output holds the text. */
  sees(text: string): Promise<void>;
  write(data: string | Buffer): void;
  closeInput(): void;
  signal(number: number): void;
  /** Gives no credit back any more, or again. */
  hold(isHeld: boolean): void;
  readonly finished: Promise<Finished>;
}

/** Every capability: those of the root of a virtual machine of its own. */
const ALL_CAPABILITIES = (1n << 41n) - 1n;

/** Boots a guest with busybox in its bottom layer, from cold and emulated, and waits until it is ready. */
export async function bootGuest(options: GuestOptions = {}): Promise<Guest> {
  await using cleanup = new AsyncDisposableStack();
  const folder = await mkdtemp('/tmp/berth-guest-');
  cleanup.defer(() => rm(folder, { recursive: true, force: true }));
  const trees = [await busyboxTree(), ...(options.layers ?? [])];
  const layers = await Promise.all(trees.map((tree, index) => makeLayer(folder, index, tree)));
  const disks = await makeDisks(folder, layers, options.writable);
  const shares = join(folder, 'shares');
  await writeTree(shares, options.shares ?? {});
  // A test that is given up leaves no machine behind: it ends with whoever started it.
  const command = ['--pdeathsig', 'KILL', '--', ...(await qemuCommand(folder, shares, options))];
  const child = spawn('setpriv', command, {
    stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'pipe'],
  });
  const ended = once(child, 'exit').then(() => {});
  cleanup.defer(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  const guest = new RunningGuest(child, shares, layers.length, ended);
  await new Qmp(channelOf(child, 4)).perform(bootSteps(disks));
  await guest.ready;
  const closing = cleanup.move();
  return Object.assign(guest, { [Symbol.asyncDispose]: () => closing.disposeAsync() });
}

function channelOf(child: ChildProcess, descriptor: number): Duplex {
  const channel: unknown = child.stdio[descriptor];
  if (channel instanceof Duplex) return channel;
  throw internal(`descriptor ${descriptor} is no channel`);
}

/** What waits for frames with one id. */
type Handler = (frame: Frame) => void;

class RunningGuest {
  readonly shares: string;
  readonly layerCount: number;
  readonly events: Frame[] = [];
  readonly ended: Promise<void>;
  readonly ready: Promise<void>;
  readonly #channel: Duplex;
  readonly #handlers = new Map<number, Handler>();
  readonly #listeners: Handler[] = [];
  #console = '';
  #lastId = GUEST_MAIN_PROCESS;
  #started = false;

  constructor(child: ChildProcess, shares: string, layerCount: number, ended: Promise<void>) {
    this.shares = shares;
    this.layerCount = layerCount;
    this.ended = ended;
    this.#channel = channelOf(child, 3);
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        this.#console += chunk.toString();
      });
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.ready = promise;
    const decoder = new FrameDecoder();
    this.#channel.on('data', (chunk: Buffer) => {
      for (const frame of decoder.push(chunk)) {
        if (frame.type === guestMessage.ready && frame.id === 0) resolve();
        else this.#take(frame);
      }
    });
    this.#channel.on('error', () => {});
    void ended.then(() => {
      const gone = encodeError('unavailable', `the guest has ended: ${this.#console}`);
      reject(new Error(`the guest has ended: ${this.#console}`));
      for (const handler of [...this.#handlers.values()]) handler(gone);
    });
  }

  console(): string {
    return this.#console;
  }

  onEvent(listener: Handler): void {
    this.#listeners.push(listener);
  }

  send(type: number, id: number, payload: Buffer = Buffer.alloc(0)): void {
    this.#channel.write(encodeFrame(type, id, payload));
  }

  async ask(type: number, payload?: Buffer): Promise<Buffer> {
    const id = ++this.#lastId;
    const answer = this.#once(id);
    this.send(type, id, payload);
    return answered(await answer).payload;
  }

  async setUp(add: (fields: FieldWriter) => void = () => {}): Promise<void> {
    const fields = new FieldWriter();
    for (let layer = 1; layer <= this.layerCount; layer++) fields.number(setupTag.layer, layer);
    add(fields);
    await this.ask(guestMessage.setup, fields.finish());
  }

  async start(args: readonly string[], add: (fields: FieldWriter) => void = () => {}): Promise<GuestProgram> {
    const id = this.#started ? ++this.#lastId : GUEST_MAIN_PROCESS;
    this.#started = true;
    const fields = new FieldWriter();
    for (const argument of args) fields.text(processTag.argument, argument);
    for (const set of [processTag.bounding, processTag.effective, processTag.permitted]) {
      fields.number(set, ALL_CAPABILITIES);
    }
    add(fields);
    const { promise, resolve } = Promise.withResolvers<Frame>();
    const program = new Program(this, id);
    this.#handlers.set(id, (frame) => {
      if (frame.type === guestMessage.started || frame.type === guestMessage.error) resolve(frame);
      program.take(frame);
    });
    this.send(guestMessage.start, id, fields.finish());
    const answer = answered(await promise);
    program.pid = numberOf(decodeFields(answer.payload), guestTag.pid) ?? 0;
    return program;
  }

  async run(args: readonly string[], add?: (fields: FieldWriter) => void): Promise<Finished> {
    const program = await this.start(args, add);
    return program.finished;
  }

  #take(frame: Frame): void {
    const handler = this.#handlers.get(frame.id);
    if (handler !== undefined && frame.type < guestMessage.outOfMemory) handler(frame);
    else if (handler !== undefined && frame.type === guestMessage.error) handler(frame);
    else {
      this.events.push(frame);
      for (const listener of this.#listeners) listener(frame);
    }
  }

  async #once(id: number): Promise<Frame> {
    const { promise, resolve } = Promise.withResolvers<Frame>();
    this.#handlers.set(id, resolve);
    return promise.finally(() => this.#handlers.delete(id));
  }
}

function encodeError(kind: string, text: string): Frame {
  const payload = new FieldWriter().text(guestTag.kind, kind).text(guestTag.message, text).finish();
  return { version: 2, type: guestMessage.error, id: 0, payload };
}

function answered(frame: Frame): Frame {
  if (frame.type !== guestMessage.error) return frame;
  const fields = decodeFields(frame.payload);
  throw new Error(`${textOf(fields, guestTag.kind)}: ${textOf(fields, guestTag.message)}`);
}

class Program implements GuestProgram {
  readonly id: number;
  readonly output = { stdout: '', stderr: '' };
  readonly finished: Promise<Finished>;
  pid = 0;
  readonly #guest: RunningGuest;
  readonly #finish: (finished: Finished) => void;
  readonly #fail: (error: Error) => void;
  readonly #waiting: { readonly text: string; readonly resolve: () => void }[] = [];
  readonly #owed = { stdout: 0, stderr: 0 };
  #isHeld = false;

  constructor(guest: RunningGuest, id: number) {
    this.id = id;
    this.#guest = guest;
    const { promise, resolve, reject } = Promise.withResolvers<Finished>();
    promise.catch(() => {});
    this.finished = promise;
    this.#finish = resolve;
    this.#fail = reject;
  }

  async sees(text: string): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push({ text, resolve });
    this.#lookForTexts();
    await Promise.race([promise, this.finished.then(({ code }) => this.#neverSaw(text, code))]);
  }

  write(data: string | Buffer): void {
    this.#guest.send(guestMessage.stdin, this.id, Buffer.from(data));
  }

  closeInput(): void {
    this.#guest.send(guestMessage.closeStdin, this.id);
  }

  signal(number: number): void {
    this.#guest.send(
      guestMessage.signal,
      this.id,
      new FieldWriter().number(guestTag.number, number).finish(),
    );
  }

  hold(isHeld: boolean): void {
    this.#isHeld = isHeld;
    if (!isHeld) for (const stream of ['stdout', 'stderr'] as const) this.#giveCredit(stream);
  }

  take(frame: Frame): void {
    if (frame.type === guestMessage.stdout) this.#takeOutput('stdout', frame.payload);
    if (frame.type === guestMessage.stderr) this.#takeOutput('stderr', frame.payload);
    if (frame.type === guestMessage.error) this.#fail(new Error('the guest refused or has ended'));
    if (frame.type !== guestMessage.exited) return;
    const fields = decodeFields(frame.payload);
    this.#finish({
      ...this.output,
      code: numberOf(fields, guestTag.code) ?? -1,
      signal: numberOf(fields, guestTag.endSignal) ?? -1,
      outOfMemory: numberOf(fields, guestTag.outOfMemory) === 1,
    });
  }

  #neverSaw(text: string, code: number): never {
    if (`${this.output.stdout}${this.output.stderr}`.includes(text)) return undefined as never;
    throw new Error(
      `it ended with ${code} and never said ${JSON.stringify(text)}: ${JSON.stringify(this.output)}`,
    );
  }

  #takeOutput(stream: 'stdout' | 'stderr', data: Buffer): void {
    this.output[stream] += data.toString('latin1');
    this.#owed[stream] += data.length;
    if (!this.#isHeld) this.#giveCredit(stream);
    this.#lookForTexts();
  }

  #giveCredit(stream: 'stdout' | 'stderr'): void {
    if (this.#owed[stream] === 0) return;
    const fields = new FieldWriter().number(guestTag.stream, guestStream[stream]);
    this.#guest.send(
      guestMessage.window,
      this.id,
      fields.number(guestTag.bytes, this.#owed[stream]).finish(),
    );
    this.#owed[stream] = 0;
  }

  #lookForTexts(): void {
    for (const { text, resolve } of this.#waiting) {
      if (`${this.output.stdout}${this.output.stderr}`.includes(text)) resolve();
    }
  }
}

/** The files of a FILES payload by their names. */
export function filesOf(payload: Buffer): Record<string, string> {
  return Object.fromEntries(
    decodeFields(payload).map(({ value }) => {
      const fields = decodeFields(value);
      return [textOf(fields, fileTag.path) ?? '', textOf(fields, fileTag.content) ?? ''];
    }),
  );
}

export function fields(add: (writer: FieldWriter) => void): Buffer {
  const writer = new FieldWriter();
  add(writer);
  return writer.finish();
}

/** A program that is the machine's process, and lives until its input ends. */
export const untilEnd = ['/bin/busybox', 'cat'];
export const waiting = (writer: FieldWriter) => writer.number(processTag.stdin, 1);

/** What a shell line prints in a process beside the first one. */
export async function said(guest: Guest, line: string): Promise<string> {
  const { stdout, stderr, code } = await guest.run(['/bin/sh', '-c', line]);
  if (code !== 0) throw new Error(`${line} ended with ${code}: ${stderr}`);
  return stdout.trimEnd();
}
