/**
 * Splits a text at blanks outside of quotes; quotes and escapes stay, for a later expansion. A quote that is never
 * closed is a character like any other here.
 */
export function splitWords(text: string, escapeCharacter = '\\'): string[] {
  return text.match(escapeCharacter === '`' ? BACKTICK_WORD : BACKSLASH_WORD) ?? [];
}

const BACKSLASH_WORD = /(?:\\[\s\S]|"(?:\\[\s\S]|[^"\\])*"|'[^']*'|[^\s"'\\]|["'\\])+/g;
const BACKTICK_WORD = /(?:`[\s\S]|"(?:`[\s\S]|[^"`])*"|'[^']*'|[^\s"'`]|["'`])+/g;
