import { Writable } from 'node:stream';
import { expect, test } from 'vitest';
import { LogLines } from './log-lines.ts';

/** Two outputs that keep what they get. */
function outputs() {
  const written = { stdout: '', stderr: '' };
  const into = (name: keyof typeof written) =>
    new Writable({
      write(chunk: Buffer, _encoding, done) {
        written[name] += chunk.toString();
        done();
      },
    });
  return { written, stdout: into('stdout'), stderr: into('stderr') };
}

const said = (text: string) => ({ source: 'stdout', data: Buffer.from(text) }) as const;

test('each line has its container’s name, padded to the longest', () => {
  const { written, ...streams } = outputs();
  const lines = new LogLines({ ...streams, colour: false, prefix: true });
  for (const name of ['db-1', 'web-server-1']) lines.add(name);
  lines.write('db-1', said('one\ntwo\n'));
  lines.write('web-server-1', said('three\n'));
  expect(written.stdout).toBe('db-1          | one\ndb-1          | two\nweb-server-1  | three\n');
});

test('a line that comes in pieces is written once it is whole', () => {
  const { written, ...streams } = outputs();
  const lines = new LogLines({ ...streams, colour: false, prefix: true });
  lines.write('a-1', said('hel'));
  lines.write('b-1', said('other\n'));
  expect(written.stdout).toBe('b-1  | other\n');
  lines.write('a-1', said('lo\nrest'));
  lines.end('a-1');
  expect(written.stdout).toBe('b-1  | other\na-1  | hello\na-1  | rest\n');
});

test('a character that is split over two pieces stays whole', () => {
  const { written, ...streams } = outputs();
  const lines = new LogLines({ ...streams, colour: false, prefix: true });
  const bytes = Buffer.from('é✔\n');
  lines.write('a-1', { source: 'stdout', data: bytes.subarray(0, 1) });
  lines.write('a-1', { source: 'stdout', data: bytes.subarray(1) });
  expect(written.stdout).toBe('a-1  | é✔\n');
});

test('what went to stderr goes to stderr', () => {
  const { written, ...streams } = outputs();
  const lines = new LogLines({ ...streams, colour: false, prefix: true });
  lines.write('a-1', { source: 'stderr', data: Buffer.from('oops\n') });
  expect(written).toEqual({ stdout: '', stderr: 'a-1  | oops\n' });
});

test('without prefixes lines are as the container wrote them', () => {
  const { written, ...streams } = outputs();
  const lines = new LogLines({ ...streams, colour: true, prefix: false });
  lines.write('a-1', said('\n\nx\n'));
  expect(written.stdout).toBe('\n\nx\n');
});

test('containers get different colours, prefix and status in the same one', () => {
  const { written, ...streams } = outputs();
  const lines = new LogLines({ ...streams, colour: true, prefix: true });
  lines.write('a-1', said('x\n'));
  lines.write('b-1', said('y\n'));
  lines.status('a-1', 'exited with code 3');
  expect(written.stdout).toBe(
    '\x1b[36ma-1  | \x1b[0mx\n\x1b[33mb-1  | \x1b[0my\n\x1b[36ma-1 exited with code 3\x1b[0m\n',
  );
});
