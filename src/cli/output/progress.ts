import { formatSize } from '../../base/index.ts';
import type { ProgressMessage } from '../../client/index.ts';
import { TransferMeter } from './transfer-meter.ts';

/** Where progress is shown: process.stdout, or what stands for it. */
export interface ProgressTarget {
  readonly write: (text: string) => unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
}

/**
 * Shows the progress of a pull, a push or a build as Docker does: on a terminal one line per layer, redrawn in place, with
 * a bar, the rate and the time left, and a last line for all layers together; elsewhere a line for each change of
 * state, without the bytes. Passes on every message. `now` gives milliseconds.
 */
export async function* showProgress<Message extends ProgressMessage>(
  messages: AsyncIterable<Message>,
  out: ProgressTarget,
  now = () => performance.now(),
): AsyncGenerator<Message> {
  const screen = out.isTTY ? new LayerLines(out, new TransferMeter(now)) : undefined;
  try {
    for await (const message of messages) {
      if (message.stream !== undefined) {
        screen?.leave();
        out.write(message.stream);
      } else if (message.status !== undefined) {
        if (screen !== undefined) screen.draw(message);
        else if (!hasBytes(message)) out.write(`${prefix(message)}${message.status}\n`);
      }
      yield message;
    }
  } finally {
    screen?.leave();
  }
}

function hasBytes({ progressDetail }: ProgressMessage): boolean {
  return (progressDetail?.current ?? 0) > 0 || (progressDetail?.total ?? 0) > 0;
}

function prefix({ id }: ProgressMessage): string {
  return id === undefined ? '' : `${id}: `;
}

/** The lines of the layers at the end of the screen, each found again by its id, and below them the one of the total. */
class LayerLines {
  readonly #out: ProgressTarget;
  readonly #meter: TransferMeter;
  readonly #rows = new Map<string, number>();
  #rowCount = 0;
  #hasTotal = false;

  constructor(out: ProgressTarget, meter: TransferMeter) {
    this.#out = out;
    this.#meter = meter;
  }

  draw(message: ProgressMessage): void {
    const { id, status = '' } = message;
    const pace = this.#meter.add(message);
    const parts = hasBytes(message) ? [progressBar(message, this.#out.columns ?? 80), pace] : [];
    const text = `${status} ${parts.filter((part) => part !== '').join('  ')}`.trimEnd();
    if (id === undefined) {
      this.leave();
      this.#out.write(`${text}\n`);
      return;
    }
    const row = this.#rows.get(id) ?? this.#newRow(id);
    this.#write(row, `${prefix(message)}${text}`);
    this.#drawTotal();
  }

  /** What is written next comes below the lines so far, which stay as they are but for the total: it has had its time. */
  leave(): void {
    if (this.#hasTotal) this.#out.write('\x1b[1A\x1b[2K\r');
    this.#hasTotal = false;
    this.#rows.clear();
    this.#rowCount = 0;
  }

  #drawTotal(): void {
    const total = this.#meter.total();
    if (total === undefined) return;
    if (!this.#hasTotal) this.#out.write('\n');
    this.#hasTotal = true;
    this.#write(this.#rowCount, `Total: ${total}`);
  }

  /** A line that has left the top of the screen cannot be reached any more. */
  #write(row: number, text: string): void {
    const up = this.#rowCount + (this.#hasTotal ? 1 : 0) - row;
    if (up >= (this.#out.rows ?? Number.POSITIVE_INFINITY)) return;
    this.#out.write(`\x1b[${up}A\x1b[2K\r${text}\x1b[${up}B\r`);
  }

  /** A new layer takes the line of the total, which moves one down. */
  #newRow(id: string): number {
    const row = this.#rowCount;
    this.#rows.set(id, row);
    this.#rowCount += 1;
    this.#out.write('\n');
    return row;
  }
}

const BAR_WIDTH = 50;
/** A bar fits beside the id, the status, bytes, rate and time left. */
const MIN_COLUMNS = 120;

/** `[=====>     ]  1.2MB/3.4MB`; the bytes alone when the terminal is narrow or the whole is not known. */
function progressBar({ progressDetail }: ProgressMessage, columns: number): string {
  const { current = 0, total = 0, units } = progressDetail ?? {};
  if (units !== undefined) return `${current} ${units}`;
  if (total <= 0) return formatSize(current);
  const bytes = `${formatSize(current)}/${formatSize(total)}`;
  if (columns < MIN_COLUMNS) return bytes;
  const filled = Math.min(BAR_WIDTH, Math.floor((current / total) * BAR_WIDTH));
  const bar =
    filled < BAR_WIDTH
      ? `${'='.repeat(filled)}>${' '.repeat(BAR_WIDTH - 1 - filled)}`
      : '='.repeat(BAR_WIDTH);
  return `[${bar}]  ${bytes}`;
}
