import { invalid } from '../base/index.ts';
import type { Filters } from '../client/index.ts';

/** `--filter key=value`, repeated, as the API takes them. Throws `invalid` for one without "=". */
export function parseFilters(texts: readonly string[]): Filters {
  const filters: Record<string, string[]> = {};
  for (const text of texts) {
    const [key, value] = splitPair(text);
    if (key === '' || value === undefined) {
      throw invalid(`invalid filter '${text}'`, { hint: 'A filter is key=value' });
    }
    filters[key.trim().toLowerCase()] = [...(filters[key.trim().toLowerCase()] ?? []), value.trim()];
  }
  return filters;
}

/** `key=value` pairs, a missing value being "" (labels, driver options). */
export function parsePairs(texts: readonly string[]): Record<string, string> {
  return Object.fromEntries(texts.map(splitPair).map(([key, value]) => [key, value ?? '']));
}

/** Splits at the first "="; the value is undefined without one. */
export function splitPair(text: string): [string, string | undefined] {
  const equals = text.indexOf('=');
  return equals < 0 ? [text, undefined] : [text.slice(0, equals), text.slice(equals + 1)];
}
