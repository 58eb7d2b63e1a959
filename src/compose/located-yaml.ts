import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml';
import { type BerthError, invalid, notImplemented } from '../base/index.ts';

/** Where a value stands, for messages. */
export interface Position {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** A YAML value that knows where it stands and what it is called ("services.web.ports"). */
export type Located = Position & { readonly path: string } & (
    | {
        readonly kind: 'map';
        readonly entries: ReadonlyMap<string, Located>;
        /** Where each key stands; what a message about the key itself points at. */
        readonly keys: ReadonlyMap<string, Position>;
      }
    | { readonly kind: 'list'; readonly items: readonly Located[] }
    | { readonly kind: 'scalar'; readonly value: string | number | boolean | null }
  );

export type LocatedMap = Extract<Located, { kind: 'map' }>;

/** Parses one YAML file. Throws `invalid` with file, line and column. */
export function parseYaml(file: string, text: string): Located {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, merge: true, prettyErrors: false });
  const [error] = document.errors;
  if (error !== undefined) {
    const { line, col } = lines.linePos(error.pos[0]);
    throw wrongAt({ file, line, column: col }, firstSentence(error.message));
  }
  const [unknownTag] = document.warnings.filter(({ code }) => code === 'TAG_RESOLVE_FAILED');
  if (unknownTag !== undefined) {
    const { line, col } = lines.linePos(unknownTag.pos[0]);
    throw missingAt(
      { file, line, column: col },
      `${firstSentence(unknownTag.message).replace('Unresolved', 'the').replace(':', '')} is not there yet`,
    );
  }
  const convert = (node: unknown, path: string, fallback: Position): Located => {
    const position = positionOf(node, lines, fallback);
    if (isAlias(node)) return convert(node.resolve(document), path, position);
    if (isMap(node)) {
      const entries = new Map<string, Located>();
      const keys = new Map<string, Position>();
      const merged: Located[] = [];
      for (const { key, value } of node.items) {
        const keyValue: unknown = isScalar(key) ? key.value : key;
        // The parser's name for "<<" is a symbol.
        const name = typeof keyValue === 'symbol' ? '<<' : String(keyValue);
        const at = positionOf(key, lines, position);
        keys.set(name, at);
        if (name === '<<') merged.push(convert(value, path, at));
        else entries.set(name, convert(value, path === '' ? name : `${path}.${name}`, at));
      }
      // Last, wherever it is written: what stands in the mapping itself wins.
      for (const source of merged) mergeKey(source, entries);
      return { ...position, path, kind: 'map', entries, keys };
    }
    if (isSeq(node)) {
      const items = node.items.map((item, index) => convert(item, `${path}[${index}]`, position));
      return { ...position, path, kind: 'list', items };
    }
    const value = scalarValue(isScalar(node) ? node.value : null);
    // What is not written is where its key is.
    return { ...(value === null ? fallback : position), path, kind: 'scalar', value };
  };
  return convert(document.contents, '', { file, line: 1, column: 1 });
}

/** An `invalid` error that begins with `file:line:column`. */
export function wrongAt({ file, line, column }: Position, message: string, hint?: string): BerthError {
  return invalid(`${file}:${line}:${column}: ${message}`, hint === undefined ? {} : { hint });
}

/** A `not-implemented` error that begins with `file:line:column`. */
export function missingAt({ file, line, column }: Position, message: string): BerthError {
  return notImplemented(`${file}:${line}:${column}: ${message}`);
}

export function asMap(node: Located): LocatedMap {
  if (node.kind === 'map') return node;
  throw wrongAt(node, `${node.path === '' ? 'the file' : node.path} must be a mapping`);
}

export function asList(node: Located): readonly Located[] {
  if (node.kind === 'list') return node.items;
  throw wrongAt(node, `${node.path} must be a list`);
}

/** A scalar as text; numbers and booleans are taken as written. */
export function asText(node: Located): string {
  if (node.kind === 'scalar' && node.value !== null) return String(node.value);
  throw wrongAt(node, `${node.path} must be a string`);
}

export function asFlag(node: Located): boolean {
  if (node.kind === 'scalar' && typeof node.value === 'boolean') return node.value;
  if (node.kind === 'scalar' && (node.value === 'true' || node.value === 'false'))
    return node.value === 'true';
  throw wrongAt(node, `${node.path} must be true or false`);
}

export function asNumber(node: Located): number {
  const value =
    node.kind === 'scalar' && node.value !== null && node.value !== '' ? Number(node.value) : Number.NaN;
  if (Number.isNaN(value)) throw wrongAt(node, `${node.path} must be a number`);
  return value;
}

/** A list of texts, or one text alone. */
export function asTexts(node: Located): string[] {
  return node.kind === 'scalar' ? [asText(node)] : asList(node).map(asText);
}

/** `KEY=value` lists and mappings are the same; null is a key without a value. */
export function asPairs(node: Located): Map<string, string | null> {
  if (node.kind === 'map') {
    return new Map(
      [...node.entries].map(([name, value]) => [
        name,
        value.kind === 'scalar' && value.value === null ? null : asText(value),
      ]),
    );
  }
  return new Map(
    asList(node).map((item) => {
      const text = asText(item);
      const at = text.indexOf('=');
      return at < 0 ? [text, null] : [text.slice(0, at), text.slice(at + 1)];
    }),
  );
}

function positionOf(node: unknown, lines: LineCounter, fallback: Position): Position {
  const range = (node as Node | null)?.range;
  if (range === undefined || range === null) return fallback;
  const { line, col } = lines.linePos(range[0]);
  return { file: fallback.file, line, column: col };
}

/** `<<: *base` and `<<: [*a, *b]`: adds what is not there yet; the first source wins. */
function mergeKey(merged: Located, entries: Map<string, Located>): void {
  const sources = merged.kind === 'list' ? merged.items : [merged];
  for (const source of sources) {
    for (const [name, value] of asMap(source).entries) if (!entries.has(name)) entries.set(name, value);
  }
}

function scalarValue(value: unknown): string | number | boolean | null {
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value;
  return value === null || value === undefined ? null : String(value);
}

const firstSentence = (message: string) => message.split('\n')[0]?.replace(/[.:]$/, '') ?? '';
