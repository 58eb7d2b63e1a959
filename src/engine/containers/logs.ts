import { watch } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { notImplemented, systemErrorCode } from '../../base/index.ts';
import { type ContainerContext, logPath } from './context.ts';

export interface LogOptions {
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly follow: boolean;
  /** undefined: all. */
  readonly tail: number | undefined;
  readonly since: Date | undefined;
  readonly until: Date | undefined;
}

/** One stored chunk: a line with its newline, or a part of a long one without. */
export interface LogEntry {
  readonly stream: 'stdout' | 'stderr';
  readonly text: string;
  /** RFC 3339 with nanoseconds. */
  readonly time: string;
}

/** Throws `not-implemented` for a container whose log driver keeps nothing that can be read. */
export function requireReadableLog(context: ContainerContext, reference: string): void {
  if (context.collection.find(reference).host.log.driver === 'none') {
    throw notImplemented('configured logging driver does not support reading');
  }
}

/**
 * A container's log, oldest first, over rotated files. Following ends with the container. Throws `not-implemented`
 * for log drivers that cannot be read.
 */
export async function* readLogs(
  context: ContainerContext,
  reference: string,
  options: LogOptions,
  signal: AbortSignal,
): AsyncGenerator<LogEntry> {
  const record = context.collection.find(reference);
  const path = logPath(context, record.id);
  // Taken before anything is read: whoever has none has written all of its log, and an end from here on is noticed below.
  const supervisor = context.running.get(record.id)?.supervisor;
  await using follower = new LogFollower(path);
  const past = await follower.readStored();
  const wanted = (entry: LogEntry) => matches(entry, options);
  // Lines are counted before the streams are told apart, as dockerd does.
  const tail = options.tail === undefined ? past : past.slice(Math.max(0, past.length - options.tail));
  yield* tail.filter(wanted);
  if (!options.follow || supervisor === undefined) return;

  const ended = new AbortController();
  void supervisor.exited.then(() => ended.abort());
  for await (const entry of follower.follow(AbortSignal.any([signal, ended.signal]))) {
    if (options.until !== undefined && new Date(entry.time) > options.until) return;
    if (wanted(entry)) yield entry;
  }
}

function matches({ stream, time }: LogEntry, { stdout, stderr, since, until }: LogOptions): boolean {
  if (stream === 'stdout' ? !stdout : !stderr) return false;
  if (since === undefined && until === undefined) return true;
  const at = new Date(time);
  return (since === undefined || at >= since) && (until === undefined || at <= until);
}

/** Reads one log file to its end and on; notices when it is rotated away, by inotify. */
class LogFollower implements AsyncDisposable {
  readonly #path: string;
  #file: FileHandle | undefined;
  #inode = 0;
  #position = 0;
  #rest = '';

  constructor(path: string) {
    this.#path = path;
  }

  /** Everything that is stored now, rotated files first. */
  async readStored(): Promise<LogEntry[]> {
    const rotated: LogEntry[][] = [];
    for (let number = 1; ; number += 1) {
      const entries = await readWhole(`${this.#path}.${number}`);
      if (entries === undefined) break;
      rotated.unshift(entries);
    }
    return [...rotated.flat(), ...(await this.#readNew())];
  }

  async *follow(signal: AbortSignal): AsyncGenerator<LogEntry> {
    const watcher = watch(dirname(this.#path));
    let changed = Promise.withResolvers<void>();
    const wake = () => changed.resolve();
    watcher.on('change', wake);
    watcher.on('error', wake);
    signal.addEventListener('abort', wake, { once: true });
    try {
      for (;;) {
        // Armed before reading, so that a write between the read and the wait is not missed.
        changed = Promise.withResolvers();
        const last = signal.aborted;
        yield* await this.#readNew();
        if (last) return;
        await changed.promise;
      }
    } finally {
      watcher.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file?.close();
  }

  async #readNew(): Promise<LogEntry[]> {
    const entries = await this.#readOpened();
    const current = await openIfThere(this.#path);
    if (current === undefined) return entries;
    const { ino } = await current.stat();
    if (this.#file !== undefined && ino === this.#inode) {
      await current.close();
      return entries;
    }
    await this.#file?.close();
    this.#file = current;
    this.#inode = ino;
    this.#position = 0;
    this.#rest = '';
    return [...entries, ...(await this.#readOpened())];
  }

  async #readOpened(): Promise<LogEntry[]> {
    if (this.#file === undefined) return [];
    const chunks: Buffer[] = [];
    for (;;) {
      const { bytesRead, buffer } = await this.#file.read(Buffer.alloc(CHUNK), 0, CHUNK, this.#position);
      if (bytesRead === 0) break;
      this.#position += bytesRead;
      chunks.push(buffer.subarray(0, bytesRead));
    }
    // Entries are ASCII-safe at line ends: a cut UTF-8 sequence stays in the unfinished rest as bytes are joined first.
    const lines = (this.#rest + Buffer.concat(chunks).toString()).split('\n');
    this.#rest = lines.pop() ?? '';
    return lines.map(parseEntry);
  }
}

const CHUNK = 256 * 1024;

async function readWhole(path: string): Promise<LogEntry[] | undefined> {
  const file = await openIfThere(path);
  if (file === undefined) return undefined;
  try {
    return (await file.readFile('utf8')).split('\n').filter(Boolean).map(parseEntry);
  } finally {
    await file.close();
  }
}

async function openIfThere(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'r');
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Docker's json-file format: one JSON object per line. */
function parseEntry(line: string): LogEntry {
  const { log, stream, time } = JSON.parse(line) as {
    log: string;
    stream: 'stdout' | 'stderr';
    time: string;
  };
  return { text: log, stream, time };
}
