import { formatSize } from '../../base/index.ts';
import type { ProgressMessage } from '../../client/index.ts';

/** Where progress is shown: process.stdout, or what stands for it. */
export interface ProgressTarget {
  readonly write: (text: string) => unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

/**
 * Shows the progress of a pull or a build as Docker does: on a terminal one line per layer, redrawn in place, with
 * a bar; elsewhere a line for each change of state, without the bytes. Passes on every message.
 */
export async function* showProgress(
  messages: AsyncIterable<ProgressMessage>,
  out: ProgressTarget,
): AsyncGenerator<ProgressMessage> {
  const screen = out.isTTY ? new LayerLines(out) : undefined;
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
}

function hasBytes({ progressDetail }: ProgressMessage): boolean {
  return (progressDetail?.current ?? 0) > 0 || (progressDetail?.total ?? 0) > 0;
}

function prefix({ id }: ProgressMessage): string {
  return id === undefined ? '' : `${id}: `;
}

/** The lines of the layers at the end of the screen, each found again by its id. */
class LayerLines {
  readonly #out: ProgressTarget;
  readonly #rows = new Map<string, number>();
  #rowCount = 0;

  constructor(out: ProgressTarget) {
    this.#out = out;
  }

  draw(message: ProgressMessage): void {
    const { id, status = '' } = message;
    const text = hasBytes(message) ? `${status} ${progressBar(message, this.#out.columns ?? 80)}` : status;
    if (id === undefined) {
      this.leave();
      this.#out.write(`${text}\n`);
      return;
    }
    const row = this.#rows.get(id) ?? this.#newRow(id);
    const up = this.#rowCount - row;
    this.#out.write(`\x1b[${up}A\x1b[2K\r${prefix(message)}${text}\x1b[${up}B\r`);
  }

  /** What is written next comes below the lines so far, which stay as they are. */
  leave(): void {
    this.#rows.clear();
    this.#rowCount = 0;
  }

  #newRow(id: string): number {
    const row = this.#rowCount;
    this.#rows.set(id, row);
    this.#rowCount += 1;
    this.#out.write('\n');
    return row;
  }
}

const BAR_WIDTH = 50;

/** `[=====>     ]  1.2MB/3.4MB`; the bytes alone when the terminal is narrow or the whole is not known. */
function progressBar({ progressDetail }: ProgressMessage, columns: number): string {
  const { current = 0, total = 0, units } = progressDetail ?? {};
  if (units !== undefined) return `${current} ${units}`;
  if (total <= 0) return formatSize(current);
  const bytes = `${formatSize(current)}/${formatSize(total)}`;
  if (columns < 110) return bytes;
  const filled = Math.min(BAR_WIDTH, Math.floor((current / total) * BAR_WIDTH));
  const bar =
    filled < BAR_WIDTH
      ? `${'='.repeat(filled)}>${' '.repeat(BAR_WIDTH - 1 - filled)}`
      : '='.repeat(BAR_WIDTH);
  return `[${bar}]  ${bytes}`;
}
