import { type ErrorDetails, invalid } from '../../base/index.ts';
import { type Operand, type Pipeline, parseTemplate, type TemplateNode } from './template-parser.ts';

/** A Go template, ready to be filled with JSON values. */
export interface Template {
  /**
   * Throws `invalid` when a field is missing or a function cannot take its arguments. A key that a map of the user's names
   * lacks is no error: it has no value, as in Go.
   */
  render(data: unknown): string;
}

/**
 * Compiles a subset of Go's text/template: fields, variables, if/else, with, range, pipes, comparisons and the functions
 * that Docker adds (json, join, split, lower, upper, title, truncate, pad, println). A function as a
 * field's value is a method: it gets the arguments that follow it. Throws `invalid` in Go's words.
 */
export function compileTemplate(source: string): Template {
  const nodes = parseTemplate(source);
  return {
    render: (data) =>
      renderNodes(nodes, { dot: data, variables: new Map([['$', data]]), maps: new WeakSet() }),
  };
}

interface Scope {
  readonly dot: unknown;
  readonly variables: Map<string, unknown>;
  /** What was met as one of {@link MAPS}. */
  readonly maps: WeakSet<object>;
}

/** Members of the API's objects that are maps with names of the user's, not objects with fields. */
const MAPS: ReadonlySet<string> = new Set([
  ...['Labels', 'Annotations', 'Attributes', 'Options', 'DriverOpts', 'Sysctls', 'Tmpfs', 'StorageOpt'],
  ...[
    'Networks',
    'Ports',
    'PortBindings',
    'ExposedPorts',
    'Volumes',
    'Containers',
    'Runtimes',
    'IndexConfigs',
  ],
]);

function renderNodes(nodes: readonly TemplateNode[], scope: Scope): string {
  return nodes.map((node) => renderNode(node, scope)).join('');
}

function renderNode(node: TemplateNode, scope: Scope): string {
  if (node.kind === 'text') return node.text;
  if (node.kind === 'range') return renderRange(node, scope);
  const value = evaluate(node.pipeline, scope);
  const inner = { ...scope, variables: new Map(scope.variables) };
  const [variable] = node.pipeline.variables;
  switch (node.kind) {
    case 'print':
      if (variable === undefined) return printed(value);
      scope.variables.set(variable, value);
      return '';
    case 'if':
    case 'with':
      if (variable !== undefined) inner.variables.set(variable, value);
      if (!truth(value)) return renderNodes(node.otherwise, inner);
      return renderNodes(node.body, node.kind === 'with' ? { ...inner, dot: value } : inner);
  }
}

function renderRange(node: TemplateNode & { kind: 'range' | 'if' | 'with' }, scope: Scope): string {
  const entries = entriesOf(evaluate(node.pipeline, scope));
  if (entries.length === 0) return renderNodes(node.otherwise, scope);
  const names = node.pipeline.variables;
  return entries
    .map(([key, value]) => {
      const variables = new Map(scope.variables);
      const [first, second] = names;
      if (second !== undefined) variables.set(second, value);
      if (first !== undefined) variables.set(first, second === undefined ? value : key);
      return renderNodes(node.body, { ...scope, dot: value, variables });
    })
    .join('');
}

/** Lists by position, maps by sorted key, as Go ranges over them. */
function entriesOf(value: unknown): [unknown, unknown][] {
  if (Array.isArray(value)) return [...value.entries()];
  if (isMap(value))
    return Object.keys(value)
      .sort()
      .map((key) => [key, value[key]]);
  if (value === null || value === undefined) return [];
  throw failure(`range can't iterate over ${printed(value)}`);
}

function evaluate({ commands }: Pipeline, scope: Scope): unknown {
  let result: unknown;
  for (const [index, command] of commands.entries()) {
    result = runCommand(command, scope, index === 0 ? [] : [result]);
  }
  return result;
}

function runCommand(command: readonly Operand[], scope: Scope, piped: readonly unknown[]): unknown {
  const [first, ...rest] = command;
  if (first === undefined) return undefined;
  const args = () => [...rest.map((operand) => operandValue(operand, scope)), ...piped];
  if (first.base.kind === 'function')
    return fieldsOf(callFunction(first.base.name, args()), first.fields, scope);
  const value = operandValue(first, scope);
  if (typeof value === 'function') return value(...args());
  if (rest.length + piped.length > 0) throw failure(`can't give argument to non-function ${nameOf(first)}`);
  return value;
}

function operandValue({ base, fields }: Operand, scope: Scope): unknown {
  switch (base.kind) {
    case 'dot':
      return fieldsOf(scope.dot, fields, scope);
    case 'variable':
      if (!scope.variables.has(base.name)) throw failure(`undefined variable "${base.name}"`);
      return fieldsOf(scope.variables.get(base.name), fields, scope);
    case 'literal':
      return base.value;
    case 'function':
      return fieldsOf(callFunction(base.name, []), fields, scope);
    case 'pipeline':
      return fieldsOf(evaluate(base.pipeline, scope), fields, scope);
  }
}

