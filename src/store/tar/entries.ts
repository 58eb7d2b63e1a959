import { printableName, type TarEntry } from './entry.ts';
import { TarReader } from './reader.ts';

/** An entry of an archive that is being read, with its content if it is a file. */
export interface ArchiveEntry {
  readonly entry: TarEntry;
  /** For messages. */
  readonly name: string;
  /** A file's content: to be read once, to its end, before the next entry is asked for, or not at all. */
  content(): AsyncIterable<Buffer>;
}

/** Zeros that an archive does not store come in pieces of this size. */
const HOLE = Buffer.alloc(64 * 1024);

type TarEvent =
  | { readonly kind: 'entry'; readonly entry: TarEntry }
  | { readonly kind: 'data'; readonly data: Buffer }
  | { readonly kind: 'hole'; readonly length: number };

/**
 * The entries of a plain tar, one after the other, at the pace of the reader: what is held in memory is a chunk of the source.
 * Throws `invalid`, naming the entry, for what {@link TarReader} refuses.
 */
export async function* tarEntries(source: AsyncIterable<Buffer>): AsyncGenerator<ArchiveEntry> {
  const events = tarEvents(source);
  let next = await events.next();
  async function* content() {
    for (;;) {
      next = await events.next();
      if (next.done || next.value.kind === 'entry') return;
      if (next.value.kind === 'data') yield next.value.data;
      else yield* zeros(next.value.length);
    }
  }
  while (!next.done) {
    const event = next.value;
    if (event.kind === 'entry') {
      const { entry } = event;
      const name = printableName(entry.name);
      yield { entry, name, content };
    }
    if (next.value === event) next = await events.next(); // else its content was read
  }
}

async function* tarEvents(source: AsyncIterable<Buffer>): AsyncGenerator<TarEvent> {
  const events: TarEvent[] = [];
  const reader = new TarReader({
    entry: (entry) => events.push({ kind: 'entry', entry }),
    data: (data) => events.push({ kind: 'data', data }),
    hole: (length) => events.push({ kind: 'hole', length }),
  });
  for await (const chunk of source) {
    reader.push(chunk);
    yield* events.splice(0);
  }
  reader.end();
}

function* zeros(length: number): Generator<Buffer> {
  for (let left = length; left > 0; left -= HOLE.length) yield HOLE.subarray(0, left);
}
