import {
  canonicalName,
  familiar,
  familiarName,
  familiarRepository,
  invalid,
  parseReference,
} from '../base/index.ts';
import type { Image } from '../store/index.ts';
import { type Filters, flagFilter, passesLabels, untilFilter } from './filters.ts';

/** The filters of GET /images/json. */
export const IMAGE_FILTERS = ['before', 'dangling', 'label', 'label!', 'reference', 'since', 'until'];

/**
 * The images that pass the filters. Who asks by reference sees the names that match, as in dockerd, and not the image's
 * other ones. `find` throws `not-found` for what "before" and "since" name.
 */
export async function selectImages(
  all: readonly Image[],
  filters: Filters,
  find: (text: string) => Promise<Image>,
): Promise<readonly Image[]> {
  const dangling = flagFilter(filters, 'dangling');
  const until = untilFilter(filters)?.getTime() ?? Number.POSITIVE_INFINITY;
  const created = async (name: string) =>
    Promise.all((filters.get(name) ?? []).map(async (text) => createdAt(await find(text))));
  const before = Math.min(until, ...(await created('before')));
  const since = Math.max(Number.NEGATIVE_INFINITY, ...(await created('since')));
  const patterns = filters.get('reference')?.map(referencePattern);
  return all
    .filter(
      (image) =>
        (dangling === undefined || dangling === (image.tags.length === 0)) &&
        createdAt(image) < before &&
        createdAt(image) > since &&
        passesLabels(filters, image.config.config?.Labels ?? {}),
    )
    .flatMap((image) => (patterns === undefined ? image : (withMatchingNames(image, patterns) ?? [])));
}

function createdAt({ config }: Image): number {
  return Date.parse(config.created ?? '') || 0;
}

type NamePattern = (canonicalName: string) => boolean;

function withMatchingNames(image: Image, patterns: readonly NamePattern[]): Image | undefined {
  const matches = (name: string) => patterns.some((pattern) => pattern(name));
  const repository = (name: string) => familiarRepository(parseReference(name));
  const tags = image.tags.filter(matches);
  const repositories = new Set(tags.map(repository));
  const repoDigests = image.repoDigests.filter((name) => repositories.has(repository(name)) || matches(name));
  return tags.length + repoDigests.length === 0 ? undefined : { ...image, tags, repoDigests };
}

/** A shell pattern (Go's path.Match) against a name with its tag or digest, or the repository alone. Throws `invalid`. */
function referencePattern(pattern: string): NamePattern {
  const expression = new RegExp(`^${shellPattern(pattern)}$`);
  return (name) => {
    const reference = parseReference(name);
    const names = [familiar(name), familiarRepository(reference), canonicalName(reference)];
    return names.some((text) => expression.test(text)) || familiarName(reference) === pattern;
  };
}

/** "*" and "?" match within one component of a path, "[a-z]" and "[^a-z]" one letter, "\" the next letter itself. */
function shellPattern(pattern: string): string {
  const part = /\\(.)|\*|\?|\[(\^?)((?:\\.|[^\]\\])+)\]|([^\\[])/gsuy;
  let expression = '';
  for (let at = 0; at < pattern.length; at = part.lastIndex) {
    part.lastIndex = at;
    const match = part.exec(pattern);
    if (match === null) throw invalid(`invalid filter 'reference=${pattern}': syntax error in pattern`);
    const [whole, escaped, negated = '', letters, plain] = match;
    if (letters !== undefined) expression += `[${negated}${letters.replace(/[[\]^]/g, '\\$&')}]`;
    else if (whole === '*') expression += '[^/]*';
    else if (whole === '?') expression += '[^/]';
    else expression += RegExp.escape(escaped ?? plain ?? '');
  }
  return expression;
}
