import { expect, test } from 'vitest';
import { parseEnvFile } from './env-file.ts';

test.each([
  ['A=1', { A: '1' }],
  ['# a comment\n\nA=1\n', { A: '1' }],
  ['export A=1', { A: '1' }],
  ['A = 1', { A: '1' }],
  ['A=', { A: '' }],
  ['A=b # a comment', { A: 'b' }],
  ['A=b#c', { A: 'b#c' }],
  ['A="b # c"', { A: 'b # c' }],
  ["A='b $C'", { A: 'b $C' }],
  ['A="line\\nline"', { A: 'line\nline' }],
  ['A=1\r\nB=2\r\n', { A: '1', B: '2' }],
  ['A=http://host/?x=1', { A: 'http://host/?x=1' }],
  ['A=1\nA=2', { A: '2' }],
])('%j', (text, expected) => {
  expect(Object.fromEntries(parseEnvFile(text))).toEqual(expected);
});
