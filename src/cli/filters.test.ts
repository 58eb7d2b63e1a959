import { expect, test } from 'vitest';
import { parseFilters, parsePairs } from './filters.ts';

test('gathers filters by key, split at the first "="', () => {
  expect(parseFilters(['label=a=b', 'label=c', 'Status=exited'])).toEqual({
    label: ['a=b', 'c'],
    status: ['exited'],
  });
});

test.each(['name', '=x'])('refuses the filter "%s"', (text) => {
  expect(() => parseFilters([text])).toThrow(`invalid filter '${text}'`);
});

test('gives a pair without "=" an empty value', () => {
  expect(parsePairs(['a=b=c', 'd'])).toEqual({ a: 'b=c', d: '' });
});
