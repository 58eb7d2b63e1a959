import { describe, expect, test } from 'vitest';
import type { TarEntry } from '../tar/entry.ts';
import { LayerCollector } from './collector.ts';

const NO_OUTPUT = { append() {}, appendZeros() {}, alignToBlock: () => 0 };
const MEBIBYTE = 1024 * 1024;

function collector(): LayerCollector {
  return new LayerCollector(NO_OUTPUT, { isKept: () => true, check() {} }, { maxMetadata: MEBIBYTE });
}

function file(name: string, more: Partial<TarEntry> = {}): TarEntry {
  const mtime = { seconds: 0, nanoseconds: 0 };
  return {
    type: 'file',
    size: 0,
    name,
    mode: 0,
    uid: 0,
    gid: 0,
    mtime,
    xattrs: new Map(),
    ...more,
  } as TarEntry;
}

describe('what a tar makes the collector remember is bounded:', () => {
  const endless: [string, (number: number) => TarEntry][] = [
    ['names of files', (number) => file(`${number}`)],
    ['folders that are only named', (number) => file(`${number}/a/b/c`)],
    ['the same long name again and again', () => file('n'.repeat(200))],
    ['attributes', (number) => file(`${number}`, { xattrs: new Map([['user.x', Buffer.alloc(10_000)]]) })],
    ['targets of symlinks', (number) => file(`${number}`, { type: 'symlink', target: 't'.repeat(4000) })],
    [
      'targets of hard links that never come',
      (number) => file(`${number}`, { type: 'hardlink', target: 'x'.repeat(200) }),
    ],
    ['whiteouts', (number) => file(`.wh.${number}`)],
  ];
  test.each(endless)('%s', (_, entry) => {
    const sink = collector();
    const collectForever = () => {
      for (let number = 0; number < MEBIBYTE; number += 1) sink.entry(entry(number));
    };
    expect(collectForever).toThrow('the layer has more than 1 MiB of names and attributes');
  });

  test('and contents are not remembered at all', () => {
    const sink = collector();
    sink.entry(file('large', { size: 1000 * MEBIBYTE }));
    const chunk = Buffer.alloc(MEBIBYTE);
    for (let number = 0; number < 1000; number += 1) sink.data(chunk);
    expect(sink.finish().children.size).toBe(1);
  });
});
