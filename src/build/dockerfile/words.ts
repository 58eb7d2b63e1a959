/** Splits a text at blanks outside of quotes; quotes and escapes stay, for a later expansion. */
export function splitWords(text: string): string[] {
  return text.match(/(?:\\[\s\S]|"(?:\\[\s\S]|[^"\\])*"|'[^']*'|[^\s"'\\]|["'])+/g) ?? [];
}
