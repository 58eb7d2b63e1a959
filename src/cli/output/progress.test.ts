import { expect, test } from 'vitest';
import type { ProgressMessage } from '../../client/index.ts';
import { showProgress } from './progress.ts';

const pull: ProgressMessage[] = [
  { status: 'Pulling from library/busybox', id: 'latest' },
  { status: 'Pulling fs layer', id: 'aaa', progressDetail: {} },
  { status: 'Pulling fs layer', id: 'bbb', progressDetail: {} },
  { status: 'Downloading', id: 'aaa', progressDetail: { current: 1000, total: 2000 } },
  { status: 'Pull complete', id: 'aaa', progressDetail: {} },
  { status: 'Digest: sha256:1' },
];

async function shown(
  messages: readonly ProgressMessage[],
  terminal: { isTTY: boolean; columns?: number; rows?: number },
) {
  let text = '';
  let time = 0;
  const now = () => {
    time += 1000;
    return time;
  };
  const write = (part: string) => {
    text += part;
  };
  for await (const _ of showProgress(streamOf(messages), { ...terminal, write }, now));
  return text;
}

async function* streamOf(messages: readonly ProgressMessage[]) {
  yield* messages;
}

test('prints each change of state once where nothing can be redrawn', async () => {
  expect(await shown(pull, { isTTY: false })).toBe(
    'latest: Pulling from library/busybox\naaa: Pulling fs layer\nbbb: Pulling fs layer\naaa: Pull complete\nDigest: sha256:1\n',
  );
});

test('redraws the line of a layer on a terminal', async () => {
  const text = await shown(pull, { isTTY: true, columns: 80 });
  expect(text).toContain('\x1b[2A\x1b[2K\raaa: Downloading 1kB/2kB\x1b[2B\r');
  expect(text).toContain('\x1b[1A\x1b[2K\rbbb: Pulling fs layer\x1b[1B\r');
  expect(text.endsWith('Digest: sha256:1\n')).toBe(true);
});

test('draws a bar where there is room', async () => {
  const text = await shown(pull, { isTTY: true, columns: 120 });
  expect(text).toContain(`[${'='.repeat(25)}>${' '.repeat(24)}]  1kB/2kB`);
});

test("passes a build's output on as it is", async () => {
  expect(await shown([{ stream: 'Step 1/2' }, { stream: ' : FROM x\n' }], { isTTY: false })).toBe(
    'Step 1/2 : FROM x\n',
  );
});

const downloading = (id: string, current: number, total: number): ProgressMessage => ({
  status: 'Downloading',
  id,
  progressDetail: { current, total },
});

/** What a terminal shows in the end. */
function screenOf(text: string): string[] {
  const lines: string[] = [''];
  let row = 0;
  for (const [part] of text.replaceAll('\x1b', '␛').matchAll(/␛\[\d*[A-Z]|\n|\r|[^␛\n\r]+/g)) {
    const move = /^␛\[(\d+)([AB])$/.exec(part);
    if (move !== null) row += (move[2] === 'A' ? -1 : 1) * Number(move[1]);
    else if (part === '\n') row += 1;
    else if (part === '␛[2K') lines[row] = '';
    else if (part !== '\r') lines[row] = `${lines[row] ?? ''}${part}`;
    lines[row] ??= '';
  }
  return lines;
}

test('tells the rate and the time left of each layer, and of all together below them', async () => {
  const text = await shown(
    [
      downloading('aaa', 1e6, 9e6),
      downloading('bbb', 0, 20e6),
      downloading('aaa', 3e6, 9e6),
      downloading('bbb', 8e6, 20e6),
    ],
    { isTTY: true, columns: 80 },
  );
  const beforeTheEnd = text.slice(0, text.lastIndexOf('\x1b[1A\x1b[2K\r'));
  expect(screenOf(beforeTheEnd)).toEqual([
    'aaa: Downloading 3MB/9MB  667kB/s  9s left',
    'bbb: Downloading 8MB/20MB  2MB/s  6s left',
    'Total: 11MB/29MB  2.5MB/s  8s left',
    '',
  ]);
});

test('counts layers from the start, but not those that are there', async () => {
  const waiting = (id: string, size: number): ProgressMessage => ({
    status: 'Pulling fs layer',
    id,
    progressDetail: {},
    size,
  });
  const text = await shown(
    [
      waiting('aaa', 10),
      waiting('bbb', 20),
      waiting('ccc', 30),
      { status: 'Already exists', id: 'aaa', progressDetail: {} },
      downloading('bbb', 5, 20),
    ],
    { isTTY: true, columns: 80 },
  );
  expect(text).toContain('Total: 0B/60B');
  expect(text.slice(text.lastIndexOf('Total'))).toMatch(/^Total: 5B\/50B/);
});

test('leaves no total behind, and a layer that is there counts whole', async () => {
  const text = await shown(
    [
      downloading('aaa', 1, 10),
      downloading('bbb', 1, 10),
      { status: 'Pull complete', id: 'aaa', progressDetail: {} },
      { status: 'Pulling fs layer', id: 'ccc', progressDetail: {} },
      { status: 'Digest: sha256:1' },
    ],
    { isTTY: true, columns: 80 },
  );
  expect(text).toContain('Total: 11B/20B');
  expect(screenOf(text)).toEqual([
    'aaa: Pull complete',
    'bbb: Downloading 1B/10B',
    'ccc: Pulling fs layer',
    'Digest: sha256:1',
    '',
  ]);
});

test('does not touch a line that has left the screen', async () => {
  const layer = (id: string) => ({ status: 'Waiting', id, progressDetail: {} });
  const text = await shown([layer('aaa'), layer('bbb'), layer('ccc'), layer('aaa')], {
    isTTY: true,
    rows: 3,
  });
  expect(text.match(/aaa: Waiting/g)).toHaveLength(1);
});
