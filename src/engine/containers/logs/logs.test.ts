import { appendFile, mkdtemp, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { runChecked } from '../../../base/index.ts';
import { encodeLogAttributes } from '../../../runtime/index.ts';
import type { LogDecoder, LogEntry } from './entry.ts';
import { JsonDecoder } from './json-decoder.ts';
import { LocalDecoder } from './local-decoder.ts';
import { parseLogConfig } from './options.ts';
import { readLogFiles } from './read.ts';
import { expandTag } from './tag.ts';

const plainly = ({ stream, text, time, attributes }: LogEntry) => ({
  stream,
  text: text.toString(),
  time,
  attributes,
});

/** All entries, with the input cut at every possible place. */
function decodeCut(make: () => LogDecoder, input: Buffer) {
  const whole = make().push(Buffer.from(input)).map(plainly);
  for (let at = 0; at <= input.length; at += 1) {
    const decoder = make();
    const entries = [
      ...decoder.push(Buffer.from(input.subarray(0, at))).map(plainly),
      ...decoder.push(Buffer.from(input.subarray(at))).map(plainly),
    ];
    expect(entries).toEqual(whole);
  }
  return whole;
}

const json = (log: string, time: string, more: object = {}) =>
  `${JSON.stringify({ log, stream: 'stdout', ...more, time })}\n`;

describe('the json-file format', () => {
  test('is read wherever a read ends, with escapes, parts and attributes', () => {
    const lines = [
      json('plain\n', '2026-01-01T00:00:00Z'),
      json('\n', '2026-01-01T00:00:00.5Z'),
      json('"quoted" \\ n\n', '2026-01-01T00:00:01.123456789Z'),
      json('a part', '2026-01-01T00:00:02Z'),
      json('größe € 🐳\n', '2026-01-01T00:00:03Z'),
      json('with attributes\n', '2026-01-01T00:00:04Z', { attrs: { a: 'b' } }),
      '{"log":"oops\\n","stream":"stderr","time":"2026-01-01T00:00:05Z"}\n',
      '{"stream":"stdout","time":"2026-01-01T00:00:06Z"}\n',
    ];
    const entries = decodeCut(() => new JsonDecoder(), Buffer.from(lines.join('')));
    expect(entries).toEqual(
      lines.map((line) => {
        const { log = '', stream, time, attrs = {} } = JSON.parse(line) as Record<string, never>;
        return { text: log, stream, time, attributes: attrs };
      }),
    );
  });
});

/** As native/shim/log-local.c. */
function local(text: string, nanoseconds: bigint, options: { partial?: boolean; attributes?: Buffer } = {}) {
  const varint = (number: bigint) => {
    const bytes = [];
    let rest = number;
    for (; rest >= 0x80n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
    return [...bytes, Number(rest)];
  };
  const message = Buffer.concat([
    Buffer.from([0x0a, 6, ...Buffer.from('stdout'), 0x10, ...varint(nanoseconds)]),
    Buffer.from(options.partial === true ? [0x20, 1] : []),
    options.attributes ?? Buffer.alloc(0),
    Buffer.from([0x1a, ...varint(BigInt(Buffer.byteLength(text))), ...Buffer.from(text)]),
  ]);
  const size = Buffer.alloc(4);
  size.writeUInt32BE(message.length);
  return Buffer.concat([size, message, size]);
}

describe('the local format', () => {
  test('is read wherever a read ends, with parts and attributes', () => {
    const attributes = encodeLogAttributes('local', { b: '2', a: '' });
    const input = Buffer.concat([
      local('first', 1764030000123456789n),
      local('a part', 1764030000000000000n, { partial: true }),
      local('x'.repeat(300), 1764030000500000000n, { attributes }),
    ]);
    expect(decodeCut(() => new LocalDecoder(), input)).toEqual([
      { stream: 'stdout', text: 'first\n', time: '2025-11-25T00:20:00.123456789Z', attributes: {} },
      { stream: 'stdout', text: 'a part', time: '2025-11-25T00:20:00Z', attributes: {} },
      {
        stream: 'stdout',
        text: `${'x'.repeat(300)}\n`,
        time: '2025-11-25T00:20:00.5Z',
        attributes: { a: '', b: '2' },
      },
    ]);
  });
});

describe('the files of a log', () => {
  let folder: string;
  let path: string;
  beforeEach(async () => {
    folder = await mkdtemp('/tmp/berth-logs-');
    path = `${folder}/log`;
  });
  afterEach(() => rm(folder, { recursive: true }));

  const second = (number: number) =>
    new Date(Date.UTC(2026, 0, 1, 0, 0, number)).toISOString().replace('.000', '');
  const lines = (from: number, to: number) =>
    Array.from({ length: to - from }, (_, index) => json(`${from + index}\n`, second(from + index))).join('');

  /** 0–9 compressed, 10–19 rotated, 20–29 the newest. */
  const writeThree = async () => {
    await writeFile(`${path}.2.gz`, gzipSync(lines(0, 10)));
    await writeFile(`${path}.1`, lines(10, 20));
    await writeFile(path, lines(20, 30));
  };

  const everything = { tail: undefined, since: undefined, until: undefined };
  const read = async (range: Partial<typeof everything> | { tail: number } | { since: string }) => {
    const numbers: number[] = [];
    const batches = readLogFiles({ path, format: 'json-file' }, { ...everything, ...range }, undefined);
    for await (const batch of batches) numbers.push(...batch.map(({ text }) => Number(text)));
    return numbers;
  };
  const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => from + index);

  test('are read oldest first, compressed ones too', async () => {
    await writeThree();
    expect(await read({})).toEqual(numbers(0, 30));
  });

  test.each([0, 1, 9, 10, 11, 19, 20, 21, 29, 30, 31])('give the last %i entries', async (tail) => {
    await writeThree();
    expect(await read({ tail })).toEqual(numbers(Math.max(0, 30 - tail), 30));
  });

  test('give what lies between two times, ends included', async () => {
    await writeThree();
    expect(await read({ since: second(8), until: second(12) } as object)).toEqual(numbers(8, 13));
    expect(await read({ since: '2026-01-01T00:00:28.000000001Z' })).toEqual([29]);
  });

  test('are not read when their last change came before the time asked for', async () => {
    await writeThree();
    await writeFile(`${path}.2.gz`, 'no log at all');
    await utimes(`${path}.2.gz`, new Date(second(10)), new Date(second(10)));
    expect(await read({ since: second(15) })).toEqual(numbers(15, 30));
  });

  test('do not count a line that is being written', async () => {
    await writeFile(path, `${lines(0, 3)}{"log":"unfin`);
    expect(await read({ tail: 2 })).toEqual([1, 2]);
  });

  test('are followed over rotations, also several between two looks, and compressed meanwhile', async () => {
    await writeThree();
    const ended = new AbortController();
    const seen: number[] = [];
    const reached = Promise.withResolvers<void>();
    const following = (async () => {
      const range = { ...everything, tail: 2 };
      for await (const batch of readLogFiles({ path, format: 'json-file' }, range, ended.signal)) {
        seen.push(...batch.map(({ text }) => Number(text)));
        if (seen.length >= 2) reached.resolve();
      }
    })();
    await reached.promise;
    // What the supervisor does, without giving the reader a moment to look.
    await appendFile(path, lines(30, 32));
    await rename(path, `${path}.1`);
    await writeFile(path, lines(32, 34));
    await rename(`${path}.1`, `${path}.2`);
    await rename(path, `${path}.1`);
    await writeFile(`${path}.gz.tmp`, gzipSync(lines(32, 34)));
    await runChecked('touch', ['-r', `${path}.1`, `${path}.gz.tmp`]); // to the nanosecond
    await rename(`${path}.gz.tmp`, `${path}.1.gz`);
    await rm(`${path}.1`);
    await writeFile(path, lines(34, 36));
    ended.abort();
    await following;
    expect(seen).toEqual(numbers(28, 36));
  });
});

describe('log options', () => {
  test.each([
    ['gelf', {}, 'not-implemented', 'the log driver gelf is not there yet'],
    ['fluentd', {}, 'not-implemented', 'the log driver fluentd is not there yet'],
    ['foo', {}, 'invalid', 'plugin "foo" not found'],
    ['json-file', { foo: '1' }, 'invalid', "unknown log opt 'foo' for json-file log driver"],
    ['syslog', { 'max-size': '1m' }, 'invalid', "unknown log opt 'max-size' for syslog log driver"],
    ['json-file', { 'max-size': 'x' }, 'invalid', "invalid value for max-size: invalid size: 'x'"],
    ['json-file', { 'max-size': '0' }, 'invalid', 'max-size must be a positive number'],
    ['json-file', { 'max-file': '0' }, 'invalid', 'max-file cannot be less than 1'],
    ['local', { 'max-file': 'x' }, 'invalid', 'invalid value for max-file: "x"'],
    ['local', { compress: 'x' }, 'invalid', 'invalid boolean value for compress: "x"'],
    ['json-file', { 'max-size': '1m', compress: 'true' }, 'invalid', 'compress cannot be true when max-file'],
    ['json-file', { 'env-regex': '[' }, 'invalid', 'invalid value for env-regex'],
    ['json-file', { mode: 'x' }, 'invalid', 'logger: logging mode not supported: x'],
    ['json-file', { mode: 'non-blocking' }, 'not-implemented', 'the log mode non-blocking'],
    ['syslog', { 'syslog-address': 'foo://x' }, 'invalid', "unsupported scheme: 'foo'"],
    ['syslog', { 'syslog-address': 'tcp+tls://x' }, 'not-implemented', 'syslog over tcp+tls'],
    ['syslog', { 'syslog-facility': 'bar' }, 'invalid', 'invalid syslog facility'],
    ['syslog', { 'syslog-format': 'x' }, 'invalid', 'Invalid syslog format'],
  ] as const)('%s %j: %s', (driver, options, kind, message) => {
    expect(() => parseLogConfig(driver, options)).toThrow(
      expect.objectContaining({ kind, message: expect.stringContaining(message) }),
    );
  });

  test('put values into tags, and refuse what no container has', () => {
    const values = {
      ID: 'abc',
      FullID: 'abcdef',
      Name: 'web',
      ImageID: '1',
      ImageFullID: '12',
      ImageName: 'busybox',
      DaemonName: 'docker',
    };
    expect(expandTag('{{.Name}}/{{ .ID }} x', values)).toBe('web/abc x');
    expect(() => expandTag('{{.Foo}}', values)).toThrow('names ".Foo"');
  });
});
