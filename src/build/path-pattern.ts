/** Whether a source has characters of a pattern (Go's filepath.Match: *, ?, [set], \\x). */
export const isPattern = (text: string) => /[*?[\\]/.test(text);

/** A pattern as a regular expression; "*" and "?" stay within one path component. */
export function patternExpression(pattern: string): RegExp {
  let source = '';
  for (let at = 0; at < pattern.length; at += 1) {
    const character = pattern.charAt(at);
    const set = character === '[' ? /^\[(\^?)((?:\\.|[^\]\\])+)\]/.exec(pattern.slice(at)) : null;
    if (character === '*') source += '[^/]*';
    else if (character === '?') source += '[^/]';
    else if (set !== null) {
      source += `[${set[1]}${set[2]}]`;
      at += set[0].length - 1;
    } else if (character === '\\') {
      at += 1;
      source += literal(pattern.charAt(at));
    } else source += literal(character);
  }
  return new RegExp(`^${source}$`);
}

const literal = (character: string) => character.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');
