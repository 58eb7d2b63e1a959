import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { AttachSession } from './contract.ts';
import { missingForContainers, TestInstance } from './test-instance.ts';

const RUNTIME = '/usr/bin/crun';
const missing = missingForContainers(RUNTIME);
const reason = missing === undefined ? '' : ` (skipped: needs ${missing})`;

/** More than fits between a container and its client: the rest waits in the supervisor's spool. */
const MUCH = 'seq 1 400000';
const LENGTH_OF_MUCH = 2_688_895;

describe.skipIf(missing !== undefined)(`a client that lags${reason}`, { timeout: 30_000 }, () => {
  let instance: TestInstance;
  beforeAll(async () => {
    instance = await TestInstance.create(RUNTIME);
  });
  afterAll(async () => {
    await instance[Symbol.asyncDispose]();
  });

  test('gets everything, and others wait', async () => {
    const { session } = await instance.start({ args: ['/bin/sh', '-c', `${MUCH}; echo end >&2`] });
    let text = '';
    for await (const { data } of session.output()) {
      if (text === '') await new Promise(setImmediate); // everything that fits on the way is on the way
      text += data.toString();
    }
    expect(text).toContain('\n400000\n');
    expect(text.length).toBe(LENGTH_OF_MUCH + 'end\n'.length);
  });

  test('gets everything when it writes meanwhile: the answers come between the pieces of output', async () => {
    const { session, plan } = await instance.start({
      args: ['/bin/sh', '-c', `${MUCH}; wc -c`],
      plan: { openStdin: true, stdinOnce: true },
    });
    const isWritten = async () => (await readFile(plan.log.path, 'utf8')).includes('"400000\\n"');
    await expect.poll(isWritten, { timeout: 20_000 }).toBe(true);
    const writing = writeBytes(session, 2000);
    let text = '';
    for await (const { data } of session.output()) text += data.toString();
    await writing;
    expect(text.slice(-12)).toBe('400000\n2000\n');
    expect(text.length).toBe(LENGTH_OF_MUCH + '2000\n'.length);
  });
});

/** One by one, each when the one before is acknowledged; then the end of input. */
async function writeBytes(session: AttachSession, count: number): Promise<void> {
  for (let written = 0; written < count; written++) await session.write(Buffer.from('x'));
  await session.closeInput();
}
