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

async function shown(messages: readonly ProgressMessage[], terminal: { isTTY: boolean; columns?: number }) {
  let text = '';
  const write = (part: string) => {
    text += part;
  };
  for await (const _ of showProgress(streamOf(messages), { ...terminal, write }));
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
