import { invalid, parseDate } from '../base/index.ts';
import type { Query } from './fields.ts';

/** Docker's list filters: each name has any number of values, one of which must match. */
export type Filters = ReadonlyMap<string, readonly string[]>;

/** Parses the `filters` parameter, in its map form or the list form; refuses names that are not in `allowed`. */
export function parseFilters(query: Query, allowed: readonly string[]): Filters {
  const fields = query.json('filters');
  const filters = new Map<string, string[]>();
  for (const name of fields.names()) {
    if (!allowed.includes(name)) {
      throw invalid(`invalid filter '${name}'`, { hint: `Known filters: ${allowed.join(', ')}` });
    }
    filters.set(name, values(fields, name));
  }
  return filters;
}

/** The values come as a list, or as an object whose members are true. */
function values(fields: ReturnType<Query['json']>, name: string): string[] {
  try {
    return fields.texts(name);
  } catch {
    return fields.object(name).names();
  }
}

/** Whether there is no such filter, or one of its values passes. */
export function passes(filters: Filters, name: string, test: (value: string) => boolean): boolean {
  const wanted = filters.get(name);
  return wanted === undefined || wanted.some(test);
}

/** Label filters ("key" or "key=value") must all match; with "label!", what matches all of those does not pass. */
export function passesLabels(filters: Filters, labels: Readonly<Record<string, string>>): boolean {
  const matches = (wanted: string) => {
    const at = wanted.indexOf('=');
    return at < 0 ? wanted in labels : labels[wanted.slice(0, at)] === wanted.slice(at + 1);
  };
  const refused = filters.get('label!') ?? [];
  const isRefused = refused.length > 0 && refused.every(matches);
  return !isRefused && (filters.get('label') ?? []).every(matches);
}

/** A filter that is true or false, in Docker's spellings; undefined where it is not given. */
export function flagFilter(filters: Filters, name: string): boolean | undefined {
  const values = filters.get(name) ?? [];
  const found = values.map((value) => FLAGS.get(value.toLowerCase()));
  const [flag] = found;
  if (values.length > 0 && (flag === undefined || found.some((other) => other !== flag))) {
    throw invalid(`invalid filter '${name}=[${values.join(' ')}]'`, { hint: 'It is true or false' });
  }
  return flag;
}

const FLAGS: ReadonlyMap<string, boolean> = new Map([
  ['1', true],
  ['t', true],
  ['true', true],
  ['0', false],
  ['f', false],
  ['false', false],
]);

/** The filter "until": a moment, in the past if it is a duration. */
export function untilFilter(filters: Filters): Date | undefined {
  const [text, second] = filters.get('until') ?? [];
  if (second !== undefined) throw invalid('more than one until filter specified');
  if (text === undefined) return undefined;
  try {
    return parseDate(text);
  } catch (cause) {
    throw invalid(`invalid value for 'until' filter: "${text}" is no time`, {
      hint: 'Write 2013-01-02T13:23:37Z, Unix seconds, or a duration like 24h',
      cause,
    });
  }
}
