import { invalid } from '../base/index.ts';
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

/** Label filters must all match: "key" or "key=value". */
export function passesLabels(filters: Filters, labels: Readonly<Record<string, string>>): boolean {
  return (filters.get('label') ?? []).every((wanted) => {
    const at = wanted.indexOf('=');
    if (at < 0) return wanted in labels;
    return labels[wanted.slice(0, at)] === wanted.slice(at + 1);
  });
}
