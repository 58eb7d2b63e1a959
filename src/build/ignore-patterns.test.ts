import { expect, test } from 'vitest';
import { ignorePatterns } from './ignore-patterns.ts';

test('patterns of a .dockerignore go to clients cleaned, without comments and blank lines', () => {
  const text = '\uFEFF/root\n# comment\n\n  a/./b/../c/  \n#x\n! /kept\n**/*.log\n.\n!\n';
  expect(ignorePatterns(text)).toEqual(['root', 'a/c', '!kept', '**/*.log', '.', '!']);
});
