import { invalid } from '../base/index.ts';

/**
 * Reads a JSON object of a request member by member, each as the type it must have; null and a missing member are
 * the same, as in Go's decoder. Errors name the member's path. Unknown members are ignored, as in Docker.
 */
export class Fields {
  readonly #object: Readonly<Record<string, unknown>>;
  readonly #path: string;

  constructor(value: unknown, path = '') {
    if (value !== null && value !== undefined && (typeof value !== 'object' || Array.isArray(value))) {
      throw invalid(`invalid JSON: ${path === '' ? 'the body' : path} must be an object`);
    }
    this.#object = (value ?? {}) as Record<string, unknown>;
    this.#path = path;
  }

  has(name: string): boolean {
    const value = this.#object[name];
    return value !== undefined && value !== null;
  }

  text(name: string, fallback = ''): string {
    return (
      this.#typed(name, 'a string', (value) => (typeof value === 'string' ? value : undefined)) ?? fallback
    );
  }

  flag(name: string): boolean {
    return (
      this.#typed(name, 'a boolean', (value) => (typeof value === 'boolean' ? value : undefined)) ?? false
    );
  }

  number(name: string, fallback = 0): number {
    const read = (value: unknown) =>
      typeof value === 'number' && Number.isFinite(value) ? value : undefined;
    return this.#typed(name, 'a number', read) ?? fallback;
  }

  /** A list of whole numbers, none below 0. */
  counts(name: string): number[] {
    const isCount = (item: unknown) => Number.isSafeInteger(item) && Number(item) >= 0;
    const isCounts = (list: unknown): list is number[] => Array.isArray(list) && list.every(isCount);
    return (
      this.#typed(name, 'a list of whole numbers', (value) => (isCounts(value) ? value : undefined)) ?? []
    );
  }

  texts(name: string): string[] {
    return this.optionalTexts(name) ?? [];
  }

  /** A list of strings; a lone string counts as a list of one (Docker's strslice). */
  optionalTexts(name: string): string[] | undefined {
    return this.#typed(name, 'a list of strings', (value) => {
      if (typeof value === 'string') return [value];
      return Array.isArray(value) && value.every((item) => typeof item === 'string') ? value : undefined;
    });
  }

  objects(name: string): Fields[] {
    const list = this.#typed(name, 'a list', (value) =>
      Array.isArray(value) ? (value as unknown[]) : undefined,
    );
    return (list ?? []).map((item, index) => new Fields(item, `${this.#at(name)}[${index}]`));
  }

  /** A list of lists of strings. */
  lists(name: string): string[][] {
    const isText = (item: unknown) => typeof item === 'string';
    const isTexts = (list: unknown): list is string[] => Array.isArray(list) && list.every(isText);
    return (
      this.#typed(name, 'a list of lists of strings', (value) =>
        Array.isArray(value) && value.every(isTexts) ? value : undefined,
      ) ?? []
    );
  }

  object(name: string): Fields {
    return new Fields(this.#object[name], this.#at(name));
  }

  names(): string[] {
    return Object.keys(this.#object);
  }

  textMap(name: string): Record<string, string> {
    const fields = this.object(name);
    return Object.fromEntries(fields.names().map((key) => [key, fields.text(key)]));
  }

  #at(name: string): string {
    return this.#path === '' ? name : `${this.#path}.${name}`;
  }

  #typed<T>(name: string, expected: string, read: (value: unknown) => T | undefined): T | undefined {
    const value = this.#object[name];
    if (value === undefined || value === null) return undefined;
    const result = read(value);
    if (result === undefined) throw invalid(`invalid JSON: ${this.#at(name)} must be ${expected}`);
    return result;
  }
}

/** Query parameters, typed. */
export class Query {
  readonly #values: Readonly<Record<string, string | string[] | undefined>>;

  constructor(query: unknown) {
    this.#values = query as Record<string, string | string[] | undefined>;
  }

  optional(name: string): string | undefined {
    const value = this.#values[name];
    return Array.isArray(value) ? value[0] : value;
  }

  text(name: string): string {
    return this.optional(name) ?? '';
  }

  all(name: string): string[] {
    const value = this.#values[name];
    if (value === undefined) return [];
    return Array.isArray(value) ? value : [value];
  }

  /** Go's rule in Docker: everything but "", 0, no, false and none is true. */
  flag(name: string): boolean {
    return !['', '0', 'no', 'false', 'none'].includes(this.text(name).trim().toLowerCase());
  }

  number(name: string): number | undefined {
    const value = this.optional(name);
    if (value === undefined || value === '') return undefined;
    const number = Number(value);
    if (!Number.isFinite(number)) throw invalid(`invalid ${name}: "${value}" is no number`);
    return number;
  }

  /** A JSON object in a parameter. */
  json(name: string): Fields {
    const text = this.text(name);
    if (text === '') return new Fields({});
    try {
      return new Fields(JSON.parse(text), name);
    } catch (error) {
      if (error instanceof SyntaxError) throw invalid(`invalid ${name}: it is no JSON (${error.message})`);
      throw error;
    }
  }
}
