import { errorMessage } from '../base/index.ts';
import { type Located, wrongAt } from './located-yaml.ts';

/** The value of a variable, or undefined where it is not set. */
export type Variables = (name: string) => string | undefined;

/** Replaces variables in every text of a tree; keys stay. Errors say where. Unset ones are reported to `onUnset`. */
export function interpolateTree(
  node: Located,
  variables: Variables,
  onUnset: (name: string) => void,
): Located {
  switch (node.kind) {
    case 'map': {
      const entries = [...node.entries].map(
        ([name, value]) => [name, interpolateTree(value, variables, onUnset)] as const,
      );
      return { ...node, entries: new Map(entries) };
    }
    case 'list':
      return { ...node, items: node.items.map((item) => interpolateTree(item, variables, onUnset)) };
    case 'scalar':
      if (typeof node.value !== 'string' || !node.value.includes('$')) return node;
      try {
        return { ...node, value: interpolate(node.value, variables, onUnset) };
      } catch (error) {
        throw wrongAt(node, `${node.path}: ${errorMessage(error)}`);
      }
  }
}

const VARIABLE = /^\$(?:(\$)|([A-Za-z_]\w*)|\{)/;

/** $NAME, ${NAME}, ${NAME:-default}, ${NAME:?message}, ${NAME:+value}, each also without the colon, nested; $$ is a dollar. */
export function interpolate(text: string, variables: Variables, onUnset: (name: string) => void): string {
  let result = '';
  for (let at = 0; at < text.length; ) {
    const match = text.charAt(at) === '$' ? VARIABLE.exec(text.slice(at)) : null;
    if (match === null) {
      if (text.charAt(at) === '$')
        throw new Error(
          `invalid interpolation format: "${text}". You may need to escape any $ with another $`,
        );
      result += text.charAt(at);
      at += 1;
      continue;
    }
    const [whole, dollar, name] = match;
    if (dollar !== undefined || name !== undefined) {
      result += name === undefined ? '$' : plain(name, variables, onUnset);
      at += whole.length;
      continue;
    }
    const end = closingBrace(text, at + 1);
    result += braced(text.slice(at + 2, end), variables, onUnset);
    at = end + 1;
  }
  return result;
}

function plain(name: string, variables: Variables, onUnset: (name: string) => void): string {
  const value = variables(name);
  if (value === undefined) onUnset(name);
  return value ?? '';
}

function braced(inner: string, variables: Variables, onUnset: (name: string) => void): string {
  const [, name, operator, word = ''] = /^([A-Za-z_]\w*)(?:(:?[-?+])([\s\S]*))?$/.exec(inner) ?? [];
  if (name === undefined) throw new Error(`invalid interpolation format: "\${${inner}}"`);
  if (operator === undefined) return plain(name, variables, onUnset);
  const value = variables(name);
  const isSet = operator.startsWith(':') ? value !== undefined && value !== '' : value !== undefined;
  const alternative = () => interpolate(word, variables, onUnset);
  if (operator.endsWith('-')) return isSet ? (value ?? '') : alternative();
  if (operator.endsWith('+')) return isSet ? alternative() : '';
  if (isSet) return value ?? '';
  throw new Error(`required variable ${name} is missing a value: ${alternative()}`);
}

function closingBrace(text: string, open: number): number {
  let depth = 0;
  for (let at = open; at < text.length; at += 1) {
    if (text.charAt(at) === '{') depth += 1;
    if (text.charAt(at) === '}') depth -= 1;
    if (depth === 0) return at;
  }
  throw new Error(`invalid interpolation format: "${text}": a "}" is missing`);
}
