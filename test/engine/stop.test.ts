import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runChecked, run as runCommand } from '../../src/base/index.ts';
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

  it("signals PID 1 alone where --stop-mode asks for Docker's way", async () => {
    const script = ['sh', '-c', 'echo ready; sleep 1000; exit 5'];
    const id = await instance.berthOk(['run', '-d', '--stop-mode', 'pid1', 'busybox', ...script]);
    await expect.poll(() => instance.berthOk(['logs', id]), { timeout: 10_000 }).toContain('ready');
    await instance.berthOk(['stop', '-t', '1', id]);
    expect(await instance.berthOk(['inspect', '-f', '{{.State.ExitCode}}', id])).toBe('137');
    await instance.berthOk(['rm', id]);
    expect((await instance.berth(['run', '--stop-mode', 'all', 'busybox'])).stderr).toContain(
      'it must be "container" or "pid1"',
    );
  });

  it('takes a health probe for no process of the container', async () => {
    const probe = ['--health-cmd', 'touch /probed; sleep 1000', '--health-interval', '10ms'];
    const id = await instance.berthOk(['run', '-d', ...probe, 'busybox', 'sleep', '1000']);
    await expect
      .poll(() => instance.berth(['exec', id, 'ls', '/probed']), { timeout: 20_000 })
      .toMatchObject({ code: 0 });
    await instance.berthOk(['stop', '-t', '30', id]);
    expect(await instance.berthOk(['inspect', '-f', '{{.State.ExitCode}}', id])).toBe('137');
    expect(await reasonsOf(id)).toEqual(['PID 1 has no handler for SIGTERM and is alone']);
    await instance.berthOk(['rm', id]);
  });

  it('takes a command that the user runs in it for a process of the container', async () => {
    const id = await instance.berthOk(['run', '-d', 'busybox', 'sleep', '1000']);
    const command = ['sh', '-c', 'trap "echo told; exit 3" TERM; echo ready; while :; do sleep 0.1; done'];
    const exec = new Foreground(`${import.meta.dirname}/../../bin/berth`, ['exec', id, ...command], {
      env: { ...process.env, DOCKER_HOST: `unix://${instance.socketPath}` },
    });
    await exec.said('ready');
    await instance.berthOk(['stop', '-t', '1', id]);
    await exec.said('told');
    expect(await reasonsOf(id)).toEqual(['PID 1 has no handler for SIGTERM: sent to the other processes']);
    await instance.berthOk(['rm', id]);
  });

  /** Why signals were sent that the stop alone does not explain. */
  const reasonsOf = async (id: string) => {
    const until = String(Math.ceil(Date.now() / 1000) + 1);
    const options = [
      '--since',
      '1',
      '--until',
      until,
      '--filter',
      `container=${id}`,
      '--filter',
      'event=kill',
    ];
    const lines = await instance.berthOk(['events', ...options, '--format', 'json']);
    return lines
      .split('\n')
      .map(
        (line) =>
          (JSON.parse(line) as { Actor: { Attributes: { reason?: string } } }).Actor.Attributes.reason,
      )
      .filter((reason) => reason !== undefined);
  };

  describe('of a program that waits for signals', () => {
    let folder: string;
    beforeAll(async () => {
      folder = await mkdtemp('/tmp/berth-signals-');
      await writeFile(`${folder}/wait.c`, WAITING);
      await runChecked('cc', ['-static', '-o', `${folder}/wait`, `${folder}/wait.c`]);
    });
    afterAll(() => rm(folder, { recursive: true }));

    it.each(['sigwait', 'signalfd'])('lets it end by itself, by %s', async (way) => {
      const id = await instance.berthOk([
        'run',
        '-d',
        '-v',
        `${folder}:/signals`,
        'busybox',
        '/signals/wait',
        way,
      ]);
      await expect.poll(() => instance.berthOk(['logs', id]), { timeout: 10_000 }).toContain('ready');
      // Beside it something runs that the signal would end.
      await instance.berthOk(['exec', '-d', id, 'sleep', '1000']);
      await instance.berthOk(['stop', '-t', '30', id]);
      expect(await instance.berthOk(['inspect', '-f', '{{.State.ExitCode}}', id])).toBe('42');
      expect(await reasonsOf(id)).toEqual([]);
      await instance.berthOk(['rm', id]);
    });
  });

  for (const [name, path] of [
    ['tini', '/usr/bin/tini-static'],
    ['dumb-init', '/usr/bin/dumb-init'],
  ] as const) {
    const missing = existsSync(path) ? '' : ` (skipped: needs ${path})`;
    it.skipIf(missing !== '')(`leaves it to ${name} to pass the signal on${missing}`, async () => {
      const { stdout } = await runCommand('ldd', [path]);
      const libraries = [...stdout.toString().matchAll(/(\/\S+) \(/g)].map(([, library]) => library);
      const mounts = libraries.flatMap((library) => ['-v', `${library}:${library}:ro`]);
      const script = ['sh', '-c', 'trap "exit 9" TERM; echo ready; while :; do sleep 0.1; done'];
      const run = [
        'run',
        '-d',
        ...mounts,
        '-v',
        `${path}:/init:ro`,
        '--entrypoint',
        '/init',
        'busybox',
        '--',
        ...script,
      ];
      const id = await instance.berthOk(run);
      await expect.poll(() => instance.berthOk(['logs', id]), { timeout: 10_000 }).toContain('ready');
      await instance.berthOk(['stop', '-t', '30', id]);
      expect(await instance.berthOk(['inspect', '-f', '{{.State.ExitCode}}', id])).toBe('9');
      expect(await reasonsOf(id)).toEqual([]);
      await instance.berthOk(['rm', id]);
    });
  }
});

/** Ends with 42 when SIGTERM comes, which it takes without a handler. */
const WAITING = `
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>
int main(int argc, char **argv) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    puts("ready");
    fflush(stdout);
    if (argc > 1 && strcmp(argv[1], "sigwait") == 0) {
        int got;
        sigwait(&set, &got);
    } else {
        struct signalfd_siginfo info;
        if (read(signalfd(-1, &set, 0), &info, sizeof(info)) != sizeof(info)) return 1;
    }
    return 42;
}
`;
