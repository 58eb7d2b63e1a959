import type { LogDecoder, LogEntry } from './entry.ts';

const NEWLINE = 0x0a;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const LETTER_N = 0x6e;
const LETTER_O = 0x6f;

/** `{"log":"` */
const TEXT_START = 8;
/** `"time":"` with the comma before it, and `","stream":"stdout"`, whose letters tell the streams apart. */
const TIME_KEY = ',"time":"';
const STREAM_LENGTH = '","stream":"stdout"'.length;
const STREAM_LETTER = '","stream":"std'.length;

/** Docker's json-file format: one JSON object per line. */
export class JsonDecoder implements LogDecoder {
  #rest: Buffer | undefined;

  push(piece: Buffer): LogEntry[] {
    const data = this.#rest === undefined ? piece : Buffer.concat([this.#rest, piece]);
    const entries: LogEntry[] = [];
    let at = 0;
    for (;;) {
      const end = data.indexOf(NEWLINE, at);
      if (end < 0) break;
      entries.push(decodeLine(data, at, end));
      at = end + 1;
    }
    this.#rest = at === data.length ? undefined : data.subarray(at);
    return entries;
  }
}

/**
 * Most lines have nothing that JSON escapes but their \n: those are cut out of the piece. For all others there is
 * JSON.parse.
 */
function decodeLine(data: Buffer, start: number, end: number): LogEntry {
  const timeEnd = end - 2;
  let timeStart = timeEnd;
  while (timeStart > start && data[timeStart - 1] !== QUOTE) timeStart -= 1;
  const textEnd = timeStart - TIME_KEY.length - STREAM_LENGTH;
  const backslash = data.indexOf(BACKSLASH, start);
  // With attributes, which stand before the time, the \n is not where it would be then.
  const isPlain =
    backslash >= start + TEXT_START &&
    backslash === textEnd - 2 &&
    data[backslash + 1] === LETTER_N &&
    data[textEnd] === QUOTE;
  if (!isPlain) return parseLine(data.toString('utf8', start, end));
  data[backslash] = NEWLINE;
  const stream = data[textEnd + STREAM_LETTER] === LETTER_O ? 'stdout' : 'stderr';
  return new PlainEntry(stream, data.subarray(start + TEXT_START, backslash + 1), data, timeStart, timeEnd);
}

/** Its time is read from the piece when it is asked for. */
class PlainEntry implements LogEntry {
  readonly stream: 'stdout' | 'stderr';
  readonly text: Buffer;
  readonly #data: Buffer;
  readonly #timeStart: number;
  readonly #timeEnd: number;

  constructor(stream: 'stdout' | 'stderr', text: Buffer, data: Buffer, timeStart: number, timeEnd: number) {
    this.stream = stream;
    this.text = text;
    this.#data = data;
    this.#timeStart = timeStart;
    this.#timeEnd = timeEnd;
  }

  get time(): string {
    return this.#data.toString('latin1', this.#timeStart, this.#timeEnd);
  }

  get attributes(): Readonly<Record<string, string>> {
    return NONE;
  }
}

const NONE = {};

function parseLine(line: string): LogEntry {
  const { log, stream, time, attrs } = JSON.parse(line) as {
    log?: string;
    stream: 'stdout' | 'stderr';
    time: string;
    attrs?: Record<string, string>;
  };
  return { text: Buffer.from(log ?? ''), stream, time, attributes: attrs ?? NONE };
}
