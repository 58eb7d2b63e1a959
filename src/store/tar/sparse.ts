import { invalid } from '../../base/index.ts';
import type { TarSink } from './entry.ts';
import { readNumber, TAR_BLOCK } from './header.ts';
import { type PaxRecord, paxNumber } from './pax.ts';

/** A part of a sparse file that the archive stores; what lies between segments reads as zeros. */
export interface Segment {
  readonly offset: number;
  readonly length: number;
}

/** A file with more segments than this is refused: its map would be held in memory. */
export const MAX_SEGMENTS = 200_000;

/** Where a sparse file's stored bytes belong. Segments are in order and do not overlap. */
export interface SparseMap {
  readonly realSize: number;
  readonly segments: readonly Segment[];
}

/** Old GNU format: up to four segments in the header itself. */
export function oldGnuSegments(header: Buffer): { segments: Segment[]; realSize: number; extended: boolean } {
  return {
    segments: readSegments(header, 386, 4),
    realSize: readNumber(header, 483, 12),
    extended: header[482] !== 0,
  };
}

/** Old GNU format: the blocks that continue the header's list. */
export function oldGnuExtension(block: Buffer): { segments: Segment[]; extended: boolean } {
  return { segments: readSegments(block, 0, 21), extended: block[504] !== 0 };
}

function readSegments(block: Buffer, at: number, count: number): Segment[] {
  const segments: Segment[] = [];
  for (let i = 0; i < count; i += 1) {
    const entry = at + i * 24;
    if (block[entry] === 0) break;
    segments.push({ offset: readNumber(block, entry, 12), length: readNumber(block, entry + 12, 12) });
  }
  return segments;
}

/** What PAX records say about a sparse file: its map (formats 0.0 and 0.1), or that the map leads its data (1.0). */
export type PaxSparse = { readonly map: SparseMap } | { readonly mapInData: true; readonly realSize: number };

/** GNU's sparse formats in PAX headers (GNU tar manual, "Storing Sparse Files"); `undefined` for other files. */
export function paxSparse(records: readonly PaxRecord[]): PaxSparse | undefined {
  const last = (key: string) => records.findLast((record) => record.key === key);
  const size = last('GNU.sparse.realsize') ?? last('GNU.sparse.size');
  if (size === undefined) return undefined;
  const realSize = paxNumber(size);
  if (last('GNU.sparse.major')?.value.toString('latin1') === '1') return { mapInData: true, realSize };
  const map = last('GNU.sparse.map');
  const numbers =
    map === undefined
      ? records
          .filter(({ key }) => key === 'GNU.sparse.offset' || key === 'GNU.sparse.numbytes')
          .map(paxNumber)
      : map.value.toString('latin1').split(',').map(decimal);
  return { map: { realSize, segments: pairs(numbers) } };
}

/** Collects the map that leads the data in format 1.0: decimal numbers on lines, padded to a block. */
export class SparseMapReader {
  readonly #numbers: number[] = [];
  #unfinishedLine = '';

  /** Adds one block; returns the segments when the list is complete. */
  push(block: Buffer): readonly Segment[] | undefined {
    const lines = (this.#unfinishedLine + block.toString('latin1', 0, TAR_BLOCK)).split('\n');
    this.#unfinishedLine = lines.pop() ?? '';
    for (const line of lines) {
      this.#numbers.push(decimal(line));
      const [count] = this.#numbers;
      if (count !== undefined && this.#numbers.length === 1 + 2 * count) return pairs(this.#numbers.slice(1));
    }
    if (this.#numbers.length > 2 * MAX_SEGMENTS) {
      throw invalid(`a sparse map of more than ${MAX_SEGMENTS} segments`);
    }
    return undefined;
  }
}

/** Throws `invalid` unless the segments are in order, inside the file and add up to what the archive stores. */
export function checkSparseMap({ realSize, segments }: SparseMap, storedSize: number): void {
  let end = 0;
  let stored = 0;
  for (const { offset, length } of segments) {
    if (offset < end || offset + length > realSize) throw invalid('a sparse map that is out of order');
    end = offset + length;
    stored += length;
  }
  if (stored !== storedSize) throw invalid(`a sparse map of ${stored} bytes for ${storedSize} bytes of data`);
}

/** Gives a sparse file's stored bytes to a sink, with the holes where they belong. */
export class SparseCursor {
  readonly #sink: TarSink;
  readonly #realSize: number;
  readonly #segments: Iterator<Segment>;
  #segment: Segment | undefined;
  #position = 0;

  constructor(map: SparseMap, sink: TarSink) {
    this.#sink = sink;
    this.#realSize = map.realSize;
    this.#segments = map.segments.values();
    this.#segment = this.#next();
  }

  data(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length && this.#segment !== undefined) {
      const { offset, length } = this.#segment;
      if (this.#position < offset) this.#hole(offset);
      const piece = chunk.subarray(at, at + offset + length - this.#position);
      this.#sink.data(piece);
      this.#position += piece.length;
      at += piece.length;
      if (this.#position === offset + length) this.#segment = this.#next();
    }
  }

  finish(): void {
    if (this.#position < this.#realSize) this.#hole(this.#realSize);
  }

  #hole(end: number): void {
    this.#sink.hole(end - this.#position);
    this.#position = end;
  }

  #next(): Segment | undefined {
    for (let next = this.#segments.next(); !next.done; next = this.#segments.next()) {
      if (next.value.length > 0) return next.value;
    }
    return undefined;
  }
}

function decimal(text: string): number {
  const number = Number(text);
  if (!/^[0-9]+$/.test(text) || !Number.isSafeInteger(number)) throw invalid('a malformed sparse map');
  return number;
}

function pairs(numbers: readonly number[]): Segment[] {
  if (numbers.length % 2 !== 0) throw invalid('a sparse map with an offset but no length');
  const segments: Segment[] = [];
  for (let i = 0; i < numbers.length; i += 2) {
    segments.push({ offset: numbers[i] ?? 0, length: numbers[i + 1] ?? 0 });
  }
  return segments;
}
