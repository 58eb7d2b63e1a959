import { errorMessage, parseDuration, parseSize } from '../base/index.ts';
import { asText, type Located, type LocatedMap, wrongAt } from './located-yaml.ts';

/** Reads one member of a mapping; undefined where it is missing or null. */
export type FieldReader = <T>(key: string, read: (value: Located) => T) => T | undefined;

/** A reader of the members of `map`; of none when there is no mapping. */
export function fieldsOf(map: LocatedMap | undefined): FieldReader {
  return (key, read) => {
    const value = map?.entries.get(key);
    return value === undefined || isNull(value) ? undefined : read(value);
  };
}

export function isNull(node: Located): boolean {
  return node.kind === 'scalar' && node.value === null;
}

/** Bytes: a number, or "512m". */
export function asBytes(node: Located): number {
  return explained(node, () => parseSize(asText(node)));
}

/** Nanoseconds of "1m30s". */
export function asNanoseconds(node: Located): number {
  return explained(node, () => parseDuration(asText(node)));
}

/** Whole seconds of "1m30s", rounded up. */
export function asSeconds(node: Located): number {
  return Math.ceil(asNanoseconds(node) / 1e9);
}

/** Adds the place to an error of a parser that does not know it. */
export function explained<T>(node: Located, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw wrongAt(node, `${node.path}: ${errorMessage(error)}`);
  }
}
