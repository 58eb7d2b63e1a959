import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DEFAULT_DETACH_KEYS, DetachScanner, parseDetachKeys } from './detach-keys.ts';

test.each([
  ['ctrl-p,ctrl-q', [16, 17]],
  ['ctrl-a', [1]],
  ['a,b', [97, 98]],
  ['ctrl-\\,ctrl-_', [28, 31]],
])('reads the keys %s', (text, bytes) => {
  expect(parseDetachKeys(text)).toEqual(bytes);
});

test.each(['ctrl-1', 'ab', '', 'ctrl-'])('refuses "%s"', (text) => {
  expect(() => parseDetachKeys(text)).toThrow('Invalid detach keys');
});

const keys = parseDetachKeys(DEFAULT_DETACH_KEYS);

test('detaches at the keys, also when they are typed one by one', () => {
  const scanner = new DetachScanner(keys);
  expect(scanner.scan(Buffer.from('ls\x10'))).toEqual({ send: Buffer.from('ls'), detached: false });
  expect(scanner.scan(Buffer.from('\x11'))).toEqual({ send: Buffer.alloc(0), detached: true });
});

test('sends on what only began like the keys', () => {
  const scanner = new DetachScanner(keys);
  expect(scanner.scan(Buffer.from('\x10x')).send).toEqual(Buffer.from('\x10x'));
  expect(scanner.scan(Buffer.from('\x10\x10')).send).toEqual(Buffer.from('\x10'));
  expect(scanner.scan(Buffer.from('\x11')).detached).toBe(true);
});

test('sends on every byte of input without the keys', () => {
  const byte = fc.integer({ min: 0, max: 255 }).filter((code) => code !== 17);
  fc.assert(
    fc.property(fc.array(fc.array(byte)), (pieces) => {
      const scanner = new DetachScanner(keys);
      const sent = pieces.flatMap((piece) => [...scanner.scan(Buffer.from(piece)).send]);
      const typed = pieces.flat();
      expect(sent).toEqual(typed.at(-1) === 16 ? typed.slice(0, -1) : typed);
    }),
  );
});
