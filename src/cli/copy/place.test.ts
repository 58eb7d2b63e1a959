import { describe, expect, test } from 'vitest';
import { landing, nameOf, parsePlace } from './place.ts';

describe('a side of a copy', () => {
  test('is a container before a colon, unless it begins as a path', () => {
    expect(parsePlace('web:/etc')).toEqual({ kind: 'container', container: 'web', path: '/etc' });
    expect(parsePlace('./a:b')).toEqual({ kind: 'local', path: './a:b' });
    expect(parsePlace('-')).toEqual({ kind: 'local', path: '-' });
  });
});

describe('a copy', () => {
  const missing = { exists: false, isFolder: false };
  const folder = { exists: true, isFolder: true };
  const file = { exists: true, isFolder: false };

  test('goes into a folder that exists, under its own name', () => {
    expect(landing({ name: 'a', isFolder: false }, '/to', folder)).toEqual({ folder: '/to', name: 'a' });
    expect(landing({ name: '.', isFolder: true }, '/to', folder)).toEqual({ folder: '/to', name: '.' });
  });

  test('takes the name of a destination that does not exist, or is a file', () => {
    expect(landing({ name: 'a', isFolder: true }, '/to/b', missing)).toEqual({ folder: '/to', name: 'b' });
    expect(landing({ name: 'a', isFolder: false }, '/to/b', file)).toEqual({ folder: '/to', name: 'b' });
  });

  test('is refused for a folder onto a file, and for a file onto a folder that is not there', () => {
    expect(() => landing({ name: 'a', isFolder: true }, '/to', file)).toThrow('cannot copy directory');
    expect(() => landing({ name: 'a', isFolder: false }, '/to/', missing)).toThrow('no such directory');
  });

  test('of what is in a folder has no name of its own', () => {
    expect([nameOf('/a/b/.'), nameOf('/a/b/'), nameOf('/')]).toEqual(['.', 'b', '.']);
  });
});
