import { describe, expect, it } from 'vitest';
import { Query } from './fields.ts';
import { flagFilter, parseFilters, passes, passesLabels, untilFilter } from './filters.ts';

const parse = (text: string) =>
  parseFilters(new Query({ filters: text }), ['label', 'label!', 'name', 'until']);

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

  it('on labels with "!" refuse what has all of them', () => {
    expect(passesLabels(parse('{"label!":["a"]}'), { a: '' })).toBe(false);
    expect(passesLabels(parse('{"label!":["a","b=1"]}'), { a: '', b: '1' })).toBe(false);
    expect(passesLabels(parse('{"label!":["a","b=1"]}'), { a: '' })).toBe(true);
    expect(passesLabels(parse('{"label":["a"],"label!":["b"]}'), { a: '' })).toBe(true);
  });

  it.each([
    ['{}', undefined],
    ['{"name":["true"]}', true],
    ['{"name":["1","T"]}', true],
    ['{"name":["False"]}', false],
  ])('are true or false: %s', (text, flag) => {
    expect(flagFilter(parse(text), 'name')).toBe(flag);
  });

  it.each(['{"name":["maybe"]}', '{"name":["true","false"]}'])('are refused as neither: %s', (text) => {
    expect(() => flagFilter(parse(text), 'name')).toThrow("invalid filter 'name=[");
  });

  it('on time take a moment, or a duration before now', () => {
    expect(untilFilter(parse('{}'))).toBeUndefined();
    expect(untilFilter(parse('{"until":["2013-01-02T13:23:37Z"]}'))?.getTime()).toBe(1357133017000);
    expect(untilFilter(parse('{"until":["1357133017"]}'))?.getTime()).toBe(1357133017000);
    const hourAgo = untilFilter(parse('{"until":["1h"]}'))?.getTime() ?? 0;
    expect(Math.round((Date.now() - hourAgo) / 60_000)).toBe(60);
    expect(() => untilFilter(parse('{"until":["soon"]}'))).toThrow('"soon" is no time');
    expect(() => untilFilter(parse('{"until":["1","2"]}'))).toThrow('more than one until filter');
  });

  it('are refused by name when they are unknown', () => {
    expect(() => parse('{"colour":["red"]}')).toThrow("invalid filter 'colour'");
    expect(() => parse('nonsense')).toThrow('invalid filters');
  });
});
