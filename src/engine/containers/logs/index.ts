import { notImplemented } from '../../../base/index.ts';
import { type ContainerRecord, isActive } from '../container.ts';
import { type ContainerContext, containerDirectory, logPath } from '../context.ts';
import type { LogEntry } from './entry.ts';
import { logSettings } from './options.ts';
import { type LogPlace, type LogRange, readLogFiles } from './read.ts';

export type { LogEntry } from './entry.ts';
export { LOG_DRIVERS, type LogConfig, parseLogConfig } from './options.ts';
export { logPlan, requireLogging } from './plan.ts';
export { readLogFiles } from './read.ts';

export interface LogOptions extends LogRange {
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly follow: boolean;
}

/** Where a container's log can be read; undefined when nothing is kept. */
export function logPlaceOf(context: ContainerContext, record: ContainerRecord): LogPlace | undefined {
  const { files } = logSettings(record.host.log);
  return files && { path: logFilePath(context, record), format: files.format };
}

/** The newest file of a container's log. */
export function logFilePath(context: ContainerContext, record: ContainerRecord): string {
  const { id, host } = record;
  return logSettings(host.log).files?.format === 'local'
    ? `${containerDirectory(context, id)}/${id}-local.log`
    : logPath(context, id);
}

/**
 * A container's log in batches, the oldest first, over rotated files. Following ends with the run. Throws
 * `not-implemented` for log drivers that cannot be read.
 */
export function readLogs(
  context: ContainerContext,
  reference: string,
  options: LogOptions,
  signal: AbortSignal,
): AsyncGenerator<LogEntry[]> {
  const record = context.collection.find(reference);
  const place = logPlaceOf(context, record);
  if (place === undefined) throw notImplemented('configured logging driver does not support reading');
  return options.follow && isActive(record.state)
    ? followLog(context, record, place, options, signal)
    : ofStreams(readLogFiles(place, options, undefined), options, signal);
}

async function* followLog(
  context: ContainerContext,
  record: ContainerRecord,
  place: LogPlace,
  options: LogOptions,
  signal: AbortSignal,
): AsyncGenerator<LogEntry[]> {
  const ended = new AbortController();
  // A run's end is told when all of its output is in the log.
  const stop = context.events.listen(({ type, action, actor }) => {
    const isOwn = (type === 'container' || type === 'machine') && actor === record.id;
    if (isOwn && action === 'die') ended.abort();
  });
  const reasons = [signal, ended.signal];
  if (options.until !== undefined) reasons.push(timeUp(options.until));
  try {
    yield* ofStreams(readLogFiles(place, options, AbortSignal.any(reasons)), options, signal);
  } finally {
    stop();
  }
}

/** The longest delay of a timer. */
const LONGEST_DELAY = 2 ** 31 - 1;

function timeUp(time: string): AbortSignal {
  return AbortSignal.timeout(Math.min(Math.max(0, Date.parse(time) - Date.now()), LONGEST_DELAY));
}

async function* ofStreams(
  batches: AsyncGenerator<LogEntry[]>,
  { stdout, stderr }: LogOptions,
  signal: AbortSignal,
): AsyncGenerator<LogEntry[]> {
  for await (const batch of batches) {
    if (signal.aborted) return;
    yield stdout && stderr ? batch : batch.filter(({ stream }) => (stream === 'stdout' ? stdout : stderr));
  }
}
