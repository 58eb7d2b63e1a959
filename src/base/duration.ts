import { invalid } from './errors.ts';

const NANOSECONDS: Record<string, number> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
};

/** Parses Go's duration syntax ("1m30s", "500ms", "0") into nanoseconds. */
export function parseDuration(text: string): number {
  if (text === '0') return 0;
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g)];
  if (parts.length === 0 || parts.map((part) => part[0]).join('') !== text) {
    throw invalid(`invalid duration: '${text}'`, { hint: 'Write numbers with units, like 10s or 1m30s' });
  }
  return parts.reduce((sum, [, number, unit]) => sum + Number(number) * (NANOSECONDS[unit ?? ''] ?? 0), 0);
}

/** Writes nanoseconds in Go's duration syntax, as {@link parseDuration} reads it: "1m30s", "1.5s", "300ms", "0s". */
export function formatDuration(nanoseconds: number): string {
  if (nanoseconds === 0) return '0s';
  for (const [unit, below] of [
    ['ns', 1e3],
    ['µs', 1e6],
    ['ms', 1e9],
  ] as const) {
    if (nanoseconds < below) return `${nanoseconds / (NANOSECONDS[unit] ?? 1)}${unit}`;
  }
  const minutes = Math.floor(nanoseconds / 60e9);
  const seconds = `${(nanoseconds - minutes * 60e9) / 1e9}s`;
  if (minutes === 0) return seconds;
  return minutes < 60 ? `${minutes}m${seconds}` : `${Math.floor(minutes / 60)}h${minutes % 60}m${seconds}`;
}

/** The rough length of a time span, as `docker ps` words it: "About a minute", "3 hours". */
export function humanDuration(milliseconds: number): string {
  const seconds = Math.floor(milliseconds / 1000);
  if (seconds < 1) return 'Less than a second';
  if (seconds === 1) return '1 second';
  if (seconds < 60) return `${seconds} seconds`;
  const minutes = Math.floor(seconds / 60);
  if (minutes === 1) return 'About a minute';
  if (minutes < 60) return `${minutes} minutes`;
  const hours = Math.round(seconds / 3600);
  if (hours === 1) return 'About an hour';
  if (hours < 48) return `${hours} hours`;
  const days = Math.floor(hours / 24);
  if (hours < 24 * 7 * 2) return `${days} days`;
  if (hours < 24 * 30 * 2) return `${Math.floor(days / 7)} weeks`;
  if (hours < 24 * 365 * 2) return `${Math.floor(days / 30)} months`;
  return `${Math.floor(days / 365)} years`;
}
