import { expect, it } from 'vitest';
import { API_VERSION, checkVersion, MIN_API_VERSION, stripVersion } from './versions.ts';

it('takes the version prefix off a path, and only there', () => {
  expect(stripVersion('/v1.44/containers/json?all=1')).toBe('/containers/json?all=1');
  expect(stripVersion('/containers/json')).toBe('/containers/json');
  expect(stripVersion('/v1.44')).toBe('/');
});

it('answers every version of its range and refuses the others in words', () => {
  for (const version of [API_VERSION, MIN_API_VERSION, '1.40']) checkVersion(`/v${version}/info`);
  expect(() => checkVersion('/v1.99/info')).toThrow('client version 1.99 is too new');
  expect(() => checkVersion('/v1.9/info')).toThrow('client version 1.9 is too old');
});
