import { parseDuration } from './duration.ts';
import { invalid } from './errors.ts';

const RFC_3339 = /^(\d{4}-\d{2}-\d{2})(?:T(\d{2}(?::\d{2}){0,2}(?:\.\d{1,9})?)(Z|[+-]\d{2}:\d{2})?)?$/;

/**
 * Parses a moment as `--since` takes it: Unix seconds, RFC 3339 (parts may be missing; local time without a zone), or
 * a duration before now. Returns Unix seconds with up to nine decimals. Throws `invalid`.
 */
export function parseMoment(text: string, now: Date = new Date()): string {
  if (/^-?\d+(\.\d{1,9})?$/.test(text)) return text;
  const [whole, date, time = '00:00:00', zone = ''] = RFC_3339.exec(text) ?? [];
  if (whole !== undefined) {
    const [clock = '', fraction] = time.split('.');
    const full = `${clock}${':00'.repeat(3 - clock.split(':').length)}`;
    const milliseconds = Date.parse(`${date}T${full}${zone}`);
    if (!Number.isNaN(milliseconds))
      return `${milliseconds / 1000}${fraction === undefined ? '' : `.${fraction}`}`;
  }
  try {
    return String((now.getTime() - parseDuration(text) / 1e6) / 1000);
  } catch (cause) {
    throw invalid('it is no time', {
      hint: 'Write 2013-01-02T13:23:37Z, Unix seconds, or a duration like 42m',
      cause,
    });
  }
}

/** As {@link parseMoment}, as a date. */
export function parseDate(text: string, now: Date = new Date()): Date {
  return new Date(Number(parseMoment(text, now)) * 1000);
}
