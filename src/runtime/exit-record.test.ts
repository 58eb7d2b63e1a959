import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { hasRun, readExitRecord } from './exit-record.ts';

describe('an exit record', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'berth-exit-'));
  });
  afterEach(async () => {
    await rm(folder, { recursive: true });
  });

  test('says how the container ended', async () => {
    await writeFile(join(folder, 'exit'), 'berth-exit 1\ncode 137\noom 1\nfinished 1764030000123456789\n');
    expect(await readExitRecord(folder)).toEqual({
      kind: 'exited',
      code: 137,
      oomKilled: true,
      finishedAt: new Date('2025-11-25T00:20:00.123Z'),
      run: undefined,
    });
  });

  test('says when the run began, how often it was restarted, and why a restart failed', async () => {
    const record =
      'berth-exit 2\ncode 3\noom 0\nstarted 1764030000123456789\nfinished 1764030001000000000\nrestarts 4\n';
    const run = { startedAt: new Date('2025-11-25T00:20:00.123Z'), restarts: 4 };
    const finishedAt = new Date('2025-11-25T00:20:01Z');
    await writeFile(join(folder, 'exit'), record);
    expect(await readExitRecord(folder)).toEqual({
      kind: 'exited',
      code: 3,
      oomKilled: false,
      finishedAt,
      run,
    });
    await writeFile(join(folder, 'exit'), `${record}\n{"level":"error","msg":"open bin: gone"}\n`);
    expect(await readExitRecord(folder)).toMatchObject({
      kind: 'not-restarted',
      reason: { message: expect.stringContaining('open bin: gone') },
      finishedAt,
      run,
    });
  });

  test('also says which signal ended it, and what memory it had', async () => {
    const lines = [
      'code 137',
      'signal 9',
      'oom 1',
      'peak 67108864',
      'limit 67108864',
      'finished 1764030000123456789',
    ];
    await writeFile(join(folder, 'exit'), `berth-exit 2\n${lines.join('\n')}\n`);
    expect(await readExitRecord(folder)).toMatchObject({
      code: 137,
      signal: 9,
      memory: { peak: 67_108_864, limit: 67_108_864 },
    });
  });

  test('has the ends that came before it, each followed by a restart', async () => {
    const last =
      'berth-exit 2\ncode 7\noom 0\nstarted 1764030002000000000\nfinished 1764030003000000000\nrestarts 2\n';
    const earlier = [
      '6 0 0 1048576 0 1764030000000000000 1764030001000000000 1',
      '137 9 1 67108864 67108864 1764030001500000000 1764030001900000000 2',
    ];
    await writeFile(join(folder, 'exit'), last);
    await writeFile(join(folder, 'exits'), `berth-exits 1\n${earlier.join('\n')}\n`);
    expect(await readExitRecord(folder)).toMatchObject({
      code: 7,
      earlier: [
        { code: 6, oomKilled: false, run: { restarts: 1, startedAt: new Date('2025-11-25T00:20:00Z') } },
        { code: 137, signal: 9, oomKilled: true, memory: { limit: 67_108_864 }, run: { restarts: 2 } },
      ],
    });
    await writeFile(join(folder, 'exits'), 'of another version\n');
    expect(await readExitRecord(folder)).not.toHaveProperty('earlier');
  });

  test('is undefined where there is none', async () => {
    expect(await readExitRecord(folder)).toBeUndefined();
    await writeFile(join(folder, 'exit'), '\0'.repeat(256)); // of a power cut
    expect(await readExitRecord(folder)).toBeUndefined();
    expect(await hasRun(folder)).toBe(false);
    await writeFile(join(folder, 'pid'), '1');
    expect(await hasRun(folder)).toBe(true);
  });

  test.each([
    'berth-exit 2\ncode 1\n',
    'berth-exit 3\ncode 1\noom 0\nfinished 1\n',
    'berth-exit 1\ncode x\noom 0\nfinished 1\n',
  ])('is refused when it is damaged: %j', async (text) => {
    await writeFile(join(folder, 'exit'), text);
    await expect(readExitRecord(folder)).rejects.toMatchObject({ kind: 'internal' });
  });
});
