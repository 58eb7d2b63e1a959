import { describe, expect, it } from 'vitest';
import { Query } from './fields.ts';
import { parseFilters, passes, passesLabels } from './filters.ts';

const parse = (text: string) => parseFilters(new Query({ filters: text }), ['label', 'name']);

describe('list filters', () => {
  it.each(['{"name":["a","b"]}', '{"name":{"a":true,"b":true}}'])('come in the form %s', (text) => {
    expect(parse(text).get('name')).toEqual(['a', 'b']);
  });

  it('pass when they are not given, or when one value matches', () => {
    expect(passes(parse('{}'), 'name', () => false)).toBe(true);
    expect(passes(parse('{"name":["a","b"]}'), 'name', (value) => value === 'b')).toBe(true);
    expect(passes(parse('{"name":["a"]}'), 'name', (value) => value === 'b')).toBe(false);
  });

  it('on labels must all match, with or without a value', () => {
    expect(passesLabels(parse('{"label":["a","b=1"]}'), { a: '', b: '1' })).toBe(true);
    expect(passesLabels(parse('{"label":["a","b=1"]}'), { a: '', b: '2' })).toBe(false);
  });

  it('are refused by name when they are unknown', () => {
    expect(() => parse('{"colour":["red"]}')).toThrow("invalid filter 'colour'");
    expect(() => parse('nonsense')).toThrow('invalid filters');
  });
});
