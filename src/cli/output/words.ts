import { humanDuration } from '../../base/index.ts';

/** Cut to a length, with "…" at the end of what was cut. */
export function ellipsis(text: string, length: number): string {
  const letters = [...text];
  return letters.length <= length ? text : `${letters.slice(0, length - 1).join('')}…`;
}

/** "3 hours ago"; "N/A" for a moment that never was (Unix seconds). */
export function ago(seconds: number): string {
  return seconds <= 0 ? 'N/A' : `${humanDuration(Date.now() - seconds * 1000)} ago`;
}

/** Unix seconds as RFC 3339 with the local zone: "2026-11-25T01:04:56+02:00". */
export function formatRfc3339(seconds: number): string {
  const [day, time, offset = ''] = formatTime(seconds).split(' ');
  return `${day}T${time}${offset === '+0000' ? 'Z' : offset.replace(/(..)$/, ':$1')}`;
}

/** Unix seconds as Go prints a time: "2026-11-25 01:04:56 +0000 UTC". */
export function formatTime(seconds: number): string {
  const date = new Date(seconds * 1000);
  const two = (number: number) => String(number).padStart(2, '0');
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return `${day} ${time} ${zoneOf(date)}`;
}

/** "+0200 CEST". */
function zoneOf(date: Date): string {
  const minutes = -date.getTimezoneOffset();
  const two = (number: number) => String(Math.floor(number)).padStart(2, '0');
  const offset = `${minutes < 0 ? '-' : '+'}${two(Math.abs(minutes) / 60)}${two(Math.abs(minutes) % 60)}`;
  const name = new Intl.DateTimeFormat('en-US', { timeZoneName: 'short' })
    .formatToParts(date)
    .find((part) => part.type === 'timeZoneName')?.value;
  return `${offset} ${name ?? ''}`.trim();
}

/** `a=1,b=2`, as lists show labels. */
export function joinLabels(labels: Readonly<Record<string, string>> | null | undefined): string {
  return Object.entries(labels ?? {})
    .map(([key, value]) => `${key}=${value}`)
    .sort()
    .join(',');
}
