import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Instance, startInstance } from './instance.ts';

describe('an init', () => {
  let instance: Instance;
  beforeAll(async () => {
    instance = await startInstance();
    await instance.berthOk(['pull', '-q', 'busybox:latest']);
  });
  afterAll(async () => instance[Symbol.asyncDispose]());

  const run = (options: readonly string[], ...command: string[]) =>
    instance.berth(['run', '--rm', '--init', ...options, 'busybox', ...command]);

  it('is PID 1, and ends with the exit code of the command', async () => {
    const { code, stdout } = await run([], 'sh', '-c', 'tr "\\0" " " </proc/1/cmdline; exit 7');
    expect(stdout).toBe('/sbin/docker-init -- sh -c tr "\\0" " " </proc/1/cmdline; exit 7 ');
    expect(code).toBe(7);
  });

  it('works in a read-only root, for another user and with a terminal', async () => {
    expect((await run(['--read-only', '-u', '1000', '-t'], 'id', '-u')).stdout.trim()).toBe('1000');
  });

  it('passes the stop signal on to a command that has no handler', async () => {
    const id = await instance.berthOk(['run', '-d', '--init', 'busybox', 'sleep', '1000']);
    await expect
      .poll(() => instance.berthOk(['exec', id, 'ps']), { timeout: 10_000 })
      .toMatch(/ sleep 1000$/m);
    await instance.berthOk(['stop', '-t', '30', id]);
    expect(await instance.berthOk(['inspect', '-f', '{{.State.ExitCode}}', id])).toBe('143');
    await instance.berthOk(['rm', id]);
  });

  it('reaps processes that lost their parent', async () => {
    const orphan = 'pid=$(sh -c "sleep 0 >/dev/null & echo \\$!")';
    const { code, stdout } = await run(
      [],
      ...['sh', '-c', `${orphan}; while [ -e /proc/$pid ]; do sleep 0.01; done; echo reaped`],
    );
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'reaped\n' });
  });

  it('tells when the command is not in the image', async () => {
    const { code, stderr } = await run([], '/no/such/program');
    expect({ code, stderr }).toEqual({
      code: 127,
      stderr: 'exec: "/no/such/program": No such file or directory\n',
    });
  });
});
