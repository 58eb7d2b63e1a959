import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Instance, startInstance } from '../engine/instance.ts';

const DAY = 24 * 60 * 60 * 1000;

/** Lets a program see another wall clock, which a file moves while it runs; the clock that never jumps stays true. */
const LIBRARY = `/usr/lib/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu/faketime/libfaketimeMT.so.1`;

const reason = existsSync(LIBRARY) ? '' : ` (skipped: needs ${LIBRARY})`;

describe.skipIf(reason !== '')(`a wall clock that jumps${reason}`, () => {
  let instance: Instance;
  let folder: string;
  const jump = async (offset: string) => writeFile(`${folder}/offset`, `${offset}\n`);
  beforeAll(async () => {
    folder = await mkdtemp('/tmp/berth-clock-');
    await jump('+0');
    instance = await startInstance({
      env: {
        LD_PRELOAD: LIBRARY,
        FAKETIME_TIMESTAMP_FILE: `${folder}/offset`,
        FAKETIME_NO_CACHE: '1',
        FAKETIME_DONT_FAKE_MONOTONIC: '1',
      },
    });
    await instance.berthOk(['pull', '-q', 'busybox']);
    const probe = '--health-cmd true --health-interval 100ms'.split(' ');
    await instance.berthOk(['run', '-d', '--name', 'checked', ...probe, 'busybox', 'sleep', '1000']);
    const fail = 'echo run; sleep 0.2; exit 1';
    await instance.berthOk([
      'run',
      '-d',
      '--name',
      'again',
      '--restart',
      'always',
      'busybox',
      'sh',
      '-c',
      fail,
    ]);
  });
  afterAll(async () => {
    await instance[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });

  const systemTime = async () => {
    const { body } = await instance.api('GET /info');
    return Date.parse((body as { SystemTime: string }).SystemTime);
  };
  const newestProbe = async () => {
    const text = await instance.berthOk(['inspect', '-f', '{{json .State.Health}}', 'checked']);
    const { Log } = JSON.parse(text) as { Log: { Start: string }[] };
    return Date.parse(Log.at(-1)?.Start ?? '');
  };
  const restarts = async () =>
    Number(await instance.berthOk(['inspect', '-f', '{{.RestartCount}}', 'again']));

  it.each([
    ['a day ahead', '+1d', DAY],
    ['a day back', '-1d', -DAY],
  ])(
    '%s stops nothing: health checks, restarts, stops and their events go on',
    async (_name, offset, distance) => {
      const before = await restarts();
      await jump(offset);
      const isNear = (time: number) => Math.abs(time - distance - Date.now()) < DAY / 2;
      expect(isNear(await systemTime())).toBe(true);
      await expect.poll(async () => isNear(await newestProbe()), { timeout: 30_000 }).toBe(true);
      await expect.poll(restarts, { timeout: 60_000 }).toBeGreaterThan(before);

      expect(await instance.berthOk(['run', '--rm', 'busybox', 'echo', 'runs'])).toBe('runs');
      expect(await instance.berthOk(['exec', 'checked', 'echo', 'there'])).toBe('there');
      await instance.berthOk([
        'run',
        '-d',
        '--name',
        'deaf',
        'busybox',
        'sh',
        '-c',
        "trap '' TERM; sleep 1000 & wait; wait",
      ]);
      await instance.berthOk(['stop', '-t', '1', 'deaf']);
      expect(await instance.berthOk(['inspect', '-f', '{{.State.ExitCode}}', 'deaf'])).toBe('137');
      const list = await instance.berthOk(['ps', '-a', '--format', '{{.Names}} {{.Status}}']);
      expect(list).toMatch(/^checked Up .*\(healthy\)$/m);
      expect(list).not.toMatch(/-\d/);
      await instance.berthOk(['rm', 'deaf']);
    },
  );

  it('is right again, and a container is still restarted and its log kept', async () => {
    await jump('+0');
    const lines = async () => (await instance.berthOk(['logs', 'again'])).split('\n').length;
    const before = await lines();
    await expect.poll(lines, { timeout: 60_000 }).toBeGreaterThan(before);
    await instance.berthOk(['rm', '-f', 'again', 'checked']);
  });
});
