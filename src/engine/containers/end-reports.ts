import { type ContainerId, errorMessage } from '../../base/index.ts';
import type { ExitStatus, MemoryEnd } from '../../runtime/index.ts';
import type { DocumentStore } from '../../store/index.ts';
import { computerEndCause } from './computer/end.ts';
import { type ContainerRecord, isComputer } from './container.ts';
import type { ContainerContext } from './context.ts';
import { type EndCause, endCause } from './end-cause.ts';
import { type LogEntry, logPlaceOf, readLogFiles } from './logs/index.ts';

/** What is kept of one end of a container, or of one start that failed. */
export interface EndReport {
  /** Undefined for a start that failed: nothing ran. */
  readonly startedAt?: string;
  readonly finishedAt: string;
  readonly exitCode: number;
  readonly cause: EndCause;
  readonly memory?: MemoryEnd;
  /** The restart policy started it again. */
  readonly restarted: boolean;
  /** The end of the run's log, the oldest line first; empty where the log driver keeps nothing. */
  readonly log: readonly EndLogLine[];
}

export interface EndLogLine {
  readonly stream: 'stdout' | 'stderr';
  /** Without its newline; long lines are cut. */
  readonly text: string;
  readonly time: string;
}

const COLLECTION = 'container-ends';

/** So many ends of a container are kept. */
const KEPT_ENDS = 5;
const KEPT_LINES = 10;
const LINE_LIMIT = 512;
/** Entries at the log's end that are looked at; a long line has several. */
const READ_ENTRIES = 20;
/** The same for a run that others have followed: what they wrote stands behind its lines. */
const READ_ENTRIES_OF_PAST = 2000;

/** The last ends of each container, on disk only: nobody asks for them often. */
export class EndReports {
  readonly #documents: DocumentStore;

  constructor(documents: DocumentStore) {
    this.#documents = documents;
  }

  /** The newest first. */
  of(id: ContainerId): readonly EndReport[] {
    return this.#documents.get<readonly EndReport[]>(COLLECTION, id) ?? [];
  }

  add(id: ContainerId, report: EndReport): void {
    this.#documents.put(COLLECTION, id, [report, ...this.of(id)].slice(0, KEPT_ENDS));
  }

  forget(id: ContainerId): void {
    this.#documents.delete(COLLECTION, id);
  }
}

/** What the engine knows of a run that has ended. */
export interface EndedRun {
  readonly startedAt: string;
  readonly exitCode: number;
  readonly restarted: boolean;
  /** What of the log is the run's: up to the start of the next one where that has come. */
  readonly log: 'unread' | { readonly until: string | undefined };
}

/** The report of a run that has ended. */
export async function reportOfEnd(
  context: ContainerContext,
  record: ContainerRecord,
  status: Exclude<ExitStatus, { kind: 'not-restarted' }>,
  run: EndedRun,
): Promise<EndReport> {
  const { startedAt, exitCode, restarted } = run;
  const log = run.log === 'unread' ? [] : await lastLines(context, record, startedAt, run.log.until);
  const cause = endCause(status, startedAt, record.lastSignal);
  return {
    startedAt,
    finishedAt: status.finishedAt.toISOString(),
    exitCode,
    cause: isComputer(record) ? computerEndCause(cause, exitCode, log) : cause,
    ...(status.kind === 'exited' && status.memory !== undefined ? { memory: status.memory } : {}),
    restarted,
    log,
  };
}

/** The report of a start that came to nothing. */
export function reportOfFailedStart(exitCode: number, message: string): EndReport {
  return {
    finishedAt: new Date().toISOString(),
    exitCode,
    cause: { kind: 'start-failure', message },
    restarted: false,
    log: [],
  };
}

/** The last lines that a run wrote; none where the log cannot be read: a report comes without them then. */
async function lastLines(
  context: ContainerContext,
  record: ContainerRecord,
  startedAt: string,
  until: string | undefined,
): Promise<EndLogLine[]> {
  const place = logPlaceOf(context, record);
  if (place === undefined) return [];
  try {
    const pieces: Piece[] = [];
    const tail = until === undefined ? READ_ENTRIES : READ_ENTRIES_OF_PAST;
    const range = { tail, since: startedAt, until };
    for await (const batch of readLogFiles(place, range, undefined)) pieces.push(...batch.map(pieceOf));
    return joinPieces(pieces.slice(-READ_ENTRIES)).slice(-KEPT_LINES);
  } catch (error) {
    context.parts.log.warn(
      { id: record.id, error: errorMessage(error) },
      "the end of a container's log could not be read",
    );
    return [];
  }
}

interface Piece extends EndLogLine {
  /** It ends its line. */
  readonly ends: boolean;
}

function pieceOf({ stream, text, time }: LogEntry): Piece {
  const whole = text.toString();
  const line = whole.replace(/\r?\n$/, '');
  return { stream, text: line, time, ends: line !== whole };
}

/** The log has long lines in pieces; a line's own end may be missing at the container's end. */
function joinPieces(pieces: readonly Piece[]): EndLogLine[] {
  const lines: EndLogLine[] = [];
  const open = new Map<string, EndLogLine>();
  for (const { stream, text, time, ends } of pieces) {
    const begun = open.get(stream);
    const line = { stream, time: begun?.time ?? time, text: `${begun?.text ?? ''}${text}` };
    if (ends) {
      open.delete(stream);
      lines.push(cut(line));
    } else {
      open.set(stream, cut(line));
    }
  }
  return [...lines, ...open.values()];
}

function cut(line: EndLogLine): EndLogLine {
  return line.text.length <= LINE_LIMIT ? line : { ...line, text: `${line.text.slice(0, LINE_LIMIT - 1)}…` };
}
