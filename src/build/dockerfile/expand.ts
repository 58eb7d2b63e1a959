import { invalid } from '../../base/index.ts';

/** The value of a variable, or undefined where it is not set. */
export type Lookup = (name: string) => string | undefined;

/**
 * Replaces $NAME, ${NAME}, ${NAME:-default} and ${NAME:+value} (with and without the colon) in a text, and takes
 * the quotes and escapes away, as Docker does in the instructions that it expands (Dockerfile reference,
 * "Environment replacement"). Nothing is expanded in single quotes.
 */
export function expand(text: string, lookup: Lookup, escapeCharacter: string): string {
  const [result] = new Expander(text, lookup, escapeCharacter).words({ split: false });
  return result ?? '';
}

/** As {@link expand}, split at blanks outside of quotes. */
export function expandWords(text: string, lookup: Lookup, escapeCharacter: string): string[] {
  return new Expander(text, lookup, escapeCharacter).words({ split: true });
}

class Expander {
  readonly #text: string;
  readonly #lookup: Lookup;
  readonly #escape: string;
  #at = 0;

  constructor(text: string, lookup: Lookup, escapeCharacter: string) {
    this.#text = text;
    this.#lookup = lookup;
    this.#escape = escapeCharacter;
  }

  words({ split }: { split: boolean }): string[] {
    const words: string[] = [];
    let word = '';
    let started = false;
    while (this.#at < this.#text.length) {
      const character = this.#text.charAt(this.#at);
      if (split && /\s/.test(character)) {
        if (started) words.push(word);
        [word, started] = ['', false];
        this.#at += 1;
        continue;
      }
      started = true;
      word += this.#piece(character);
    }
    if (started || !split) words.push(word);
    return words;
  }

  #piece(character: string): string {
    if (character === "'") return this.#singleQuoted();
    if (character === '"') return this.#doubleQuoted();
    if (character === '$') return this.#variable();
    if (character === this.#escape) {
      const next = this.#text.charAt(this.#at + 1);
      this.#at += 2;
      return next;
    }
    this.#at += 1;
    return character;
  }

  #singleQuoted(): string {
    const end = this.#text.indexOf("'", this.#at + 1);
    if (end < 0) throw invalid(`unexpected end of statement while looking for matching single-quote`);
    const inner = this.#text.slice(this.#at + 1, end);
    this.#at = end + 1;
    return inner;
  }

  #doubleQuoted(): string {
    let inner = '';
    this.#at += 1;
    while (this.#at < this.#text.length) {
      const character = this.#text.charAt(this.#at);
      if (character === '"') {
        this.#at += 1;
        return inner;
      }
      const next = this.#text.charAt(this.#at + 1);
      if (character === this.#escape && ['"', '$', this.#escape].includes(next)) {
        inner += next;
        this.#at += 2;
      } else if (character === '$') {
        inner += this.#variable();
      } else {
        inner += character;
        this.#at += 1;
      }
    }
    throw invalid('unexpected end of statement while looking for matching double-quote');
  }

  #variable(): string {
    const rest = this.#text.slice(this.#at + 1);
    if (rest.startsWith('{')) return this.#braced();
    const name = /^(?:[A-Za-z_]\w*|[0-9@#*?$!-])/.exec(rest)?.[0];
    if (name === undefined) {
      this.#at += 1;
      return '$';
    }
    this.#at += 1 + name.length;
    return this.#lookup(name) ?? '';
  }

  #braced(): string {
    const end = this.#closingBrace();
    const inner = this.#text.slice(this.#at + 2, end);
    this.#at = end + 1;
    const [, name, operator, word = ''] = /^(\w+)(?:(:?[-+?])([\s\S]*))?$/.exec(inner) ?? [];
    if (name === undefined) throw invalid(`unsupported modifier in substitution: \${${inner}}`);
    const value = this.#lookup(name);
    if (operator === undefined) return value ?? '';
    const isSet = operator.startsWith(':') ? value !== undefined && value !== '' : value !== undefined;
    const alternative = () => expand(word, this.#lookup, this.#escape);
    if (operator.endsWith('-')) return isSet ? (value ?? '') : alternative();
    if (operator.endsWith('+')) return isSet ? alternative() : '';
    if (isSet) return value ?? '';
    throw invalid(`${name}: ${alternative() || 'not set'}`);
  }

  #closingBrace(): number {
    let depth = 0;
    for (let at = this.#at + 1; at < this.#text.length; at += 1) {
      if (this.#text.charAt(at) === '{') depth += 1;
      if (this.#text.charAt(at) === '}') depth -= 1;
      if (depth === 0) return at;
    }
    throw invalid(`syntax error: missing "}" in ${this.#text.slice(this.#at)}`);
  }
}
