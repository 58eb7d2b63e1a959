import { expect, test } from 'vitest';
import { type Status, StatusLog } from './status-log.ts';

const STEP = { id: 'step-1', name: '[1/1] RUN x' };

async function read(log: StatusLog, signal = new AbortController().signal): Promise<Status[]> {
  return Array.fromAsync(log.read(signal));
}

test('whoever reads late hears everything from the beginning', async () => {
  const log = new StatusLog('ref');
  const early = read(log);
  log.note(STEP, { kind: 'started' });
  log.note(STEP, { kind: 'output', text: 'said\n' });
  log.note(STEP, { kind: 'cached' });
  log.note(STEP, { kind: 'done' });
  log.end();
  const late = await read(log);
  expect(late).toEqual(await early);
  expect(late.at(-1)?.vertexes).toMatchObject([
    { name: STEP.name, cached: true, completed: expect.anything() },
  ]);
});

test('reading ends with its signal', async () => {
  const stop = new AbortController();
  const reading = read(new StatusLog('ref'), stop.signal);
  stop.abort();
  expect(await reading).toEqual([]);
});

test('the output of a step is clipped where it would take too much memory', async () => {
  const log = new StatusLog('ref');
  for (let count = 0; count < 40; count += 1) log.note(STEP, { kind: 'output', text: 'x'.repeat(100_000) });
  log.end();
  const text = (await read(log)).flatMap(({ logs = [] }) =>
    logs.map(({ msg }) => Buffer.from(msg ?? []).toString()),
  );
  expect(text.join('').length).toBeLessThan(2_300_000);
  expect(text.at(-1)).toContain('[output clipped, log limit 2MiB reached]');
});

test("layers of a pull are a step's items", async () => {
  const log = new StatusLog('ref');
  const line = { id: '0123456789ab', status: 'Downloading', progressDetail: { current: 5, total: 9 } };
  log.note(STEP, { kind: 'pull', progress: line });
  log.note(STEP, { kind: 'pull', progress: { ...line, status: 'Pull complete', progressDetail: {} } });
  log.note(STEP, { kind: 'pull', progress: { status: 'Digest: sha256:…' } });
  log.end();
  expect((await read(log)).flatMap(({ statuses = [] }) => statuses)).toMatchObject([
    { id: '0123456789ab', current: 5n, total: 9n },
    { id: '0123456789ab', completed: expect.anything() },
  ]);
});
