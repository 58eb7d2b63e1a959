import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Foreground } from './foreground.ts';
import { type Instance, startInstance } from './instance.ts';

describe('berth stop', () => {
  let instance: Instance;
  beforeAll(async () => {
    instance = await startInstance();
    await instance.berthOk(['pull', '-q', 'busybox:latest']);
  });
  afterAll(async () => instance[Symbol.asyncDispose]());

  /** Runs a container that says "ready", stops it with a long grace time, and tells its exit code and seconds. */
  const stopped = async (script: string, ...options: string[]) => {
    const id = await instance.berthOk(['run', '-d', ...options, 'busybox', ...script.split('|')]);
    if (script.includes('ready')) {
      await expect.poll(() => instance.berthOk(['logs', id]), { timeout: 10_000 }).toContain('ready');
    }
    const before = performance.now();
    await instance.berthOk(['stop', '-t', '30', id]);
    const seconds = (performance.now() - before) / 1000;
    const code = Number(await instance.berthOk(['inspect', '-f', '{{.State.ExitCode}}', id]));
    await instance.berthOk(['rm', id]);
    return { code, isLong: seconds > 20 };
  };

  it('ends a shell that has no handler by its child, which gets the signal', async () => {
    expect(await stopped('sh|-c|echo ready; sleep 1000; exit $?')).toEqual({ code: 143, isLong: false });
  });

  it('kills a PID 1 that is alone and cannot receive the signal at once', async () => {
    expect(await stopped('sleep|1000')).toEqual({ code: 137, isLong: false });
  });

  it('lets a PID 1 with a handler end by itself', async () => {
    const script = 'sh|-c|trap "exit 7" TERM; echo ready; while :; do sleep 0.1; done';
    expect(await stopped(script)).toEqual({ code: 7, isLong: false });
  });

  it('respects a PID 1 that ignores the signal, until the grace time is over', async () => {
    const id = await instance.berthOk([
      'run',
      '-d',
      'busybox',
      'sh',
      '-c',
      'trap "" TERM; echo ready; sleep 1000; exit 9',
    ]);
    await expect.poll(() => instance.berthOk(['logs', id]), { timeout: 10_000 }).toContain('ready');
    await instance.berthOk(['stop', '-t', '1', id]);
    expect(await instance.berthOk(['inspect', '-f', '{{.State.ExitCode}}', id])).toBe('137');
    await instance.berthOk(['rm', id]);
  });

  it('ends what runs behind a plain shell on Ctrl-C in front of berth run', async () => {
    const script = ['sh', '-c', 'echo ready; sleep 1000; exit 9'];
    const foreground = new Foreground(
      `${import.meta.dirname}/../../bin/berth`,
      ['run', '--name', 'front', 'busybox', ...script],
      {
        env: { ...process.env, DOCKER_HOST: `unix://${instance.socketPath}` },
      },
    );
    await foreground.said('ready');
    foreground.child.kill('SIGINT');
    expect(await foreground.exitCode()).toBe(130);
    await instance.berthOk(['rm', 'front']);
  });

  it("signals PID 1 alone where the label asks for Docker's way", async () => {
    const script = ['sh', '-c', 'echo ready; sleep 1000; exit 5'];
    const id = await instance.berthOk(['run', '-d', '--label', 'berth.stop-mode=pid1', 'busybox', ...script]);
    await expect.poll(() => instance.berthOk(['logs', id]), { timeout: 10_000 }).toContain('ready');
    await instance.berthOk(['stop', '-t', '1', id]);
    expect(await instance.berthOk(['inspect', '-f', '{{.State.ExitCode}}', id])).toBe('137');
    await instance.berthOk(['rm', id]);
  });
});
