import { internal } from '../../../base/index.ts';
import type { LogDecoder, LogEntry } from './entry.ts';

const NEWLINE = 0x0a;

/** Fields of the message: number and wire type (moby: api/types/plugins/logdriver/entry.proto). */
const SOURCE = (1 << 3) | 2;
const TIME = (2 << 3) | 0;
const LINE = (3 << 3) | 2;
const PARTIAL = (4 << 3) | 0;
const ATTRIBUTE = (6 << 3) | 2;

/** The format of Docker's local driver: protobuf messages, each between two copies of its length. */
export class LocalDecoder implements LogDecoder {
  #rest: Buffer | undefined;

  push(piece: Buffer): LogEntry[] {
    const data = this.#rest === undefined ? piece : Buffer.concat([this.#rest, piece]);
    const entries: LogEntry[] = [];
    let at = 0;
    while (data.length - at >= 8) {
      const size = data.readUInt32BE(at);
      const end = at + 4 + size;
      if (end + 4 > data.length) break;
      entries.push(decodeMessage(data, at + 4, end));
      at = end + 4;
    }
    this.#rest = at === data.length ? undefined : data.subarray(at);
    return entries;
  }
}

function decodeMessage(data: Buffer, start: number, end: number): LogEntry {
  let isStderr = false;
  let isPartial = false;
  let timeAt = start;
  let textStart = end;
  let textEnd = end;
  let attributes: Record<string, string> | undefined;
  for (let at = start; at < end; ) {
    const tag = data[at];
    at += 1;
    if (tag === TIME || tag === PARTIAL) {
      if (tag === TIME) timeAt = at;
      else isPartial = data[at] === 1;
      while ((data[at] ?? 0) >= 0x80) at += 1;
      at += 1;
      continue;
    }
    let length = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = data[at] ?? 0;
      at += 1;
      length += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) break;
    }
    if (tag === SOURCE)
      isStderr = data[at + 3] === 0x65; // "stderr"
    else if (tag === LINE) {
      textStart = at;
      textEnd = at + length;
    } else if (tag === ATTRIBUTE) attributes = { ...attributes, ...decodeAttribute(data, at) };
    else throw internal(`a message of the log has the unknown field ${tag}`);
    at += length;
  }
  // The text comes last, and the copy of the length behind it is read already.
  if (!isPartial && textEnd === end) data[textEnd] = NEWLINE;
  const text = data.subarray(textStart, isPartial ? textEnd : textEnd + 1);
  return new LocalEntry(isStderr ? 'stderr' : 'stdout', text, data, timeAt, attributes ?? NONE);
}

/** A map's entry: key and value, each a short text. */
function decodeAttribute(data: Buffer, at: number): Record<string, string> {
  const [key, next] = shortText(data, at);
  const [value] = shortText(data, next);
  return { [key]: value };
}

function shortText(data: Buffer, at: number): [string, number] {
  let length = 0;
  let from = at + 1;
  for (let shift = 0; ; shift += 7) {
    const byte = data[from] ?? 0;
    from += 1;
    length += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) break;
  }
  return [data.toString('utf8', from, from + length), from + length];
}

const NONE = {};

/** Its time is decoded when it is asked for. */
class LocalEntry implements LogEntry {
  readonly stream: 'stdout' | 'stderr';
  readonly text: Buffer;
  readonly attributes: Readonly<Record<string, string>>;
  readonly #data: Buffer;
  readonly #timeAt: number;

  constructor(
    stream: 'stdout' | 'stderr',
    text: Buffer,
    data: Buffer,
    timeAt: number,
    attributes: Readonly<Record<string, string>>,
  ) {
    this.stream = stream;
    this.text = text;
    this.attributes = attributes;
    this.#data = data;
    this.#timeAt = timeAt;
  }

  get time(): string {
    let nanoseconds = 0n;
    for (let at = this.#timeAt, shift = 0n; ; at += 1, shift += 7n) {
      const byte = this.#data[at] ?? 0;
      nanoseconds |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return formatLogTime(nanoseconds);
    }
  }
}

/** RFC 3339 as Go writes it: no zeros at the end of the fraction, none at all when it is 0. */
export function formatLogTime(nanoseconds: bigint): string {
  const seconds = new Date(Number(nanoseconds / 1_000_000_000n) * 1000).toISOString().slice(0, 19);
  const fraction = String(nanoseconds % 1_000_000_000n)
    .padStart(9, '0')
    .replace(/0+$/, '');
  return fraction === '' ? `${seconds}Z` : `${seconds}.${fraction}Z`;
}
