import { describe, expect, it } from 'vitest';
import { expand, expandWords } from './expand.ts';

describe('expansion', () => {
  const values: Record<string, string> = { A: 'one', EMPTY: '' };
  const lookup = (name: string) => values[name];

  it.each([
    ['$A ${A}x', 'one onex'],
    ['${B:-two} ${EMPTY:-three} ${EMPTY-four}|', 'two three |'],
    ['${A:+yes}${B:+no}', 'yes'],
    ['${EMPTY:+no}${EMPTY+yes}', 'yes'],
    ['\'$A\' "$A"', '$A one'],
    ['\\$A "\\$A" "\\x"', '$A $A \\x'],
    ['${B:-${A}} ${B:-"$A b"}', 'one one b'],
    ['${A:?needed}', 'one'],
    ['5$ $', '5$ $'],
  ])('of %s gives %s', (text, expected) => {
    expect(expand(text, lookup, '\\')).toBe(expected);
  });

  it('takes another escape character', () => {
    expect(expand('C:\\x `$A', lookup, '`')).toBe('C:\\x $A');
  });

  it('splits words outside of quotes only', () => {
    expect(expandWords('a "b c"  $A', lookup, '\\')).toEqual(['a', 'b c', 'one']);
  });

  it.each([
    ["'open", 'single-quote'],
    ['"open', 'double-quote'],
    ['${A', 'missing "}"'],
    ['${A/x}', 'unsupported modifier'],
    ['${B:?needed}', 'B: needed'],
  ])('refuses %s', (text, message) => {
    expect(() => expand(text, lookup, '\\')).toThrow(message);
  });
});
