import { Readable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { readTwice } from './tee.ts';

async function readAll(copy: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of copy) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

const source = () => Readable.from([Buffer.from('one '), Buffer.from('two')], { objectMode: false });

test('both readers get all of the stream', async () => {
  expect(await readTwice(source(), undefined, readAll, readAll)).toEqual(['one two', 'one two']);
});

test("throws a reader's own reason, though the other notices first that the stream broke off", async () => {
  const leave = async (copy: Readable) => {
    try {
      for await (const _ of copy) throw new Error('the disk is full');
    } finally {
      await setImmediate(); // as when a file has to be closed
    }
  };
  await expect(readTwice(source(), undefined, readAll, leave)).rejects.toThrow('the disk is full');
});
