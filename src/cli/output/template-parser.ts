import { invalid } from '../../base/index.ts';

/** A part of a parsed template (a subset of Go's text/template: what --format needs). */
export type TemplateNode =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'print'; readonly pipeline: Pipeline }
  | {
      readonly kind: 'if' | 'with' | 'range';
      readonly pipeline: Pipeline;
      readonly body: readonly TemplateNode[];
      readonly otherwise: readonly TemplateNode[];
    };

/** Commands, each one's result the last argument of the next; `variables` get the result. */
export interface Pipeline {
  readonly variables: readonly string[];
  readonly commands: readonly (readonly Operand[])[];
}

/** A value, and the fields taken of it. */
export interface Operand {
  readonly base:
    | { readonly kind: 'dot' }
    | { readonly kind: 'variable'; readonly name: string }
    | { readonly kind: 'literal'; readonly value: string | number | boolean | null }
    | { readonly kind: 'function'; readonly name: string }
    | { readonly kind: 'pipeline'; readonly pipeline: Pipeline };
  readonly fields: readonly string[];
}

/** Parses a template. Throws `invalid` in Go's words. */
export function parseTemplate(source: string): readonly TemplateNode[] {
  const parser = new Parser(splitActions(source));
  return parser.nodes([]).nodes;
}

const TRIM_BEFORE = /^-\s/;
const TRIM_AFTER = /\s-$/;

type Piece =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'action'; readonly tokens: readonly string[] };

function splitActions(source: string): Piece[] {
  const pieces: Piece[] = [];
  let at = 0;
  let trimNext = false;
  while (at < source.length) {
    const open = source.indexOf('{{', at);
    let text = source.slice(at, open < 0 ? undefined : open);
    if (trimNext) text = text.trimStart();
    if (open < 0) {
      pieces.push({ kind: 'text', text });
      break;
    }
    const close = endOfAction(source, open + 2);
    let action = source.slice(open + 2, close);
    if (TRIM_BEFORE.test(action)) text = text.trimEnd();
    trimNext = TRIM_AFTER.test(action);
    action = action.replace(TRIM_BEFORE, '').replace(TRIM_AFTER, '').trim();
    if (text !== '') pieces.push({ kind: 'text', text });
    if (!action.startsWith('/*')) pieces.push({ kind: 'action', tokens: tokensOf(action) });
    at = close + 2;
  }
  return pieces;
}

/** Where the action that starts at `from` ends; a "}}" inside a quoted string does not count. */
function endOfAction(source: string, from: number): number {
  const end = /"(?:[^"\\\n]|\\.)*"|`[^`]*`|\}\}/g;
  end.lastIndex = from;
  for (let match = end.exec(source); match !== null; match = end.exec(source)) {
    if (match[0] === '}}') return match.index;
  }
  throw syntaxError('unclosed action');
}

const TOKEN =
  /\s*("(?:[^"\\\n]|\\.)*"|`[^`]*`|\$?[A-Za-z_]\w*|\$|(?:\.[A-Za-z_]\w*)+|\.|:=|[|(),=]|-?\d+(?:\.\d+)?)/y;

function tokensOf(action: string): string[] {
  const tokens: string[] = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < action.length) {
    const from = TOKEN.lastIndex;
    const [whole, token] = TOKEN.exec(action) ?? [];
    if (whole === undefined || token === undefined) {
      throw syntaxError(`unexpected "${action.slice(from).trim().charAt(0)}" in command`);
    }
    // A field of what stands before it, without a space: kept apart from a field of the dot.
    tokens.push(token.startsWith('.') && token !== '.' && whole === token && from > 0 ? `>${token}` : token);
  }
  return tokens;
}

class Parser {
  readonly #pieces: readonly Piece[];
  #at = 0;

  constructor(pieces: readonly Piece[]) {
    this.#pieces = pieces;
  }

