import { expect, test } from 'vitest';
import { nearestWord } from './nearest-word.ts';

test.each([
  ['FORM', ['ARG', 'FROM', 'RUN'], 'FROM'], // two letters swapped
  ['rn', ['rm', 'run'], 'rm'],
  ['serivces', ['services', 'secrets'], 'services'],
  ['detatch', ['attach', 'detach'], 'detach'],
  ['ps', ['ps', 'pull'], 'ps'],
  ['xyz', ['rm', 'run', 'version'], undefined],
  ['x', [], undefined],
])('%s: of %j it is %s that was meant', (word, known, meant) => {
  expect(nearestWord(word, known)).toBe(meant);
});
