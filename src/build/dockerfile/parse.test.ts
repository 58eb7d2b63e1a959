import { describe, expect, it } from 'vitest';
import { expand, expandWords } from './expand.ts';
import { parseDockerfile } from './parse.ts';

const parse = (content: string) => parseDockerfile('Dockerfile', content);
const only = (line: string) => parse(`FROM a\n${line}`).stages[0]?.instructions[0];

describe('a Dockerfile', () => {
  it('is split into stages and instructions, with their lines', () => {
    const { stages, globalArgs } = parse(
      'ARG V=1\nFROM base:$V AS Build\n\n# comment — in UTF-8\nRUN a \\\n  # inside\n\n  && b\nFROM scratch\nCOPY --from=build /x /y\n',
    );
    expect(globalArgs).toEqual([{ name: 'V', value: '1' }]);
    expect(stages.map(({ base, name, line }) => ({ base, name, line }))).toEqual([
      { base: 'base:$V', name: 'build', line: 2 },
      { base: 'scratch', name: undefined, line: 9 },
    ]);
    expect(stages[0]?.instructions[0]).toMatchObject({
      line: 5,
      kind: 'run',
      command: { form: 'shell', text: 'a   && b' },
    });
  });

  it('may choose another escape character', () => {
    const { stages } = parse('# escape=`\nFROM a\nRUN one `\n two\n');
    expect(stages[0]?.instructions[0]).toMatchObject({ command: { text: 'one  two' } });
  });

  it.each([
    ['CMD ["a", "b c"]', { kind: 'cmd', command: { form: 'exec', args: ['a', 'b c'] } }],
    ['CMD a "b c"', { kind: 'cmd', command: { form: 'shell', text: 'a "b c"' } }],
    ["CMD ['a']", { kind: 'cmd', command: { form: 'shell', text: "['a']" } }],
    [
      'ENV A=1 B="two words"',
      {
        kind: 'env',
        pairs: [
          { name: 'A', value: '1' },
          { name: 'B', value: '"two words"' },
        ],
      },
    ],
    ['ENV A two words', { kind: 'env', pairs: [{ name: 'A', value: 'two words' }] }],
    [
      'COPY --chown=1:2 --chmod=755 a b /c/',
      { kind: 'copy', sources: ['a', 'b'], destination: '/c/', owner: '1:2', mode: '755', unpack: false },
    ],
    ['ADD ["a b", "/c"]', { kind: 'copy', sources: ['a b'], destination: '/c', unpack: true }],
    [
      'ARG A B=2',
      {
        kind: 'arg',
        declarations: [
          { name: 'A', value: undefined },
          { name: 'B', value: '2' },
        ],
      },
    ],
    ['run lower', { kind: 'run' }],
  ])('parses %s', (line, expected) => {
    expect(only(line)).toMatchObject(expected);
  });

  it.each([
    ['FROM a\n\nRUNN x', 'unknown instruction: RUNN (line 3)', 'Did you mean RUN?'],
    ['FROM a\nWRKDIR x', 'unknown instruction: WRKDIR', 'Did you mean WORKDIR?'],
    ['FROM a\nCOPY x', 'COPY requires at least two arguments', undefined],
    ['FROM a\nRUN', 'RUN requires at least one argument', undefined],
    ['FROM a b', 'FROM requires either one argument, or three', undefined],
    ['RUN x', 'only ARG may stand before FROM', undefined],
    ['# nothing', 'has no FROM', undefined],
    [
      'FROM a\nRUN --mount=type=cache x',
      'the flag --mount of RUN is not there yet',
      'Without it the step runs too: a cache mount only saves time, a bind mount can be a COPY',
    ],
    ['FROM a\nONBUILD FROM b', "FROM isn't allowed as an ONBUILD trigger", undefined],
    ['FROM a\nENV A', 'ENV must have two arguments', undefined],
    ['FROM a\nRUN <<EOF', 'here-documents (<<EOF) are not there yet', undefined],
    ['# escape=x\nFROM a', "invalid ESCAPE 'x'", undefined],
  ])('%j is refused with its line: %s', (content, message, hint) => {
    expect(() => parse(content)).toThrow(
      expect.objectContaining({
        message: expect.stringContaining(message),
        ...(hint === undefined ? {} : { hint }),
      }),
    );
  });
});

describe('expansion', () => {
  const values: Record<string, string> = { A: 'one', EMPTY: '' };
  const lookup = (name: string) => values[name];
  it.each([
    ['$A ${A}x', 'one onex'],
    ['${B:-two} ${EMPTY:-three} ${EMPTY-four}|', 'two three |'],
    ['${A:+yes}${B:+no}', 'yes'],
    ['\'$A\' "$A"', '$A one'],
    ['\\$A', '$A'],
    ['${B:-${A}}', 'one'],
    ['5$', '5$'],
  ])('of %s gives %s', (text, expected) => {
    expect(expand(text, lookup, '\\')).toBe(expected);
  });

  it('splits words outside of quotes only', () => {
    expect(expandWords('a "b c" $A', lookup, '\\')).toEqual(['a', 'b c', 'one']);
  });

  it.each(["'open", '"open', '${A', '${A/x}', '${B:?needed}'])('refuses %s', (text) => {
    expect(() => expand(text, lookup, '\\')).toThrow();
  });
});
