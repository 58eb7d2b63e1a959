import type { WriteStream } from 'node:tty';
import type { Progress, ProgressEvent } from './progress.ts';

/** The terminal that progress is drawn on. */
export type Terminal = Pick<WriteStream, 'write' | 'columns' | 'rows'>;

interface Row extends ProgressEvent {
  readonly startedAt: number;
  readonly endedAt: number | undefined;
}

const SPINNER = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
const FRAME_MS = 100;
const COLOUR = { red: '31', green: '32', yellow: '33', blue: '34' } as const;

/** A line per thing, drawn again while it changes: ` ✔ Container p-web-1  Started  0.3s`. */
export function terminalProgress(out: Terminal, now: () => number = () => performance.now()): Progress {
  return new TerminalProgress(out, now);
}

class TerminalProgress implements Progress {
  readonly #out: Terminal;
  readonly #now: () => number;
  readonly #rows = new Map<string, Row>();
  #title: string | undefined;
  #timer: NodeJS.Timeout | undefined;
  #drawnLines = 0;

  constructor(out: Terminal, now: () => number) {
    this.#out = out;
    this.#now = now;
  }

  begin(title: string): void {
    this.#title = title;
    this.#rows.clear();
    this.#drawnLines = 0;
  }

  report(event: ProgressEvent): void {
    if (this.#title === undefined) {
      this.#out.write(`${eventLine(event)}\n`);
      return;
    }
    const at = this.#now();
    const startedAt = this.#rows.get(event.subject)?.startedAt ?? at;
    const endedAt = event.state === 'working' ? undefined : at;
    this.#rows.set(event.subject, { ...event, startedAt, endedAt });
    this.#draw();
    this.#timer ??= setInterval(() => this.#draw(), FRAME_MS).unref();
  }

  write(text: string): void {
    this.#erase();
    this.#out.write(text);
    this.#draw();
  }

  end(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#draw();
    this.#title = undefined;
    this.#rows.clear();
    this.#drawnLines = 0;
  }

  #draw(): void {
    if (this.#title === undefined || this.#rows.size === 0) return;
    const lines = frame(this.#title, [...this.#rows.values()], this.#now(), this.#out);
    this.#erase();
    this.#out.write(`${lines.join('\n')}\n`);
    this.#drawnLines = lines.length;
  }

  #erase(): void {
    // Up to the first line that was drawn, then clear to the end of the screen.
    if (this.#drawnLines > 0) this.#out.write(`\x1b[${this.#drawnLines}A\x1b[0G\x1b[0J`);
    this.#drawnLines = 0;
  }
}

/** The lines of one picture. None is wider than the terminal: a wrapped one could not be found again. */
export function frame(
  title: string,
  rows: readonly Row[],
  now: number,
  terminal: { readonly columns?: number; readonly rows?: number },
): string[] {
  // A terminal that does not know its size says 0.
  const columns = terminal.columns || 80;
  const height = terminal.rows || 24;
  const done = rows.filter(({ endedAt }) => endedAt !== undefined).length;
  const room = Math.max(height - 3, 1);
  const shown = rows.length > room ? rows.slice(-room) : rows;
  const subjectWidth = Math.max(...shown.map(({ subject }) => subject.length));
  const textWidth = Math.max(...shown.map((row) => statusText(row).length));
  const lines = shown.map((row) => rowLine(row, now, { columns, subjectWidth, textWidth }));
  const hidden = rows.length - shown.length;
  const more = hidden > 0 ? [` ... ${hidden} more`] : [];
  return [`[+] ${title} ${done}/${rows.length}`, ...more, ...lines];
}

function rowLine(
  row: Row,
  now: number,
  { columns, subjectWidth, textWidth }: { columns: number; subjectWidth: number; textWidth: number },
): string {
  const seconds = `${(((row.endedAt ?? now) - row.startedAt) / 1000).toFixed(1)}s`;
  const room = columns - seconds.length - 5;
  const subject = row.subject.padEnd(subjectWidth).slice(0, Math.max(room - 10, 10));
  const text = statusText(row)
    .padEnd(textWidth)
    .slice(0, Math.max(room - subject.length - 1, 0));
  const gap = ' '.repeat(Math.max(columns - 4 - subject.length - text.length - seconds.length, 1));
  const [glyph, colour] = glyphOf(row, now);
  return ` ${paint(colour, glyph)} ${subject} ${paint(colour, text)}${gap}${paint('blue', seconds)}`;
}

function statusText({ text, detail }: ProgressEvent): string {
  return (detail === undefined || detail === '' ? text : `${text} ${detail}`).replaceAll('\n', ' ');
}

function glyphOf({ state, startedAt }: Row, now: number): [string, keyof typeof COLOUR] {
  switch (state) {
    case 'done':
      return ['✔', 'green'];
    case 'warning':
      return ['!', 'yellow'];
    case 'failed':
      return ['✘', 'red'];
    case 'working':
      return [SPINNER[Math.floor((now - startedAt) / FRAME_MS) % SPINNER.length] ?? '⠋', 'yellow'];
  }
}

function eventLine({ subject, state, text, detail }: ProgressEvent): string {
  // Compose about itself: what it says stands alone, so that it is seen among the lines of containers.
  if (subject === 'Compose' && detail !== undefined) return paint('red', detail);
  const colour = { done: 'green', working: 'green', warning: 'yellow', failed: 'red' } as const;
  return `${subject} ${paint(colour[state], text)} ${detail ?? ''}`.trimEnd();
}

function paint(colour: keyof typeof COLOUR, text: string): string {
  return `\x1b[${COLOUR[colour]}m${text}\x1b[0m`;
}
