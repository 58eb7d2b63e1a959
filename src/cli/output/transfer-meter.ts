import { formatSize } from '../../base/index.ts';
import type { ProgressMessage } from '../../client/index.ts';

/** A rate is that of the last so many milliseconds. */
const WINDOW = 5000;

/** What is on its way: a layer, or all of them. */
interface Transfer {
  readonly current: number;
  readonly total: number;
}

/** Bytes over time. */
class Rate {
  readonly #samples: { readonly at: number; readonly bytes: number }[] = [];

  /** Bytes so far at a moment (in milliseconds); returns bytes per second, undefined while that cannot be said. */
  add(bytes: number, at: number): number | undefined {
    this.#samples.push({ at, bytes });
    while ((this.#samples[1]?.at ?? at) < at - WINDOW) this.#samples.shift();
    const [first] = this.#samples;
    const milliseconds = first === undefined ? 0 : at - first.at;
    if (first === undefined || milliseconds <= 0 || bytes <= first.bytes) return undefined;
    return ((bytes - first.bytes) * 1000) / milliseconds;
  }
}

/** Statuses whose bytes go over the network; others repeat the same layer's bytes. */
const TRANSFERS = ['Downloading', 'Pushing'];

const DONE = ['Download complete', 'Pull complete', 'Pushed'];

/** A layer that is there already takes no time. */
const NOTHING_TO_SEND = /^(Already exists|Layer already exists|Mounted from)/;

/** Follows the bytes of a pull's or push's layers, one by one and together. */
export class TransferMeter {
  readonly #now: () => number;
  readonly #layers = new Map<string, Transfer>();
  readonly #rates = new Map<string, Rate>();
  readonly #totalRate = new Rate();

  /** `now` gives milliseconds. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** The rate and the time left of the layer that a message is about, "12MB/s  3s left"; empty where nothing can be said. */
  add({ id, status = '', progressDetail, size }: ProgressMessage): string {
    if (id === undefined) return '';
    if (size !== undefined) {
      this.#layers.set(id, { current: 0, total: size });
      return '';
    }
    if (NOTHING_TO_SEND.test(status)) {
      this.#layers.delete(id);
      return '';
    }
    const { current = 0, total = 0, units } = progressDetail ?? {};
    if (TRANSFERS.includes(status) && units === undefined && total > 0) {
      const transfer = { current: Math.min(current, total), total };
      this.#layers.set(id, transfer);
      const rate = this.#rates.get(id) ?? new Rate();
      this.#rates.set(id, rate);
      return pace(transfer, rate.add(transfer.current, this.#now()));
    }
    const known = this.#layers.get(id);
    if (known !== undefined && DONE.includes(status))
      this.#layers.set(id, { current: known.total, total: known.total });
    return '';
  }

  /** All layers together, undefined while there are less than two of them. */
  total(): string | undefined {
    if (this.#layers.size < 2) return undefined;
    const sum = { current: 0, total: 0 };
    for (const { current, total } of this.#layers.values()) {
      sum.current += current;
      sum.total += total;
    }
    const text = pace(sum, this.#totalRate.add(sum.current, this.#now()));
    const bytes = `${formatSize(sum.current)}/${formatSize(sum.total)}`;
    return text === '' ? bytes : `${bytes}  ${text}`;
  }
}

function pace({ current, total }: Transfer, rate: number | undefined): string {
  if (rate === undefined || current >= total) return '';
  return `${formatSize(rate)}/s  ${formatSeconds(Math.ceil((total - current) / rate))} left`;
}

function formatSeconds(seconds: number): string {
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m${seconds % 60}s`;
  return `${Math.floor(seconds / 3600)}h${Math.floor((seconds % 3600) / 60)}m`;
}
