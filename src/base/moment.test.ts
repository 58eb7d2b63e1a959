import { expect, test } from 'vitest';
import { parseMoment } from './moment.ts';

const now = new Date('2026-01-02T03:04:05Z');

test.each([
  ['1700000000', '1700000000'],
  ['1700000000.123456789', '1700000000.123456789'],
  ['2013-01-02T13:23:37Z', '1357133017'],
  ['2013-01-02T13:23:37.5+02:00', '1357125817.5'],
  ['42m', String(now.getTime() / 1000 - 42 * 60)],
  ['1h30m', String(now.getTime() / 1000 - 90 * 60)],
])('reads %s', (text, seconds) => {
  expect(parseMoment(text, now)).toBe(seconds);
});

test('reads a date and a time without a zone as local', () => {
  expect(parseMoment('2013-01-02', now)).toBe(String(Date.parse('2013-01-02T00:00:00') / 1000));
  expect(parseMoment('2013-01-02T10:20', now)).toBe(String(Date.parse('2013-01-02T10:20:00') / 1000));
});

test.each(['yesterday', '2013-13-45', '', '5 m'])('refuses "%s"', (text) => {
  expect(() => parseMoment(text, now)).toThrow('it is no time');
});
