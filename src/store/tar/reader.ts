import { errorMessage, invalid, isBerthError } from '../../base/index.ts';
import { type EntryMetadata, printableName, type TarEntry, type TarSink } from './entry.ts';
import { type ByteString, decodeHeader, type RawHeader, readText, TAR_BLOCK } from './header.ts';
import { decodePax, type PaxRecord, paxNumber, paxTime } from './pax.ts';
import {
  checkSparseMap,
  MAX_SEGMENTS,
  oldGnuExtension,
  oldGnuSegments,
  paxSparse,
  type Segment,
  SparseCursor,
  type SparseMap,
  SparseMapReader,
} from './sparse.ts';

/** Extended headers (PAX, GNU long names) are held in memory up to this size. */
const MAX_EXTENDED_HEADER = 1024 * 1024;
/** Global PAX headers add up and are looked through for each entry; real ones have a comment. */
const MAX_GLOBAL_RECORDS = 64 * 1024;

/** Types that can be a folder and have bytes in the archive: files by type, and GNU's lists of a folder's content. */
const DIRECTORIES_WITH_CONTENT = ['\0', '0', 'D'];

const XATTR_KEY = 'SCHILY.xattr.';

/** What the next bytes of the archive are. */
type State =
  | { readonly at: 'header' }
  | {
      readonly at: 'extended';
      readonly type: string;
      readonly buffer: Buffer;
      filled: number;
      padding: number;
    }
  | {
      readonly at: 'gnu-sparse-extension';
      readonly header: RawHeader;
      readonly segments: Segment[];
      readonly realSize: number;
    }
  | { readonly at: 'sparse-map'; readonly map: SparseMapReader; readonly realSize: number; stored: number }
  | { readonly at: 'data'; remaining: number; padding: number; readonly sparse: SparseCursor | undefined }
  | { readonly at: 'skip'; remaining: number }
  | { readonly at: 'last-zero-block' }
  | { readonly at: 'end' };

/**
 * A streaming reader of V7, ustar, PAX, GNU and star archives: feed chunks, the sink is called as entries come.
 * It works synchronously and holds no content. Broken archives throw `invalid` with the entry's name.
 */
export class TarReader {
  readonly #sink: TarSink;
  readonly #block = Buffer.alloc(TAR_BLOCK);
  #blockFilled = 0;
  #state: State = { at: 'header' };
  #globalRecords: readonly PaxRecord[] = [];
  #globalSize = 0;
  #records: readonly PaxRecord[] = [];
  #longName: ByteString | undefined;
  #longLink: ByteString | undefined;
  /** For messages: the entry that is being read, or the last one. */
  #entryName: ByteString = '';
  #isBetweenEntries = true;

  constructor(sink: TarSink) {
    this.#sink = sink;
  }

  push(chunk: Buffer): void {
    try {
      let at = 0;
      while (at < chunk.length) at += this.#consume(chunk, at);
    } catch (error) {
      throw this.#withEntryName(error);
    }
  }

  /** To be called at the end of the input; throws when it ended within an entry. */
  end(): void {
    const { at } = this.#state;
    const isClean = (at === 'header' && this.#blockFilled === 0) || at === 'last-zero-block' || at === 'end';
    const promised = this.#records.length > 0 || this.#longName !== undefined || this.#longLink !== undefined;
    if (!isClean || promised) throw invalid(`invalid tar archive, ${this.#whereabouts()}: it is truncated`);
  }

  /** Takes what the state wants from `chunk`; returns how many bytes that was. */
  #consume(chunk: Buffer, at: number): number {
    const state = this.#state;
    switch (state.at) {
      case 'data':
        return this.#consumeData(state, chunk, at);
      case 'skip': {
        const length = Math.min(state.remaining, chunk.length - at);
        state.remaining -= length;
        if (state.remaining === 0) this.#state = { at: 'header' };
        return length;
      }
      case 'extended':
        return this.#consumeExtended(state, chunk, at);
      case 'end':
        return chunk.length - at;
      default:
        return this.#consumeBlock(state, chunk, at);
    }
  }

