import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import { tarOf } from '../testing/images.ts';
import { tarEntries } from './entries.ts';

async function* inChunks(data: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < data.length; at += size) yield data.subarray(at, at + size);
}

const archive = () =>
  tarOf([
    { header: { name: 'folder', type: 'directory' } },
    { header: { name: 'first' }, content: 'one' },
    { header: { name: 'empty' }, content: '' },
    { header: { name: 'large' }, content: Buffer.alloc(20_000, 'x') },
    { header: { name: 'link', type: 'symlink', linkname: 'first' } },
    { header: { name: 'last' }, content: 'end' },
  ]);

describe('the entries of a tar', () => {
  test.each([1, 511, 512, 100_000])('come with their content, in chunks of %i bytes', async (size) => {
    const seen: [string, number][] = [];
    for await (const { entry, name, content } of tarEntries(inChunks(await archive(), size))) {
      seen.push([name, entry.type === 'file' ? (await buffer(Readable.from(content()))).length : -1]);
    }
    expect(seen).toEqual([
      ['folder', -1],
      ['first', 3],
      ['empty', 0],
      ['large', 20_000],
      ['link', -1],
      ['last', 3],
    ]);
  });

  test('may be passed over without reading them', async () => {
    const names: string[] = [];
    for await (const { name } of tarEntries(inChunks(await archive(), 1000))) names.push(name);
    expect(names).toEqual(['folder', 'first', 'empty', 'large', 'link', 'last']);
  });

  test('end with an error that reaches who reads the content when the archive breaks off', async () => {
    const whole = await archive();
    const seen: string[] = [];
    const read = async () => {
      for await (const { entry, name, content } of tarEntries(inChunks(whole.subarray(0, 5000), 700))) {
        seen.push(name);
        if (entry.type === 'file') await buffer(Readable.from(content()));
      }
    };
    await expect(read()).rejects.toThrow('invalid tar archive, entry "large": it is truncated');
    expect(seen).toEqual(['folder', 'first', 'empty', 'large']);
  });
});
