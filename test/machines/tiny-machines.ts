import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EngineClient, type HijackedStream } from '../../src/client/index.ts';
import { type Instance, type InstanceOptions, startInstance } from '../engine/instance.ts';
import { tinyDisk } from './tiny-system.ts';

/** A berthd for machines whose system is tiny-system.S: it boots in no time, and does what its console tells it. */
export class TinyMachines implements AsyncDisposable {
  readonly instance: Instance;
  readonly client: EngineClient;
  /** The disk image to make machines of. */
  readonly image: string;
  readonly #folder: string;

  static async start(options?: InstanceOptions): Promise<TinyMachines> {
    const folder = await mkdtemp(join(tmpdir(), 'tiny-machines-'));
    return new TinyMachines(await startInstance(options), await tinyDisk(folder), folder);
  }

  private constructor(instance: Instance, image: string, folder: string) {
    this.instance = instance;
    this.image = image;
    this.#folder = folder;
    this.client = new EngineClient({ host: `unix://${instance.socketPath}` });
  }

  /** Makes and starts a machine without a network; resolves when its system is up. */
  async run(name: string, ...options: readonly string[]): Promise<void> {
    const source = ['--from', this.image, '--format', 'raw', '--network', 'none'];
    await this.instance.berthOk(['vm', 'create', ...source, ...options, name]);
    await using console = await this.console(name);
    await this.client.machines.start(name);
    await console.shows('up');
  }

  /** `berth vm …`, which succeeds. */
  berth(...args: readonly string[]): Promise<string> {
    return this.instance.berthOk(['vm', ...args]);
  }

  /** What `berth vm …` says as it is refused. */
  async refusal(...args: readonly string[]): Promise<string> {
    const { code, stderr, stdout } = await this.instance.berth(['vm', ...args]);
    if (code !== 1) throw new Error(`berth vm ${args.join(' ')} ended with ${code}: ${stdout}${stderr}`);
    return stderr;
  }

  async console(name: string): Promise<TinyConsole> {
    const streams = { stdin: true, stdout: true, stderr: true };
    return new TinyConsole(await this.client.machines.attach(name, streams));
  }

  /** All that a machine's console has shown, over all runs. */
  async log(name: string): Promise<string> {
    return this.instance.berthOk(['vm', 'logs', name]);
  }

  /** Resolves when that matches, in however many runs. */
  async logs(name: string, pattern: RegExp): Promise<void> {
    let text = '';
    while (!pattern.test(text)) {
      text = '';
      const { body } = await this.client.machines.logs(name, { follow: true });
      for await (const chunk of body) {
        text += String(chunk);
        if (pattern.test(text)) break;
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.client[Symbol.dispose]();
    await this.instance[Symbol.asyncDispose]();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** A machine's serial console, joined. */
export class TinyConsole implements AsyncDisposable {
  readonly #stream: HijackedStream;
  readonly #chunks: AsyncIterator<Buffer>;
  #screen = '';

  constructor(stream: HijackedStream) {
    this.#stream = stream;
    this.#chunks = stream.body[Symbol.asyncIterator]();
  }

  type(text: string): void {
    this.#stream.socket.write(text);
  }

  /** Resolves when it shows a text after what was waited for before. Throws when the console ends before. */
  async shows(text: string): Promise<void> {
    for (;;) {
      const at = this.#screen.indexOf(text);
      if (at >= 0) {
        this.#screen = this.#screen.slice(at + text.length);
        return;
      }
      const { value, done } = await this.#chunks.next();
      if (done === true) throw new Error(`the console ended and never showed "${text}": ${this.#screen}`);
      this.#screen += value.toString();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { socket } = this.#stream;
    if (socket.closed) return;
    const closed = once(socket, 'close');
    socket.destroy();
    await closed;
  }
}