  /** Nodes up to one of the words `ends` ("end", "else"), or to the end of the template when there are none. */
  nodes(ends: readonly string[]): { nodes: TemplateNode[]; end: readonly string[] } {
    const nodes: TemplateNode[] = [];
    for (;;) {
      const piece = this.#pieces[this.#at];
      if (piece === undefined) {
        if (ends.length > 0) throw syntaxError('unexpected EOF');
        return { nodes, end: [] };
      }
      this.#at += 1;
      if (piece.kind === 'text') {
        nodes.push(piece);
        continue;
      }
      const [word, ...rest] = piece.tokens;
      if (word === 'end' || word === 'else') {
        if (!ends.includes(word)) throw syntaxError(`unexpected {{${word}}}`);
        return { nodes, end: piece.tokens };
      }
      if (word === 'if' || word === 'with' || word === 'range') nodes.push(this.#block(word, rest));
      else nodes.push({ kind: 'print', pipeline: parsePipeline(piece.tokens) });
    }
  }

  #block(kind: 'if' | 'with' | 'range', tokens: readonly string[]): TemplateNode {
    const pipeline = parsePipeline(tokens);
    const { nodes: body, end } = this.nodes(['end', 'else']);
    if (end[0] === 'end') return { kind, pipeline, body, otherwise: [] };
    const [, chained, ...rest] = end;
    if (chained === 'if' || chained === 'with') {
      return { kind, pipeline, body, otherwise: [this.#block(chained, rest)] };
    }
    return { kind, pipeline, body, otherwise: this.nodes(['end']).nodes };
  }
}

function parsePipeline(tokens: readonly string[]): Pipeline {
  const queue = [...tokens];
  const pipeline = readPipeline(queue);
  if (queue.length > 0) throw syntaxError(`unexpected "${queue[0]}" in command`);
  return pipeline;
}

function readPipeline(queue: string[]): Pipeline {
  const variables: string[] = [];
  const declared = queue.findIndex((token) => token === ':=' || token === '=');
  if (declared > 0) {
    variables.push(...queue.splice(0, declared).filter((token) => token !== ','));
    queue.shift();
    const wrong = variables.find((name) => !/^\$\w/.test(name));
    if (wrong !== undefined) throw syntaxError(`unexpected "${wrong}" in declaration`);
  }
  const commands: Operand[][] = [];
  let command: Operand[] = [];
  const finish = () => {
    if (command.length === 0) throw syntaxError('missing value for command');
    commands.push(command);
    command = [];
  };
  while (queue.length > 0 && queue[0] !== ')') {
    if (queue[0] === '|') {
      queue.shift();
      finish();
    } else command.push(readOperand(queue));
  }
  finish();
  return { variables, commands };
}

function readOperand(queue: string[]): Operand {
  const token = queue.shift() ?? '';
  const base = readBase(token, queue);
  const fields = /^\.\w/.test(token) ? token.slice(1).split('.') : [];
  while (queue[0]?.startsWith('>') === true) fields.push(...(queue.shift() ?? '').slice(2).split('.'));
  return { base, fields };
}

function readBase(token: string, queue: string[]): Operand['base'] {
  if (token.startsWith('.')) return { kind: 'dot' };
  if (token.startsWith('$')) return { kind: 'variable', name: token };
  if (token.startsWith('"')) return { kind: 'literal', value: unquote(token) };
  if (token.startsWith('`')) return { kind: 'literal', value: token.slice(1, -1) };
  if (/^-?\d/.test(token)) return { kind: 'literal', value: Number(token) };
  if (token === 'true' || token === 'false') return { kind: 'literal', value: token === 'true' };
  if (token === 'nil') return { kind: 'literal', value: null };
  if (/^[A-Za-z_]/.test(token)) return { kind: 'function', name: token };
  if (token === '(') {
    const pipeline = readPipeline(queue);
    if (queue.shift() !== ')') throw syntaxError('unclosed left paren');
    return { kind: 'pipeline', pipeline };
  }
  throw syntaxError(`unexpected "${token}" in command`);
}

function unquote(token: string): string {
  try {
    return String(JSON.parse(token));
  } catch (cause) {
    throw invalid(`template parsing error: template: :1: invalid string ${token}`, { cause });
  }
}

function syntaxError(reason: string) {
  return invalid(`template parsing error: template: :1: ${reason}`);
}
