import type { OutputChunk } from '../client/index.ts';

export interface LogLinesOptions {
  readonly stdout: NodeJS.WritableStream;
  readonly stderr: NodeJS.WritableStream;
  /** Give each container a colour. */
  readonly colour: boolean;
  /** Begin each line with the container's name. */
  readonly prefix: boolean;
}

const NEWLINE = 0x0a;

/** The colours that containers get, in this order, again from the first after the last. */
const COLOURS = ['36', '33', '32', '35', '34', '36;1', '33;1', '32;1', '35;1', '34;1'];

/**
 * Writes what several containers say, a line at a time so that lines do not mix: `web-1  | hello`, names padded to the
 * longest. Bytes are passed on as they are.
 */
export class LogLines {
  readonly #options: LogLinesOptions;
  readonly #colours = new Map<string, string>();
  readonly #pending = new Map<string, Buffer>();
  #width = 0;

  constructor(options: LogLinesOptions) {
    this.#options = options;
  }

  /** Makes a container known, for its colour and the width of the prefixes. */
  add(name: string): void {
    if (this.#colours.has(name)) return;
    this.#colours.set(name, COLOURS[this.#colours.size % COLOURS.length] ?? '0');
    this.#width = Math.max(this.#width, name.length);
  }

  /** Writes the lines that end in this piece, and keeps the rest for the next one of the same container and source. */
  write(name: string, { source, data }: OutputChunk): void {
    const key = `${source} ${name}`;
    const pending = this.#pending.get(key);
    const text = pending === undefined ? data : Buffer.concat([pending, data]);
    const end = text.lastIndexOf(NEWLINE) + 1;
    if (end > 0) this.#writeLines(name, source, text.subarray(0, end));
    if (end < text.length) this.#pending.set(key, Buffer.from(text.subarray(end)));
    else this.#pending.delete(key);
  }

  /** Writes what a container left without a last newline. */
  end(name: string): void {
    for (const source of ['stdout', 'stderr'] as const) {
      const rest = this.#pending.get(`${source} ${name}`);
      if (rest === undefined) continue;
      this.#pending.delete(`${source} ${name}`);
      this.#writeLines(name, source, Buffer.concat([rest, Buffer.from('\n')]));
    }
  }

  /** A line about a container: `web-1 exited with code 0`. */
  status(name: string, text: string): void {
    this.add(name);
    this.#options.stdout.write(`${this.#paint(name, `${name} ${text}`)}\n`);
  }

  #writeLines(name: string, source: OutputChunk['source'], lines: Buffer): void {
    const out = source === 'stderr' ? this.#options.stderr : this.#options.stdout;
    this.add(name);
    if (!this.#options.prefix) {
      out.write(lines);
      return;
    }
    const prefix = Buffer.from(this.#paint(name, `${name.padEnd(this.#width)}  | `));
    const parts: Buffer[] = [];
    for (let start = 0; start < lines.length; ) {
      const end = lines.indexOf(NEWLINE, start) + 1;
      parts.push(prefix, lines.subarray(start, end));
      start = end;
    }
    // One write per piece: what another process writes meanwhile does not fall between prefix and line.
    out.write(Buffer.concat(parts));
  }

  #paint(name: string, text: string): string {
    return this.#options.colour ? `\x1b[${this.#colours.get(name) ?? '0'}m${text}\x1b[0m` : text;
  }
}
