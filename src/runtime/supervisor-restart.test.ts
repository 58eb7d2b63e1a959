import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RestartEvent, Supervisor } from './contract.ts';
import {
  collect,
  missingForContainers,
  ociProcess,
  readLog,
  readUntil,
  TestInstance,
} from './test-instance.ts';

const RUNTIME = '/usr/bin/crun';
const missing = missingForContainers(RUNTIME);
const reason = missing === undefined ? '' : ` (skipped: needs ${missing})`;

/** Collects restart events and lets a test wait for one. */
class RestartEvents {
  readonly seen: RestartEvent[] = [];
  #changed = Promise.withResolvers<void>();

  constructor(supervisor: Supervisor) {
    supervisor.onRestart((event) => {
      this.seen.push(event);
      this.#changed.resolve();
    });
  }

  async until(wanted: (event: RestartEvent) => boolean): Promise<RestartEvent> {
    for (;;) {
      const found = this.seen.find(wanted);
      if (found !== undefined) return found;
      await this.#changed.promise;
      this.#changed = Promise.withResolvers();
    }
  }
}

describe.skipIf(missing !== undefined)(`a restart policy${reason}`, { timeout: 30_000 }, () => {
  let instance: TestInstance;
  beforeAll(async () => {
    instance = await TestInstance.create(RUNTIME);
  });
  afterAll(async () => {
    await instance[Symbol.asyncDispose]();
  });

  const shell = (script: string) => ['/bin/sh', '-c', script];
  const always = { policy: 'always' } as const;

  test('is applied while no berthd is connected', async () => {
    const plan = await instance.plan({ restart: { policy: 'on-failure', maximumRetries: 2 } });
    {
      await using berthd = await instance.secondLauncher();
      const supervisor = await berthd.launch(plan);
      await instance.writeConfig(plan, { args: shell('echo x >> /runs; wc -l < /runs; exit 3') });
      await supervisor.run();
    }
    await using berthd = await instance.secondLauncher();
    const found = await berthd.reconnect(plan.id, plan.directory);
    const status = found !== undefined && 'exited' in found ? await found.exited : found;
    expect(status).toMatchObject({ kind: 'exited', code: 3, run: { restarts: 2 } });
    expect((await readLog(plan.log.path)).map(({ log }) => log)).toEqual(['1\n', '2\n', '3\n']);
  });

  test('leaves a success alone that only failures are restarted for', async () => {
    const { supervisor } = await instance.start({
      args: ['true'],
      plan: { restart: { policy: 'on-failure', maximumRetries: 0 } },
    });
    expect(await supervisor.exited).toMatchObject({ kind: 'exited', code: 0, run: { restarts: 0 } });
  });

  test('is told step by step, and the next run can be attached to and has further processes', async () => {
    const { supervisor, session } = await instance.start({
      args: shell('if [ -e /again ]; then cat; else touch /again; echo first; exit 4; fi'),
      plan: { restart: always, openStdin: true },
    });
    const events = new RestartEvents(supervisor);
    const first = supervisor.started;
    expect((await collect(session)).stdout).toBe('first\n');
    await events.until(({ kind }) => kind === 'started');
    expect(events.seen).toMatchObject([
      { kind: 'ended', end: { code: 4, run: { restarts: 1, startedAt: first?.startedAt } } },
      { kind: 'started', started: supervisor.started },
    ]);
    expect(supervisor).toMatchObject({ restarts: 1, isRestarting: false });
    expect(supervisor.started?.pid).not.toBe(first?.pid);
    const next = await supervisor.attach({ stdin: true, stdout: true, stderr: true });
    await next.write(Buffer.from('second'));
    expect(await readUntil(next, 'second')).toBe('second');
    const options = { stdin: false, stdout: true, stderr: true, terminal: false };
    await using exec = await supervisor.exec(ociProcess(['echo', 'inside']), options);
    expect((await collect(exec)).stdout).toBe('inside\n');
    await supervisor.cancelRestart();
    await supervisor.signal(9);
    expect(await supervisor.exited).toMatchObject({ kind: 'exited', code: 137, run: { restarts: 1 } });
  });

  test('is told once to who comes in the middle of it: as past, or when it happens', async () => {
    const { supervisor, plan } = await instance.start({
      args: shell('[ -e /again ] && exec sleep 1000; touch /again; exit 4'),
      plan: { restart: always },
    });
    const events = new RestartEvents(supervisor);
    await events.until(({ kind }) => kind === 'ended');
    await using other = await instance.secondLauncher();
    const found = await other.reconnect(plan.id, plan.directory);
    if (found === undefined || !('past' in found)) throw new Error('the container has ended');
    await events.until(({ kind }) => kind === 'started');
    const seen = new RestartEvents(found);
    if (found.past.last === undefined) await seen.until(({ kind }) => kind === 'started');
    const past = found.past.last === undefined ? [] : [found.past.last];
    const told = seen.seen.flatMap((event) => (event.kind === 'started' ? [event.started] : []));
    expect([...past, ...told]).toEqual([supervisor.started]);
    expect(found.past.ends).toMatchObject([{ code: 4 }]);
    await supervisor.cancelRestart();
    await supervisor.signal(9);
    await supervisor.exited;
  });

  test('is given up in the middle of its back-off', async () => {
    const { supervisor, plan } = await instance.start({ args: shell('exit 6'), plan: { restart: always } });
    const events = new RestartEvents(supervisor);
    await events.until((event) => event.kind === 'ended' && event.end.run.restarts === 5);
    await using other = await instance.secondLauncher();
    const found = await other.reconnect(plan.id, plan.directory);
    expect(found).toMatchObject({ isRestarting: true, restarts: 5 });
    expect(found).toMatchObject({
      past: { ends: [1, 2, 3, 4, 5].map((restarts) => ({ code: 6, run: { restarts } })), last: undefined },
    });
    await supervisor.cancelRestart();
    expect(await supervisor.exited).toMatchObject({ kind: 'exited', code: 6, run: { restarts: 5 } });
  });

  test('can be changed while the container runs', async () => {
    const { supervisor, session } = await instance.start({
      args: shell('cat; exit 2'),
      plan: { openStdin: true, stdinOnce: true },
    });
    const events = new RestartEvents(supervisor);
    await supervisor.setRestartPolicy(always);
    await session.closeInput();
    await events.until(({ kind }) => kind === 'started');
    await supervisor.setRestartPolicy({ policy: 'no' });
    await supervisor.signal(9);
    expect(await supervisor.exited).toMatchObject({ kind: 'exited', code: 137 });
  });

  test('ends with the reason when the next run cannot be started', async () => {
    const { supervisor, plan, session } = await instance.start({
      args: shell('cat; exit 1'),
      plan: { restart: always, openStdin: true, stdinOnce: true },
    });
    await instance.writeConfig(plan, { args: ['no-such-program'] });
    await session.closeInput();
    const status = await supervisor.exited;
    const failed = {
      kind: 'not-restarted',
      reason: { message: expect.stringMatching(/no-such-program.*(not found|no such file)/i) },
      run: { restarts: 1 },
    };
    expect(status).toMatchObject(failed);
    await using other = await instance.secondLauncher();
    expect(await other.reconnect(plan.id, plan.directory)).toMatchObject(failed);
  });

  test('keeps the network, and gives an empty shm', async () => {
    const network = await instance.launcher.createNetworkNamespace();
    const { supervisor } = await instance.start({
      args: shell(
        'ls /dev/shm > /seen; touch /dev/shm/mine; [ -e /again ] && exec sleep 1000; touch /again; exit 1',
      ),
      plan: { restart: always, network, shmSize: 65_536 },
      config: {
        mounts: [
          { destination: '/proc', type: 'proc', source: 'proc' },
          { destination: '/dev', type: 'tmpfs', source: 'tmpfs' },
          { destination: '/dev/shm', type: 'bind', source: 'shm', options: ['bind', 'rw'] },
        ],
      },
    });
    const events = new RestartEvents(supervisor);
    const path = supervisor.networkPath;
    await events.until(({ kind }) => kind === 'started');
    expect(supervisor.networkPath).toBe(path);
    const options = { stdin: false, stdout: true, stderr: true, terminal: false };
    await using exec = await supervisor.exec(ociProcess(shell('wc -c < /seen; ls /dev/shm')), options);
    expect((await collect(exec)).stdout).toBe('0\nmine\n');
    await supervisor.cancelRestart();
    await supervisor.signal(9);
    await supervisor.exited;
    await instance.launcher.releaseNetworkNamespace(network);
  });
});
