import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../../src/base/index.ts';
import { Foreground } from './foreground.ts';
import { type Instance, startInstance } from './instance.ts';

interface Event {
  readonly Action: string;
  readonly Actor: { readonly Attributes: Readonly<Record<string, string>> };
}

describe('a restart policy', () => {
  let instance: Instance;
  beforeAll(async () => {
    instance = await startInstance();
    await instance.berthOk(['pull', '-q', 'busybox:latest']);
  });
  afterAll(async () => instance[Symbol.asyncDispose]());

  const start = (name: string, script: string, ...options: string[]) =>
    instance.berthOk(['run', '-d', '--name', name, ...options, 'busybox', 'sh', '-c', script]);

  const inspect = (name: string, format: string) => instance.berthOk(['inspect', '-f', format, name]);

  const state = (name: string) => inspect(name, '{{.State.Status}} {{.State.ExitCode}} {{.RestartCount}}');

  /** Ends and starts of a container since this berthd was started. */
  const history = async (name: string) => {
    const until = String(Math.ceil(Date.now() / 1000) + 1);
    const filters = ['type=container', `container=${name}`, 'event=die', 'event=start'];
    const options = filters.flatMap((filter) => ['--filter', filter]);
    const lines = await instance.berthOk([
      'events',
      '--since',
      '1',
      '--until',
      until,
      '--format',
      'json',
      ...options,
    ]);
    return lines.split('\n').map((line) => {
      const { Action, Actor } = JSON.parse(line) as Event;
      return Action === 'die' ? `die ${Actor.Attributes.exitCode}` : Action;
    });
  };

  it('is applied while berthd is dead; count, state, start time and events are right when it is back', async () => {
    await start(
      'counter',
      'echo x >> /runs; [ $(wc -l < /runs) = 3 ] && exec sleep 1000; sleep 1; exit 4',
      '--restart',
      'always',
    );
    const startedAt = await inspect('counter', '{{.State.StartedAt}}');
    await instance.killDaemon();
    await running('sleep 1000');
    await instance.startDaemon();
    expect(await state('counter')).toBe('running 0 2');
    expect(Date.parse(await inspect('counter', '{{.State.StartedAt}}'))).toBeGreaterThan(
      Date.parse(startedAt) + 2000,
    );
    expect(await history('counter')).toEqual(['die 4', 'start', 'die 4', 'start']);
    expect(await instance.berthOk(['exec', 'counter', 'wc', '-l', '/runs'])).toBe('3 /runs');
    await instance.berthOk(['rm', '-f', 'counter']);
  });

  it('is at its end when berthd is back: the last exit code, the count and the reason', async () => {
    const script = 'sleep 0.5; echo x >> /runs; echo run $(wc -l < /runs); exit 7';
    await start('spent', script, '--restart', 'on-failure:2');
    const waiting = instance.berth(['wait', 'spent']);
    await instance.killDaemon();
    await waiting;
    await instance.startDaemon();
    await expect.poll(() => state('spent'), { timeout: 10_000 }).toBe('exited 7 2');
    expect(await instance.berthOk(['logs', 'spent'])).toBe('run 1\nrun 2\nrun 3');
    expect(await history('spent')).toEqual(['die 7', 'start', 'die 7', 'start', 'die 7']);
    const { body } = await instance.api('GET /berth/containers/spent/ends');
    const end = (number: number) =>
      expect.objectContaining({
        ExitCode: 7,
        Restarted: number < 3,
        Log: [expect.objectContaining({ Text: `run ${number}` })],
      });
    expect(body).toMatchObject({ Ends: [end(3), end(2), end(1)] });
    await instance.berthOk(['rm', 'spent']);
  });

  it('shows a container that waits as restarting, and refuses what only a running one can do', async () => {
    await start('waiting', 'exit 3', '--restart', 'always');
    await expect.poll(() => inspect('waiting', '{{.RestartCount}}'), { timeout: 20_000 }).toBe('6');
    expect(await state('waiting')).toBe('restarting 3 6');
    expect(await inspect('waiting', '{{.State.Running}} {{.State.Restarting}} {{.State.Pid}}')).toBe(
      'true true 0',
    );
    const { body } = await instance.api('GET /containers/json?filters={"name":["waiting"]}');
    expect(body).toMatchObject([
      { State: 'restarting', Status: expect.stringMatching(/^Restarting \(3\) .* ago$/) },
    ]);
    const refused = { status: 409, body: { message: expect.stringContaining('is restarting, wait until') } };
    expect(await instance.api('POST /containers/waiting/exec', { Cmd: ['true'] })).toMatchObject(refused);
    expect(await instance.api('POST /containers/waiting/pause')).toMatchObject(refused);
    expect(await instance.api('GET /containers/waiting/top')).toMatchObject(refused);
    expect(await instance.api('POST /containers/waiting/attach?stream=1&stdout=1')).toMatchObject(refused);
    expect(await instance.api('DELETE /containers/waiting')).toMatchObject({
      status: 409,
      body: { message: expect.stringContaining('container is restarting: stop the container') },
    });
    expect((await instance.api('POST /containers/waiting/start')).status).toBe(304);
    await instance.berthOk(['stop', 'waiting']);
    expect(await state('waiting')).toBe('exited 3 6');
    await instance.berthOk(['rm', 'waiting']);
  });

  it('is ended in its back-off by kill and by rm -f', async () => {
    await start('first', 'exit 3', '--restart', 'always');
    await start('second', 'exit 3', '--restart', 'always');
    await expect.poll(() => inspect('second', '{{.RestartCount}}'), { timeout: 20_000 }).toBe('5');
    await instance.berthOk(['kill', 'first']);
    expect(await inspect('first', '{{.State.Status}}')).toBe('exited');
    await instance.berthOk(['rm', '-f', 'second']);
    await instance.berthOk(['rm', 'first']);
  });

  it('is not applied to what the user stopped, and unless-stopped remembers it over a restart of berthd', async () => {
    const sleep = 'trap "exit 0" TERM; while :; do sleep 0.1; done';
    await start('unless', sleep, '--restart', 'unless-stopped');
    await start('always', sleep, '--restart', 'always');
    await instance.berthOk(['stop', 'unless', 'always']);
    expect(await state('always')).toBe('exited 0 0');
    await instance.killDaemon();
    await instance.startDaemon();
    await expect.poll(() => inspect('always', '{{.State.Status}}'), { timeout: 10_000 }).toBe('running');
    expect(await inspect('unless', '{{.State.Status}}')).toBe('exited');
    await instance.berthOk(['rm', '-f', 'unless', 'always']);
  });

  it('keeps address and published port, also while berthd is dead', async () => {
    const serve =
      'echo -n hello > index.html; httpd -f -p 80 & sleep 1; [ -e /again ] && wait; touch /again; kill $!; exit 1';
    await start('web', serve, '--restart', 'always', '-p', '127.0.0.1::80');
    const address = await inspect('web', '{{.NetworkSettings.IPAddress}}');
    const port = await instance.publishedPort('web', '80/tcp');
    await instance.killDaemon();
    const page = async () => {
      const answer = await fetch(`http://127.0.0.1:${port}/`).catch(() => undefined);
      return answer?.text();
    };
    await expect.poll(page, { timeout: 10_000 }).toBe('hello');
    await instance.startDaemon();
    await expect
      .poll(() => inspect('web', '{{.RestartCount}} {{.State.Status}}'), { timeout: 10_000 })
      .toBe('1 running');
    await expect.poll(page, { timeout: 10_000 }).toBe('hello');
    expect(await inspect('web', '{{.NetworkSettings.IPAddress}}')).toBe(address);
    expect(await instance.publishedPort('web', '80/tcp')).toBe(port);
    await instance.berthOk(['rm', '-f', 'web']);
  });

  it('goes on with the health check of each run', async () => {
    const script =
      '[ -e /again ] && touch /healthy; touch /again; sleep 1; [ -e /healthy ] && exec sleep 1000; exit 1';
    await start(
      'checked',
      script,
      '--restart',
      'always',
      '--health-cmd',
      'test -e /healthy',
      '--health-interval',
      '100ms',
    );
    await instance.killDaemon();
    await running('sleep 1000');
    await instance.startDaemon();
    const health = () => inspect('checked', '{{.State.Health.Status}} {{.RestartCount}}');
    await expect.poll(health, { timeout: 10_000 }).toBe('healthy 1');
    await instance.berthOk(['rm', '-f', 'checked']);
  });

  it('starts a container again whose supervisor was killed', async () => {
    await start('orphan', 'echo x >> /runs; exec sleep 1000', '--restart', 'always');
    const pid = Number(await inspect('orphan', '{{.State.Pid}}'));
    process.kill(await parentOf(pid), 'SIGKILL');
    await expect.poll(() => state('orphan'), { timeout: 10_000 }).toBe('running 0 1');
    expect(await instance.berthOk(['exec', 'orphan', 'wc', '-l', '/runs'])).toBe('2 /runs');
    expect(await history('orphan')).toEqual(['start', 'die 255', 'start']);
    await instance.berthOk(['rm', '-f', 'orphan']);
  });

  it('ends the foreground client of berth run with the first end, as in Docker', async () => {
    const front = new Foreground(
      `${import.meta.dirname}/../../bin/berth`,
      ['run', '--name', 'front', '--restart', 'always', 'busybox', 'sh', '-c', 'echo said; exit 9'],
      { env: { ...process.env, DOCKER_HOST: `unix://${instance.socketPath}` } },
    );
    expect(await front.exitCode()).toBe(9);
    await instance.berthOk(['rm', '-f', 'front']);
  });
});

/** Resolves when a process of this machine has the command line. */
async function running(commandLine: string): Promise<void> {
  await expect
    .poll(async () => (await run('ps', ['-eo', 'args'])).stdout.toString().split('\n'), { timeout: 20_000 })
    .toContain(commandLine);
}

async function parentOf(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/^PPid:\s+(\d+)$/m.exec(status)?.[1]);
}
