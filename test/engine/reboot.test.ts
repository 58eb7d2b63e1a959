import { readdir, readFile, readlink, rm } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Foreground } from './foreground.ts';
import { type Instance, startInstance } from './instance.ts';

describe('when berthd or the whole machine goes', () => {
  let instance: Instance;
  beforeAll(async () => {
    instance = await startInstance();
    await instance.berthOk(['pull', '-q', 'busybox:latest']);
  });
  afterAll(async () => instance[Symbol.asyncDispose]());

  const start = (name: string, script: string, ...options: string[]) =>
    instance.berthOk(['run', '-d', '--name', name, ...options, 'busybox', 'sh', '-c', script]);

  const inspect = (name: string, format: string) => instance.berthOk(['inspect', '-f', format, name]);

  it('a log has every line, though berthd is killed twice while a container writes', async () => {
    const script =
      'i=0; while [ $i -lt 3000 ]; do echo $i; i=$((i+1)); [ $((i % 100)) = 0 ] && sleep 0.1; done';
    await start('writer', script, '--log-opt', 'max-size=20k', '--log-opt', 'max-file=30');
    for (let round = 0; round < 2; round += 1) {
      await instance.killDaemon();
      await instance.startDaemon();
    }
    await instance.berthOk(['wait', 'writer']);
    const lines = (await instance.berthOk(['logs', 'writer'])).split('\n').map(Number);
    expect(lines).toEqual(Array.from({ length: 3000 }, (_, index) => index));
    await instance.berthOk(['rm', 'writer']);
  });

  it('a published port refuses no connection, whatever becomes of berthd', async () => {
    await start('web', 'echo -n hello > index.html; exec httpd -f -p 80', '-p', '127.0.0.1::80');
    const port = await instance.publishedPort('web', '80/tcp');
    const page = async () => (await fetch(`http://127.0.0.1:${port}/`)).text();
    await expect.poll(() => page().catch(() => ''), { timeout: 10_000 }).toBe('hello');
    let stop = false;
    const failures: unknown[] = [];
    const visits = (async () => {
      let count = 0;
      for (; !stop; count += 1) {
        await page().catch((error: unknown) => failures.push(error));
      }
      return count;
    })();
    await instance.killDaemon();
    await instance.startDaemon();
    stop = true;
    expect(await visits).toBeGreaterThan(0);
    expect(failures).toEqual([]);
    await instance.berthOk(['rm', '-f', 'web']);
  });

  it('a client that is attached ends in words, and the next one finds the container', async () => {
    await start('host', 'while :; do echo beat; sleep 0.1; done');
    const client = new Foreground(`${import.meta.dirname}/../../bin/berth`, ['attach', 'host'], {
      env: { ...process.env, DOCKER_HOST: `unix://${instance.socketPath}` },
    });
    await client.said('beat');
    await instance.killDaemon();
    expect(await client.exitCode()).not.toBe(null);
    await instance.startDaemon();
    const next = new Foreground(`${import.meta.dirname}/../../bin/berth`, ['attach', 'host'], {
      env: { ...process.env, DOCKER_HOST: `unix://${instance.socketPath}` },
    });
    await next.said('beat');
    await instance.berthOk(['rm', '-f', 'host']);
    await next.exitCode();
  });

  it('after a reboot the state is what the kernel says, and restart policies are kept', async () => {
    await start('none', 'exec sleep 1000');
    await start('always', 'exec sleep 1000', '--restart', 'always', '-p', '127.0.0.1::80');
    await start('stopped', 'exec sleep 1000', '--restart', 'unless-stopped');
    await instance.berthOk(['stop', '-t', '0', 'stopped']);
    await start('ended', 'exit 4');
    await instance.berthOk(['wait', 'ended']);

    await instance.killDaemon();
    await endEverything(instance.execRoot);
    await rm(instance.execRoot, { recursive: true });
    await instance.startDaemon();

    expect(await inspect('none', '{{.State.Status}} {{.State.ExitCode}}')).toBe('exited 255');
    expect(await inspect('none', '{{.State.Error}}')).toContain('before it could tell');
    expect(await inspect('ended', '{{.State.Status}} {{.State.ExitCode}}')).toBe('exited 4');
    expect(await inspect('stopped', '{{.State.Status}}')).toBe('exited');
    const always = () => inspect('always', '{{.State.Status}} {{.RestartCount}}');
    await expect.poll(always, { timeout: 10_000 }).toBe('running 1');
    expect(await instance.berthOk(['exec', 'always', 'echo', 'inside'])).toBe('inside');
    await instance.berthOk(['start', 'none']);
    expect(await inspect('none', '{{.State.Status}}')).toBe('running');
    await instance.berthOk(['rm', '-f', 'none', 'always', 'stopped', 'ended']);
  });
});

/** Ends the launcher, all supervisors of an instance and their containers at once: no process, mount or netns stays. */
async function endEverything(execRoot: string): Promise<void> {
  const launcher = Number(await readFile(`${execRoot}/l.pid`, 'utf8'));
  const isOurs = async (pid: number) => {
    const program = await readlink(`/proc/${pid}/exe`).catch(() => '');
    const text = await readFile(`/proc/${pid}/net/unix`, 'utf8').catch(() => '');
    return program.endsWith('/berth-shim') && text.includes(execRoot);
  };
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const own: number[] = [];
  for (const pid of pids) if (await isOurs(pid)) own.push(pid);
  const containers = (await Promise.all(own.map(childrenOf))).flat();
  for (const pid of [launcher, ...own, ...containers]) process.kill(pid, 'SIGKILL');
  await expect.poll(() => Promise.all([launcher, ...own, ...containers].map(isAlive))).not.toContain(true);
}

async function childrenOf(pid: number): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return text.split(' ').filter(Boolean).map(Number);
}

async function isAlive(pid: number): Promise<boolean> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => 'State:\tX');
  return !/^State:\s+[XZ]/m.test(status);
}
