import { existsSync } from 'node:fs';
import { cp, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { collect, ended, missingForContainers, ociProcess, readLog, TestInstance } from './test-instance.ts';

/** crun's words for a program that the kernel refuses to execute, which it writes where the program's stderr is. */
const REFUSAL = '{"msg":"exec container process `/s`: No such file or directory","level":"error"}';

const UNEXECUTABLE = [
  { program: '/missing-interpreter', kind: 'not-found', words: /no such file or directory/i },
  { program: '/carriage-return', kind: 'not-found', words: /no such file or directory/i },
  { program: '/missing-loader', kind: 'not-found', words: /no such file or directory/i },
  { program: '/no-program', kind: 'invalid', words: /exec format error/i },
];

/** Programs that are there and executable, but that execve refuses. */
async function addUnexecutable(layer: string): Promise<void> {
  const executable = { mode: 0o755 };
  await writeFile(join(layer, 'missing-interpreter'), '#!/bin/no-such-shell\necho hello\n', executable);
  await writeFile(join(layer, 'carriage-return'), '#!/bin/sh\r\necho hello\r\n', executable);
  await writeFile(join(layer, 'no-program'), 'echo hello\n', executable);
  await cp('/bin/true', join(layer, 'missing-loader'), { dereference: true });
}

const streams = { stdin: false, stdout: true, stderr: true, terminal: false };
const shell = (script: string) => ['/bin/sh', '-c', script];

const missing = missingForContainers('/usr/bin/crun');
const reason = missing === undefined ? '' : ` (skipped: needs ${missing})`;

describe.skipIf(missing !== undefined)(`a start under crun${reason}`, { timeout: 30_000 }, () => {
  let instance: TestInstance;
  beforeAll(async () => {
    instance = await TestInstance.create('/usr/bin/crun');
    await addUnexecutable(instance.layer);
  });
  afterAll(async () => {
    await instance[Symbol.asyncDispose]();
  });

  for (const terminal of [false, true]) {
    const where = terminal ? ' at a terminal' : '';

    test.each(UNEXECUTABLE)(
      `fails in the runtime’s words when execve refuses $program${where}, and leaves nothing`,
      async ({ program, kind, words }) => {
        const { supervisor, plan } = await instance.prepare({ args: [program], plan: { terminal } });
        const session = await supervisor.attach({ stdin: false, stdout: true, stderr: true });
        await expect(supervisor.run()).rejects.toMatchObject({
          kind,
          message: expect.stringMatching(words),
        });
        expect(await collect(session)).toEqual({ stdout: '', stderr: '' });
        await ended(supervisor);
        expect(await readLog(plan.log.path)).toEqual([]);
        for (const name of ['rootfs', 'exit', 'pid', 'console.sock'])
          expect(existsSync(join(plan.directory, name))).toBe(false);
        expect(await instance.launcher.reconnect(plan.id, plan.directory)).toBeUndefined();
      },
    );

    test.each(UNEXECUTABLE)(
      `of a further process fails when execve refuses $program${where}, and the container goes on`,
      async ({ program, kind, words }) => {
        const { supervisor } = await instance.start({ args: ['sleep', '1000'] });
        await expect(
          supervisor.exec(ociProcess([program], { terminal }), { ...streams, terminal }),
        ).rejects.toMatchObject({ kind, message: expect.stringMatching(words) });
        await using exec = await supervisor.exec(ociProcess(['echo', 'still here']), streams);
        expect((await collect(exec)).stdout).toBe('still here\n');
        await supervisor.signal(9);
      },
    );
  }

  test('succeeds when the program itself says at once what the runtime would say', async () => {
    const args = shell(`echo '${REFUSAL}' >&2; exit 1`);
    const { supervisor, session, plan } = await instance.start({ args });
    expect(await collect(session)).toEqual({ stdout: '', stderr: `${REFUSAL}\n` });
    expect(await supervisor.exited).toMatchObject({ kind: 'exited', code: 1 });
    expect((await readLog(plan.log.path)).map(({ log }) => log)).toEqual([`${REFUSAL}\n`]);
  });

  test('of a further process succeeds when it says at once what the runtime would say', async () => {
    const { supervisor } = await instance.start({ args: ['sleep', '1000'] });
    await using exec = await supervisor.exec(ociProcess(shell(`echo '${REFUSAL}' >&2; exit 1`)), streams);
    expect(await collect(exec)).toEqual({ stdout: '', stderr: `${REFUSAL}\n` });
    expect(await exec.exited).toMatchObject({ kind: 'exited', code: 1 });
    await supervisor.signal(9);
  });

  test('succeeds each time with a program that ends at once', async () => {
    for (let round = 0; round < 20; round++) {
      const { supervisor } = await instance.start({ args: ['true'] });
      expect(await supervisor.exited).toMatchObject({ kind: 'exited', code: 0 });
    }
  });

  test('gives the program no descriptor but its streams', async () => {
    const { supervisor } = await instance.start({ args: ['sleep', '1000'] });
    expect((await readdir(`/proc/${supervisor.started?.pid}/fd`)).sort()).toEqual(['0', '1', '2']);
    await supervisor.signal(9);
  });
});

const missingForRunc = missingForContainers('/usr/sbin/runc');
const runcReason = missingForRunc === undefined ? '' : ` (skipped: needs ${missingForRunc})`;

describe.skipIf(missingForRunc !== undefined)(`a start under runc${runcReason}`, { timeout: 30_000 }, () => {
  let instance: TestInstance;
  beforeAll(async () => {
    instance = await TestInstance.create('/usr/sbin/runc');
    await addUnexecutable(instance.layer);
  });
  afterAll(async () => {
    await instance[Symbol.asyncDispose]();
  });

  // runc 1.1 closes every descriptor itself just before execve, so that it is open which of the two it is.
  test.each(UNEXECUTABLE)(
    'that execve refuses ($program) fails, or the container ends at once, in the runtime’s words',
    async ({ program, kind, words }) => {
      const { supervisor, plan } = await instance.prepare({ args: [program] });
      const session = await supervisor.attach({ stdin: false, stdout: true, stderr: true });
      const error = await supervisor.run().then(
        () => undefined,
        (reason: unknown) => reason,
      );
      const { stderr } = await collect(session);
      await ended(supervisor);
      if (error === undefined) {
        expect(stderr).toMatch(words);
        expect(await supervisor.exited).toMatchObject({ kind: 'exited' });
      } else {
        expect(error).toMatchObject({ kind, message: expect.stringMatching(words) });
        expect(stderr).toBe('');
        expect(await readLog(plan.log.path)).toEqual([]);
      }
    },
  );
});
