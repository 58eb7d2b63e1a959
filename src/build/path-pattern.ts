/** Whether a source has characters of a pattern (Go's filepath.Match: *, ?, [set], \\x). */
export const isPattern = (text: string) => /[*?[\\]/.test(text);

/**
 * A pattern as a regular expression; "*" and "?" stay within one path component. undefined: the pattern is malformed
 * (a set that is not closed, an escape at the end).
 */
export function patternExpression(pattern: string): RegExp | undefined {
  let source = '';
  for (let at = 0; at < pattern.length; at += 1) {
    const character = pattern.charAt(at);
    if (character === '*') source += '[^/]*';
    else if (character === '?') source += '[^/]';
    else if (character === '[') {
      const [whole, negation = '', members = ''] =
        /^\[(\^?)((?:\\.|[^\]\\])+)\]/.exec(pattern.slice(at)) ?? [];
      if (whole === undefined) return undefined;
      source += `[${negation}${members.replace(/[[^&~]/g, '\\$&')}]`;
      at += whole.length - 1;
    } else if (character === '\\') {
      at += 1;
      if (at === pattern.length) return undefined;
      source += literal(pattern.charAt(at));
    } else source += literal(character);
  }
  return new RegExp(`^${source}$`);
}

const literal = (character: string) => character.replace(/[.*+?^${}()|[\]\\/-]/g, '\\$&');
