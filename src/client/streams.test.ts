import { Readable, Writable } from 'node:stream';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { copyOutput, jsonLines, outputChunks, progressMessages } from './streams.ts';

function frame(stream: number, text: string): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt8(stream, 0);
  header.writeUInt32BE(Buffer.byteLength(text), 4);
  return Buffer.concat([header, Buffer.from(text)]);
}

/** The bytes in pieces that end at the given places. */
function inPieces(bytes: Buffer, cuts: readonly number[]): Readable {
  const ends = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  const pieces = [...ends, bytes.length].map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end));
  return Readable.from(pieces.filter((piece) => piece.length > 0));
}

async function textOf(body: Readable, multiplexed: boolean) {
  const text = { stdout: '', stderr: '' };
  for await (const { source, data } of outputChunks({ body, multiplexed }))
    text[source] += data.toString('latin1');
  return text;
}

test('takes frames apart, however the network cut them', async () => {
  const frames = fc.array(fc.tuple(fc.constantFrom(1, 2), fc.string({ unit: 'binary-ascii' })));
  await fc.assert(
    fc.asyncProperty(frames, fc.array(fc.nat(500)), async (parts, cuts) => {
      const bytes = Buffer.concat(parts.map(([stream, text]) => frame(stream, text)));
      const written = (stream: number) =>
        parts
          .filter(([number]) => number === stream)
          .map(([, text]) => text)
          .join('');
      expect(await textOf(inPieces(bytes, cuts), true)).toEqual({ stdout: written(1), stderr: written(2) });
    }),
  );
});

test("passes a terminal's bytes on as they are", async () => {
  expect(await textOf(Readable.from([Buffer.from('\x01\x00raw')]), false)).toEqual({
    stdout: '\x01\x00raw',
    stderr: '',
  });
});

test("throws the engine's own error inside a stream of frames", async () => {
  const body = Readable.from([Buffer.concat([frame(1, 'out'), frame(3, 'log driver broke')])]);
  await expect(textOf(body, true)).rejects.toThrow('log driver broke');
});

test('waits where a writer is slow', async () => {
  const written: string[] = [];
  let inside = 0;
  const slow = new Writable({
    highWaterMark: 1,
    write(chunk: Buffer, _encoding, done) {
      inside += 1;
      expect(inside).toBe(1);
      setImmediate(() => {
        written.push(chunk.toString());
        inside -= 1;
        done();
      });
    },
  });
  const body = Readable.from(['a', 'b', 'c'].map((text) => frame(1, text)));
  await copyOutput({ body, multiplexed: true }, slow, slow);
  await new Promise((resolve) => slow.end(resolve));
  expect(written).toEqual(['a', 'b', 'c']);
});

test('reads one JSON value per line, however the network cut them', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ status: fc.string() })),
      fc.array(fc.nat(500)),
      async (values, cuts) => {
        const bytes = Buffer.from(values.map((value) => `${JSON.stringify(value)}\r\n`).join(''));
        expect(await Array.fromAsync(jsonLines(inPieces(bytes, cuts)))).toEqual(values);
      },
    ),
  );
});

test('throws the error of a progress stream after what came before it', async () => {
  const lines =
    '{"stream":"Step 1"}\n{"errorDetail":{"code":3,"message":"it returned 3"},"error":"it returned 3"}\n';
  const messages = progressMessages(Readable.from([Buffer.from(lines)]), 'invalid');
  expect((await messages.next()).value).toEqual({ stream: 'Step 1' });
  await expect(messages.next()).rejects.toMatchObject({ kind: 'invalid', message: 'it returned 3' });
});

test("takes an error's kind from its code where that is a status", async () => {
  const body = Readable.from([Buffer.from('{"errorDetail":{"code":404,"message":"gone"}}')]);
  await expect(progressMessages(body, 'unavailable').next()).rejects.toMatchObject({ kind: 'not-found' });
});