function fieldsOf(start: unknown, fields: readonly string[], { maps }: Scope): unknown {
  let value = start;
  for (const [index, field] of fields.entries()) {
    const path = `.${fields.slice(0, index + 1).join('.')}`;
    if (value === null || value === undefined) {
      throw failure(`executing "" at <${path}>: nil has no field "${field}"`);
    }
    if (!isMap(value))
      throw failure(`executing "" at <${path}>: can't evaluate field ${field} in ${printed(value)}`);
    if (!Object.hasOwn(value, field)) {
      if (maps.has(value)) return undefined;
      throw failure(`executing "" at <${path}>: map has no entry for key "${field}"`, {
        hint: `There are ${Object.keys(value).join(', ')}`,
      });
    }
    value = value[field];
    if (isMap(value) && MAPS.has(field)) maps.add(value);
  }
  return value;
}

function nameOf({ base, fields }: Operand): string {
  return base.kind === 'literal' ? JSON.stringify(base.value) : `.${fields.join('.')}`;
}

type TemplateFunction = (...args: readonly unknown[]) => unknown;

const FUNCTIONS: Readonly<Record<string, TemplateFunction>> = {
  json: (value) => JSON.stringify(value ?? null),
  join: (list, separator) => listOf(list).map(printed).join(printed(separator)),
  split: (text, separator) => printed(text).split(printed(separator)),
  lower: (text) => printed(text).toLowerCase(),
  upper: (text) => printed(text).toUpperCase(),
  title: (text) => printed(text).replace(/\b\w/g, (letter) => letter.toUpperCase()),
  trim: (text) => printed(text).trim(),
  truncate: (text, length) => printed(text).slice(0, Number(length)),
  pad: (text, before, after) => `${' '.repeat(Number(before))}${printed(text)}${' '.repeat(Number(after))}`,
  println: (...args) => `${args.map(printed).join(' ')}\n`,
  print: (...args) => args.map(printed).join(''),
  len: (value) => lengthOf(value),
  index: (value, ...keys) => keys.reduce(elementOf, value),
  slice: (value, from, to) => sliceOf(value, from, to),
  eq: (value, ...others) => others.some((other) => other === value),
  ne: (a, b) => a !== b,
  lt: (a, b) => compare(a, b) < 0,
  le: (a, b) => compare(a, b) <= 0,
  gt: (a, b) => compare(a, b) > 0,
  ge: (a, b) => compare(a, b) >= 0,
  not: (value) => !truth(value),
  and: (...values) => values.find((value) => !truth(value)) ?? values.at(-1),
  or: (...values) => values.find(truth) ?? values.at(-1),
};

function callFunction(name: string, args: readonly unknown[]): unknown {
  const known = Object.hasOwn(FUNCTIONS, name) ? FUNCTIONS[name] : undefined;
  if (known === undefined) {
    throw invalid(`template parsing error: template: :1: function "${name}" not defined`);
  }
  return known(...args);
}

function elementOf(value: unknown, key: unknown): unknown {
  if (Array.isArray(value)) {
    if (typeof key !== 'number' || key < 0 || key >= value.length) {
      throw failure(`error calling index: index out of range: ${printed(key)}`);
    }
    return value[key];
  }
  if (isMap(value)) return Object.hasOwn(value, String(key)) ? value[String(key)] : '';
  throw failure(
    `error calling index: index of ${value === null || value === undefined ? 'untyped nil' : 'a scalar'}`,
  );
}

function sliceOf(value: unknown, from: unknown, to: unknown): unknown {
  const [start, end] = [Number(from ?? 0), to === undefined ? undefined : Number(to)];
  return Array.isArray(value) ? value.slice(start, end) : printed(value).slice(start, end);
}

function lengthOf(value: unknown): number {
  if (typeof value === 'string') return Buffer.byteLength(value);
  if (Array.isArray(value)) return value.length;
  if (isMap(value)) return Object.keys(value).length;
  if (value === null || value === undefined) return 0;
  throw failure(`error calling len: len of ${printed(value)}`);
}

function listOf(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  if (value === null || value === undefined) return [];
  throw failure(`error calling join: ${printed(value)} is no list`);
}

function compare(a: unknown, b: unknown): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  if (typeof a === 'string' && typeof b === 'string') return a < b ? -1 : a > b ? 1 : 0;
  throw failure('incompatible types for comparison');
}

/** Empty values are false, as in Go. */
function truth(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0;
  if (isMap(value)) return Object.keys(value).length > 0;
  return Boolean(value);
}

/** A value as Go's fmt prints it with %v: `[a b]`, `map[a:1 b:2]`. */
function printed(value: unknown): string {
  if (value === null || value === undefined) return '<no value>';
  if (Array.isArray(value)) return `[${value.map(printed).join(' ')}]`;
  if (isMap(value)) {
    const entries = Object.keys(value)
      .sort()
      .map((key) => `${key}:${printed(value[key])}`);
    return `map[${entries.join(' ')}]`;
  }
  return String(value);
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function failure(reason: string, details?: ErrorDetails) {
  return invalid(`template: :1: ${reason}`, details);
}
