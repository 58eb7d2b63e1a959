import { watch } from 'node:fs';
import { dirname } from 'node:path';
import type { LogDecoder, LogEntry } from './entry.ts';
import { JsonDecoder } from './json-decoder.ts';
import { LocalDecoder } from './local-decoder.ts';
import { closeAll, inodeOf, type LogFile, openLogFiles, openNumber, rotatedFiles } from './log-file.ts';

/** Where a log is, and in which format. */
export interface LogPlace {
  readonly path: string;
  readonly format: 'json-file' | 'local';
}

export interface LogRange {
  /** So many entries at the end; undefined: all. */
  readonly tail: number | undefined;
  /** As {@link LogEntry.time}; both ends belong to the range. */
  readonly since: string | undefined;
  readonly until: string | undefined;
}

/**
 * A log's entries in batches, the oldest first, over rotated and compressed files. With `following` it goes on with what
 * comes until that signal is aborted, and then reads to the end once more.
 */
export async function* readLogFiles(
  place: LogPlace,
  range: LogRange,
  following: AbortSignal | undefined,
): AsyncGenerator<LogEntry[]> {
  const files = await openLogFiles(place.path);
  try {
    const batches =
      following === undefined ? stored(place, files, range) : follow(place, files, range, following);
    for await (const batch of batches) {
      const wanted = within(batch, range);
      if (wanted.length > 0) yield wanted;
      if (following !== undefined && isPast(batch.at(-1), range.until)) return;
    }
  } finally {
    await closeAll(files);
  }
}

function decoderOf({ format }: LogPlace): LogDecoder {
  return format === 'local' ? new LocalDecoder() : new JsonDecoder();
}

/** What the files have now; the last one's decoder goes on where it stopped. */
async function* stored(
  place: LogPlace,
  files: readonly LogFile[],
  range: LogRange,
  last: LogDecoder = decoderOf(place),
): AsyncGenerator<LogEntry[]> {
  const recent = files.filter((file, index) => index === files.length - 1 || !isOlder(file, range.since));
  let { skip, first } = await beginning(place, recent, range.tail);
  for (const [index, file] of recent.entries()) {
    if (index < first) continue;
    const decoder = index === recent.length - 1 ? last : decoderOf(place);
    for await (const piece of file.read()) {
      const batch = decoder.push(piece);
      yield skip === 0 ? batch : batch.slice(skip);
      skip = Math.max(0, skip - batch.length);
    }
  }
}

/** Times of files are not exact: a whole second is granted. */
function isOlder(file: LogFile, since: string | undefined): boolean {
  return since !== undefined && file.changedAt < Date.parse(since) - 1000;
}

/** Where a tail begins: the index of its first file, and how many of that file's entries come before it. */
async function beginning(place: LogPlace, files: readonly LogFile[], tail: number | undefined) {
  if (tail === undefined) return { first: 0, skip: 0 };
  let left = tail;
  for (let index = files.length - 1; index >= 0; index -= 1) {
    const file = files[index];
    if (file === undefined) break;
    const canSeek = place.format === 'json-file' && !file.hasGzip;
    const found = canSeek ? await file.seekLines(left) : await countEntries(place, file);
    if (found >= left) return { first: index, skip: canSeek ? 0 : found - left };
    left -= found;
  }
  return { first: 0, skip: 0 };
}

async function countEntries(place: LogPlace, file: LogFile): Promise<number> {
  const decoder = decoderOf(place);
  let count = 0;
  for await (const piece of file.contents()) count += decoder.push(piece).length;
  return count;
}

/** What is stored, then what comes, over rotations. Closes the files that it opens itself. */
async function* follow(
  place: LogPlace,
  files: readonly LogFile[],
  range: LogRange,
  ended: AbortSignal,
): AsyncGenerator<LogEntry[]> {
  const watcher = watch(dirname(place.path));
  let changed = Promise.withResolvers<void>();
  const wake = () => changed.resolve();
  watcher.on('change', wake);
  watcher.on('error', wake);
  ended.addEventListener('abort', wake, { once: true });
  let decoder = decoderOf(place);
  let current = files.at(-1);
  try {
    yield* stored(place, files, range, decoder);
    for (;;) {
      // Armed before reading, so that a write between the read and the wait is not missed.
      changed = Promise.withResolvers();
      const isLast = ended.aborted;
      for (;;) {
        if (current !== undefined) yield* decodeAll(current, decoder);
        const next = await fileAfter(place.path, current);
        if (next === undefined) break;
        // Nothing is written to a file after its rotation.
        if (current !== undefined) {
          yield* decodeAll(current, decoder);
          if (!files.includes(current)) await current[Symbol.asyncDispose]();
        }
        current = next;
        decoder = decoderOf(place);
      }
      if (isLast) return;
      await changed.promise;
    }
  } finally {
    watcher.close();
    ended.removeEventListener('abort', wake);
    if (current !== undefined && !files.includes(current)) await current[Symbol.asyncDispose]();
  }
}

async function* decodeAll(file: LogFile, decoder: LogDecoder): AsyncGenerator<LogEntry[]> {
  for await (const piece of file.read()) yield decoder.push(piece);
}

/** The file that was begun after `current`; undefined when that is the newest. One that was dropped is followed by the oldest. */
async function fileAfter(path: string, current: LogFile | undefined): Promise<LogFile | undefined> {
  for (;;) {
    const number = current === undefined ? undefined : await numberOf(path, current);
    if (number === 0) return undefined;
    const next = number === undefined ? await openOldest(path) : await openNumber(path, number - 1);
    if (next === undefined && current === undefined) return undefined;
    // A rotation between the two look-ups would have skipped a file.
    if (next !== undefined && (current === undefined || (await numberOf(path, current)) === number))
      return next;
    await next?.[Symbol.asyncDispose]();
  }
}

/** The number that a file has now; undefined when it was removed. */
async function numberOf(path: string, file: LogFile): Promise<number | undefined> {
  if ((await inodeOf(path)) === file.inode) return 0;
  for await (const { number, file: candidate } of rotatedFiles(path)) {
    await using _closed = candidate;
    if (candidate.inode === file.inode || (await candidate.isCompressionOf(file))) return number;
  }
  return undefined;
}

async function openOldest(path: string): Promise<LogFile | undefined> {
  const files = await openLogFiles(path);
  await closeAll(files.slice(1));
  return files[0];
}

function within(batch: LogEntry[], { since, until }: LogRange): LogEntry[] {
  if (since === undefined && until === undefined) return batch;
  return batch.filter(
    ({ time }) =>
      (since === undefined || !isBefore(time, since)) && (until === undefined || !isBefore(until, time)),
  );
}

function isPast(entry: LogEntry | undefined, until: string | undefined): boolean {
  return entry !== undefined && until !== undefined && isBefore(until, entry.time);
}

/** Without the Z at their end, such times are ordered as texts. */
function isBefore(first: string, second: string): boolean {
  return first.slice(0, -1) < second.slice(0, -1);
}
