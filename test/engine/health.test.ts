import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Instance, startInstance } from './instance.ts';

describe('a health check', () => {
  let instance: Instance;
  beforeAll(async () => {
    instance = await startInstance();
    await instance.berthOk(['pull', '-q', 'busybox:latest']);
  });
  afterAll(async () => instance[Symbol.asyncDispose]());

  const QUICK = ['--health-interval', '100ms'];

  /** Starts a container that sleeps, with a health check. */
  const started = (command: string, ...options: string[]) =>
    instance.berthOk([
      'run',
      '-d',
      '--health-cmd',
      command,
      ...QUICK,
      ...options,
      'busybox',
      'sleep',
      '1000',
    ]);

  const health = async (id: string) =>
    JSON.parse(await instance.berthOk(['inspect', '-f', '{{json .State.Health}}', id])) as {
      Status: string;
      FailingStreak: number;
      Log: { ExitCode: number; Output: string; Start: string; End: string }[];
    };

  const becomes = (id: string, status: string) =>
    expect.poll(async () => (await health(id)).Status, { timeout: 20_000 }).toBe(status);

  /** The actions of a container's events until now. */
  const actions = async (id: string) => {
    const until = String(Math.ceil(Date.now() / 1000));
    const args = ['events', '--since', '1', '--until', until, '-f', `container=${id}`];
    return (await instance.berthOk([...args, '--format', '{{.Action}}'])).split('\n');
  };

  it('makes a container healthy with the first success, and lists say so', async () => {
    const id = await started('echo I am; test -e /ok');
    expect(await instance.berthOk(['ps', '--format', '{{.Status}}'])).toMatch(/^Up .* \(health: starting\)$/);
    await instance.berthOk(['exec', id, 'touch', '/ok']);
    await becomes(id, 'healthy');
    expect(await instance.berthOk(['ps', '--format', '{{.Status}}'])).toMatch(/^Up .* \(healthy\)$/);
    expect(await instance.berthOk(['ps', '-q', '--no-trunc', '-f', 'health=healthy'])).toBe(id);
    expect(await instance.berthOk(['ps', '-q', '-f', 'health=unhealthy'])).toBe('');
    expect((await health(id)).Log.at(-1)).toMatchObject({ ExitCode: 0, Output: 'I am\n' });
    const probe = '/bin/sh -c echo I am; test -e /ok';
    expect(await actions(id)).toEqual(
      expect.arrayContaining([
        `exec_create: ${probe}`,
        `exec_start: ${probe}`,
        'exec_die',
        'health_status: healthy',
      ]),
    );
    await instance.berthOk(['rm', '-f', id]);
  });

  it('makes a container unhealthy after its retries, and healthy again', async () => {
    const id = await started('test -e /ok', '--health-retries', '2');
    await becomes(id, 'unhealthy');
    expect((await health(id)).FailingStreak).toBeGreaterThanOrEqual(2);
    await instance.berthOk(['exec', id, 'touch', '/ok']);
    await becomes(id, 'healthy');
    expect((await health(id)).FailingStreak).toBe(0);
    await instance.berthOk(['rm', '-f', id]);
  });

  it('kills a probe that takes longer than its timeout', async () => {
    const id = await started(
      'echo slow; sleep 1000; true',
      '--health-timeout',
      '300ms',
      '--health-retries',
      '1',
    );
    await becomes(id, 'unhealthy');
    const { Log: log } = await health(id);
    expect(log[0]).toMatchObject({ ExitCode: -1, Output: 'Health check exceeded timeout (300ms): slow\n' });
    const shells = async () =>
      (await instance.berthOk(['exec', id, 'ps', '-o', 'args'])).match(/^\/bin\/sh/gm);
    expect((await shells())?.length ?? 0).toBeLessThanOrEqual(1); // the one that runs now
    await instance.berthOk(['rm', '-f', id]);
  });

  it('does not count failures in the start period, and probes at its own interval there', async () => {
    const options = [
      '--health-start-period',
      '1h',
      '--health-start-interval',
      '50ms',
      '--health-retries',
      '1',
    ];
    const id = await started('test -e /ok', ...options, '--health-interval', '1h');
    await expect.poll(async () => (await health(id)).Log.length, { timeout: 20_000 }).toBeGreaterThan(2);
    expect(await health(id)).toMatchObject({ Status: 'starting', FailingStreak: 0 });
    await instance.berthOk(['exec', id, 'touch', '/ok']);
    await becomes(id, 'healthy');
    await instance.berthOk(['rm', '-f', id]);
  });

  it('keeps 4096 bytes of what a probe prints, and five results', async () => {
    const id = await started('head -c 5000 /dev/zero | tr "\\0" x');
    await expect.poll(async () => (await health(id)).Log.length, { timeout: 20_000 }).toBe(5);
    expect((await health(id)).Log[0]?.Output).toBe(`${'x'.repeat(4096)}...`);
    await instance.berthOk(['rm', '-f', id]);
  });

  it('tells why a probe cannot run', async () => {
    const { body } = await instance.api('POST /containers/create?name=no-probe', {
      Image: 'busybox',
      Cmd: ['sleep', '1000'],
      Healthcheck: { Test: ['CMD', '/no/such/probe'], Interval: 1e8, Retries: 1 },
    });
    expect(body).toMatchObject({ Warnings: [] });
    await instance.berthOk(['start', 'no-probe']);
    await becomes('no-probe', 'unhealthy');
    const [first] = (await health('no-probe')).Log;
    expect(first).toMatchObject({ ExitCode: -1, Output: expect.stringContaining('/no/such/probe') });
    await instance.berthOk(['rm', '-f', 'no-probe']);
  });

  it("is the image's, unless the user says otherwise", async () => {
    const folder = await mkdtemp('/tmp/berth-health-');
    try {
      const dockerfile =
        'FROM busybox\nHEALTHCHECK --interval=100ms --retries=1 CMD test -e /ok\nCMD sleep 1000\n';
      await writeFile(`${folder}/Dockerfile`, dockerfile);
      await instance.berthOk(['build', '-q', '-t', 'checked', folder]);
    } finally {
      await rm(folder, { recursive: true });
    }
    const own = await instance.berthOk(['run', '-d', 'checked']);
    await becomes(own, 'unhealthy');
    const changed = await instance.berthOk(['run', '-d', '--health-cmd', 'true', 'checked']);
    await becomes(changed, 'healthy');
    const none = await instance.berthOk(['run', '-d', '--no-healthcheck', 'checked']);
    const { body } = await instance.api(`GET /containers/${none}/json`);
    expect(body).toMatchObject({ State: { Running: true }, Config: { Healthcheck: { Test: ['NONE'] } } });
    expect(body).not.toHaveProperty('State.Health');
    await instance.berthOk(['rm', '-f', own, changed, none]);
  });

  it('ends with its container, and begins anew with it', async () => {
    const id = await started('true');
    await becomes(id, 'healthy');
    await instance.berthOk(['stop', '-t', '0', id]);
    const ended = await health(id);
    expect(ended.Status).toBe('unhealthy'); // Docker's word for what nobody checks any more
    const afterEnd = (await actions(id)).join('\n').split(/^die$/m)[1];
    expect(afterEnd).not.toMatch(/exec_create|health_status/);
    await instance.berthOk(['start', id]);
    expect((await health(id)).Log.length).toBeGreaterThanOrEqual(ended.Log.length);
    await becomes(id, 'healthy');
    await instance.berthOk(['rm', '-f', id]);
  });

  it('goes on when berthd starts again, from what it had found', async () => {
    const id = await started('test ! -e /broken', '--health-retries', '1');
    await becomes(id, 'healthy');
    await instance.killDaemon();
    await instance.startDaemon();
    expect(await instance.berthOk(['ps', '--format', '{{.Status}}'])).toMatch(/\(healthy\)$/);
    await instance.berthOk(['exec', id, 'touch', '/broken']);
    await becomes(id, 'unhealthy');
    await instance.berthOk(['rm', '-f', id]);
  });

  it('is waited for by the services that depend on it', async () => {
    const folder = await mkdtemp('/tmp/berth-health-');
    const file = (test: string) => `
name: health
services:
  db:
    image: busybox
    command: sleep 1000
    stop_grace_period: 0s
    healthcheck: { test: ${test}, interval: 100ms, retries: 20 }
  web:
    image: busybox
    command: sleep 1000
    stop_grace_period: 0s
    depends_on: { db: { condition: service_healthy } }
`;
    try {
      await writeFile(`${folder}/compose.yaml`, file('["CMD-SHELL", "test -e /ok || ! touch /ok"]'));
      await instance.berthOk(['compose', 'up', '-d'], { cwd: folder });
      expect((await health('health-db-1')).Status).toBe('healthy');
      expect(await instance.berthOk(['compose', 'ps', '-q'], { cwd: folder })).toMatch(/^\w+\n\w+$/);
      await instance.berthOk(['compose', 'down'], { cwd: folder });

      await writeFile(`${folder}/compose.yaml`, file('["CMD", "false"]'));
      const { code, stderr } = await instance.berth(['compose', 'up', '-d'], { cwd: folder });
      expect(code).not.toBe(0);
      expect(stderr).toContain('container health-db-1 is unhealthy');
      await instance.berthOk(['compose', 'down'], { cwd: folder });
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