  #consumeBlock(
    state: State & { at: 'header' | 'gnu-sparse-extension' | 'sparse-map' | 'last-zero-block' },
    chunk: Buffer,
    at: number,
  ): number {
    const length = Math.min(TAR_BLOCK - this.#blockFilled, chunk.length - at);
    chunk.copy(this.#block, this.#blockFilled, at, at + length);
    this.#blockFilled += length;
    if (this.#blockFilled < TAR_BLOCK) return length;
    this.#blockFilled = 0;
    switch (state.at) {
      case 'header':
        this.#header();
        break;
      case 'gnu-sparse-extension':
        this.#gnuSparseExtension(state);
        break;
      case 'sparse-map':
        this.#sparseMapBlock(state);
        break;
      case 'last-zero-block':
        if (decodeHeader(this.#block) !== undefined) throw invalid('a lone block of zeros between entries');
        this.#state = { at: 'end' };
        break;
    }
    return length;
  }

  #header(): void {
    this.#isBetweenEntries = true;
    const header = decodeHeader(this.#block);
    if (header === undefined) {
      this.#state = { at: 'last-zero-block' };
      return;
    }
    switch (header.type) {
      case 'x':
      case 'g':
      case 'L':
      case 'K':
        this.#beginExtended(header);
        return;
      case 'V': // a volume's label
        this.#state = skip(paddedSize(header.size));
        return;
      case 'S':
        this.#beginGnuSparse(header);
        return;
      default:
        this.#beginEntry(header);
    }
  }

  #beginExtended({ type, size }: RawHeader): void {
    if (size > MAX_EXTENDED_HEADER) throw invalid(`an extended header of ${size} bytes`);
    const state: State = {
      at: 'extended',
      type,
      buffer: Buffer.alloc(size),
      filled: 0,
      padding: padding(size),
    };
    if (size === 0) this.#extended(state);
    else this.#state = state;
  }

  #consumeExtended(state: State & { at: 'extended' }, chunk: Buffer, at: number): number {
    const length = Math.min(state.buffer.length - state.filled, chunk.length - at);
    chunk.copy(state.buffer, state.filled, at, at + length);
    state.filled += length;
    if (state.filled === state.buffer.length) this.#extended(state);
    return length;
  }

  #extended({ type, buffer, padding }: State & { at: 'extended' }): void {
    if (type === 'x') this.#records = decodePax(buffer);
    else if (type === 'g') this.#addGlobalRecords(buffer);
    else if (type === 'L') this.#longName = readText(buffer, 0, buffer.length);
    else this.#longLink = readText(buffer, 0, buffer.length);
    this.#state = skip(padding);
  }

  #addGlobalRecords(buffer: Buffer): void {
    this.#globalSize += buffer.length;
    if (this.#globalSize > MAX_GLOBAL_RECORDS) {
      throw invalid(`global PAX headers of more than ${MAX_GLOBAL_RECORDS} bytes`);
    }
    this.#globalRecords = [...this.#globalRecords, ...decodePax(buffer)];
  }

  #beginGnuSparse(header: RawHeader): void {
    const { segments, realSize, extended } = oldGnuSegments(this.#block);
    if (extended) this.#state = { at: 'gnu-sparse-extension', header, segments, realSize };
    else this.#beginEntry(header, { realSize, segments });
  }

  #gnuSparseExtension(state: State & { at: 'gnu-sparse-extension' }): void {
    const { segments, extended } = oldGnuExtension(this.#block);
    state.segments.push(...segments);
    if (state.segments.length > MAX_SEGMENTS)
      throw invalid(`a sparse map of more than ${MAX_SEGMENTS} segments`);
    if (!extended) this.#beginEntry(state.header, state);
  }

  #beginEntry(header: RawHeader, gnuMap?: SparseMap): void {
    const records = [...this.#globalRecords, ...this.#records];
    const pax = lastRecords(records);
    const sparse = gnuMap === undefined ? paxSparse(records) : { map: gnuMap };
    const sizeRecord = pax.get('size');
    const stored = sizeRecord === undefined ? header.size : paxNumber(sizeRecord);
    const size = sparse === undefined ? stored : 'map' in sparse ? sparse.map.realSize : sparse.realSize;
    const entry = this.#entry(header, pax, size);
    this.#records = [];
    this.#longName = undefined;
    this.#longLink = undefined;
    this.#sink.entry(entry);
    // Only files have content; what headers of links and devices say about a size means nothing.
    if (entry.type !== 'file')
      this.#state = skip(DIRECTORIES_WITH_CONTENT.includes(header.type) ? paddedSize(stored) : 0);
    else if (sparse === undefined) this.#beginData(stored, undefined);
    else if ('map' in sparse) this.#beginData(stored, sparse.map);
    else this.#state = { at: 'sparse-map', map: new SparseMapReader(), realSize: sparse.realSize, stored };
  }

  #entry(header: RawHeader, pax: ReadonlyMap<ByteString, PaxRecord>, size: number): TarEntry {
    const text = (key: string) => pax.get(key)?.value.toString('latin1');
    const number = (key: string, fallback: number) => {
      const record = pax.get(key);
      return record === undefined ? fallback : paxNumber(record);
    };
    const name = text('GNU.sparse.name') ?? text('path') ?? this.#longName ?? header.name;
    const target = text('linkpath') ?? this.#longLink ?? header.linkName;
    this.#entryName = name;
    this.#isBetweenEntries = false;
    const mtime = pax.get('mtime');
    const metadata: EntryMetadata = {
      name,
      mode: header.mode,
      uid: number('uid', header.uid),
      gid: number('gid', header.gid),
      mtime: mtime === undefined ? { seconds: header.mtimeSeconds, nanoseconds: 0 } : paxTime(mtime),
      xattrs: xattrs(pax),
    };
    if (size < 0 || metadata.uid < 0 || metadata.gid < 0) throw invalid('a tar header has a negative number');
    const { deviceMajor: major, deviceMinor: minor } = header;
    switch (header.type) {
      case '\0': // V7 had no type for directories
      case '0':
        return name.endsWith('/') ? { ...metadata, type: 'directory' } : { ...metadata, type: 'file', size };
      case '7':
      case 'S':
        return { ...metadata, type: 'file', size };
      case '1':
        return { ...metadata, type: 'hardlink', target };
      case '2':
        return { ...metadata, type: 'symlink', target };
      case '3':
        return { ...metadata, type: 'character', major, minor };
      case '4':
        return { ...metadata, type: 'block', major, minor };
      case '5':
      case 'D':
        return { ...metadata, type: 'directory' };
      case '6':
        return { ...metadata, type: 'fifo' };
      default:
        throw invalid(`the entry type "${printableName(header.type)}" is not supported`);
    }
  }

  #sparseMapBlock(state: State & { at: 'sparse-map' }): void {
    state.stored -= TAR_BLOCK;
    if (state.stored < 0) throw invalid('a sparse map that is longer than the data');
    const segments = state.map.push(this.#block);
    if (segments !== undefined) this.#beginData(state.stored, { realSize: state.realSize, segments });
  }

  #beginData(stored: number, map: SparseMap | undefined): void {
    if (map !== undefined) checkSparseMap(map, stored);
    const sparse = map === undefined ? undefined : new SparseCursor(map, this.#sink);
    if (stored === 0) {
      sparse?.finish();
      this.#state = { at: 'header' };
    } else {
      this.#state = { at: 'data', remaining: stored, padding: padding(stored), sparse };
    }
  }

  #consumeData(state: State & { at: 'data' }, chunk: Buffer, at: number): number {
    const length = Math.min(state.remaining, chunk.length - at);
    const piece = chunk.subarray(at, at + length);
    if (state.sparse === undefined) this.#sink.data(piece);
    else state.sparse.data(piece);
    state.remaining -= length;
    if (state.remaining === 0) {
      state.sparse?.finish();
      this.#state = skip(state.padding);
    }
    return length;
  }

  #withEntryName(error: unknown): unknown {
    if (!isBerthError(error, 'invalid')) return error;
    return invalid(`invalid tar archive, ${this.#whereabouts()}: ${errorMessage(error)}`, { cause: error });
  }

  #whereabouts(): string {
    if (this.#entryName === '') return 'at its start';
    return `${this.#isBetweenEntries ? 'after ' : ''}entry "${printableName(this.#entryName)}"`;
  }
}

/** Later records win; one with an empty value takes the record away. */
function lastRecords(records: readonly PaxRecord[]): Map<ByteString, PaxRecord> {
  const last = new Map<ByteString, PaxRecord>();
  for (const record of records) {
    if (record.value.length === 0 && !record.key.startsWith(XATTR_KEY)) last.delete(record.key);
    else last.set(record.key, record);
  }
  return last;
}

const NO_XATTRS: ReadonlyMap<ByteString, Buffer> = new Map();

function xattrs(pax: ReadonlyMap<ByteString, PaxRecord>): ReadonlyMap<ByteString, Buffer> {
  let found: Map<ByteString, Buffer> | undefined;
  for (const { key, value } of pax.values()) {
    if (!key.startsWith(XATTR_KEY)) continue;
    found ??= new Map();
    found.set(key.slice(XATTR_KEY.length), value);
  }
  return found ?? NO_XATTRS;
}

function skip(remaining: number): State {
  return remaining === 0 ? { at: 'header' } : { at: 'skip', remaining };
}

function padding(size: number): number {
  return (TAR_BLOCK - (size % TAR_BLOCK)) % TAR_BLOCK;
}

function paddedSize(size: number): number {
  return size + padding(size);
}
