import { existsSync } from 'node:fs';
import { readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ExitStatus, Supervisor } from './contract.ts';
import {
  collect,
  ended,
  hasSanitizers,
  missingForContainers,
  ociProcess,
  readLog,
  readUntil,
  TestInstance,
} from './test-instance.ts';

const RUNTIMES = [
  { name: 'crun', path: '/usr/bin/crun' },
  { name: 'runc', path: '/usr/sbin/runc' },
];

for (const { name, path } of RUNTIMES) {
  const missing = missingForContainers(path);
  const reason = missing === undefined ? '' : ` (skipped: needs ${missing})`;

  describe.skipIf(missing !== undefined)(`a container under ${name}${reason}`, { timeout: 30_000 }, () => {
    let instance: TestInstance;
    beforeAll(async () => {
      instance = await TestInstance.create(path);
    });
    afterAll(async () => {
      await instance[Symbol.asyncDispose]();
    });

    const shell = (script: string) => ['/bin/sh', '-c', script];

    test('delivers its output, its exit code and its log', async () => {
      const { supervisor, session, plan } = await instance.start({
        args: shell('echo out; echo err >&2; exit 3'),
      });
      expect(await collect(session)).toEqual({ stdout: 'out\n', stderr: 'err\n' });
      expect(await supervisor.exited).toMatchObject({ kind: 'exited', code: 3, oomKilled: false });
      const log = await readLog(plan.log.path);
      expect(log).toContainEqual({ log: 'out\n', stream: 'stdout', time: expect.any(String) });
      expect(log).toContainEqual({ log: 'err\n', stream: 'stderr', time: expect.any(String) });
    });

    test('exits with 0', async () => {
      const { supervisor } = await instance.start({ args: ['/bin/true'] });
      expect(await supervisor.exited).toMatchObject({ code: 0 });
    });

    test('exits with 128 and the signal when it is killed', async () => {
      const { supervisor, session } = await instance.start({ args: shell('echo up; exec sleep 1000') });
      await readUntil(session, 'up');
      await supervisor.signal(9);
      expect(await supervisor.exited).toMatchObject({ code: 137 });
    });

    test('has its exit record on disk when its end is told', async () => {
      const { supervisor, plan } = await instance.start({ args: shell('exit 7') });
      await supervisor.exited;
      expect(await readFile(join(plan.directory, 'exit'), 'utf8')).toMatch(
        /^berth-exit 2\ncode 7\nsignal 0\noom 0\npeak \d+\nlimit 0\nstarted \d{19}\nfinished \d{19}\nrestarts 0\n$/,
      );
    });

    test('loses none of a megabyte of output', async () => {
      const { session, plan } = await instance.start({ args: shell('seq 1 150000') });
      const { stdout } = await collect(session);
      expect(stdout).toBe(`${Array.from({ length: 150_000 }, (_, line) => line + 1).join('\n')}\n`);
      expect((await readLog(plan.log.path)).map(({ log }) => log).join('')).toBe(stdout);
    });

    test('refuses a program that the image lacks, in the runtime’s words, and leaves nothing', async () => {
      const { supervisor, plan } = await instance.prepare({ args: ['no-such-program'] });
      await expect(supervisor.run()).rejects.toMatchObject({
        kind: 'not-found',
        message: expect.stringMatching(/no-such-program.*(not found|no such file)/i),
      });
      await ended(supervisor);
      expect(existsSync(join(plan.directory, 'rootfs'))).toBe(false);
      expect(await instance.launcher.reconnect(plan.id, plan.directory)).toBeUndefined();
    });

    test('refuses a program that is not executable', async () => {
      const { supervisor } = await instance.prepare({ args: ['/etc/passwd'] });
      await expect(supervisor.run()).rejects.toMatchObject({
        kind: 'invalid',
        message: expect.stringMatching(/permission denied/i),
      });
    });

    test('gets what an attached client writes, and its end of input', async () => {
      const { session } = await instance.start({ args: ['cat'], plan: { openStdin: true, stdinOnce: true } });
      await session.write(Buffer.from('hello '));
      await session.write(Buffer.from('world'));
      await session.closeInput();
      expect(await collect(session)).toEqual({ stdout: 'hello world', stderr: '' });
    });

    test('takes input larger than every buffer on the way', async () => {
      const { session } = await instance.start({
        args: ['wc', '-c'],
        plan: { openStdin: true, stdinOnce: true },
      });
      await session.write(Buffer.alloc(3_000_000));
      await session.closeInput();
      expect((await collect(session)).stdout.trim()).toBe('3000000');
    });

    test('sees the end of input when its first client goes (StdinOnce)', async () => {
      const { supervisor, session } = await instance.start({
        args: ['cat'],
        plan: { openStdin: true, stdinOnce: true },
      });
      await session.write(Buffer.from('x'));
      await session[Symbol.asyncDispose]();
      expect(await supervisor.exited).toMatchObject({ code: 0 });
    });

    test('has a terminal of the size that it is given', async () => {
      const { supervisor, session } = await instance.start({
        args: shell('tty; read line; stty size; exit 4'),
        plan: { terminal: true, openStdin: true },
      });
      expect(await readUntil(session, '/dev/')).toContain('/dev/');
      await supervisor.resize(33, 101);
      await session.write(Buffer.from('go\n'));
      expect(await readUntil(session, '33 101')).toContain('33 101\r\n');
      expect(await supervisor.exited).toMatchObject({ code: 4 });
    });

    test('runs further processes with streams and ends of their own', async () => {
      const { supervisor } = await instance.start({ args: ['sleep', '1000'] });
      await using exec = await supervisor.exec(ociProcess(shell('cat; echo oops >&2; exit 5')), {
        stdin: true,
        stdout: true,
        stderr: true,
        terminal: false,
      });
      expect(exec.pid).toBeGreaterThan(1);
      await exec.write(Buffer.from('through'));
      await exec.closeInput();
      expect(await collect(exec)).toEqual({ stdout: 'through', stderr: 'oops\n' });
      expect(await exec.exited).toMatchObject({ kind: 'exited', code: 5 });
      await supervisor.signal(9);
    });

    test('gives further processes a terminal and signals', async () => {
      const { supervisor } = await instance.start({ args: ['sleep', '1000'] });
      await using exec = await supervisor.exec(
        ociProcess(shell('read line; stty size; exec sleep 1000'), { terminal: true }),
        { stdin: true, stdout: true, stderr: true, terminal: true },
      );
      await exec.resize(20, 90);
      await exec.write(Buffer.from('go\n'));
      expect(await readUntil(exec, '20 90')).toContain('20 90');
      await exec.signal(15);
      expect(await exec.exited).toMatchObject({ code: 143 });
      await supervisor.signal(9);
    });

    test('refuses a further process that does not exist, and goes on', async () => {
      const { supervisor } = await instance.start({ args: ['sleep', '1000'] });
      const options = { stdin: false, stdout: true, stderr: true, terminal: false };
      await expect(supervisor.exec(ociProcess(['no-such-program']), options)).rejects.toMatchObject({
        message: expect.stringMatching(/no-such-program.*(not found|no such file)/i),
      });
      await using exec = await supervisor.exec(ociProcess(['echo', 'still here']), options);
      expect((await collect(exec)).stdout).toBe('still here\n');
      await supervisor.signal(9);
    });

    test('stands still while it is paused', async () => {
      const { supervisor, session } = await instance.start({
        args: ['cat'],
        plan: { openStdin: true },
      });
      await supervisor.pause();
      await session.write(Buffer.from('frozen'));
      await supervisor.resume();
      expect(await readUntil(session, 'frozen')).toBe('frozen');
      await supervisor.signal(9);
    });

    test('ends although a background process of an exec holds its output', async () => {
      const { supervisor } = await instance.start({ args: ['sleep', '1000'] });
      await using exec = await supervisor.exec(ociProcess(shell('sleep 1000 & echo done')), {
        stdin: false,
        stdout: true,
        stderr: true,
        terminal: false,
      });
      expect(await collect(exec)).toEqual({ stdout: 'done\n', stderr: '' });
      expect(await exec.exited).toMatchObject({ code: 0 });
      const script = 'while true; do echo more; done & exit 6';
      await using noisy = await supervisor.exec(ociProcess(shell(script)), {
        stdin: false,
        stdout: true,
        stderr: true,
        terminal: false,
      });
      await collect(noisy);
      expect(await noisy.exited).toMatchObject({ code: 6 });
      await supervisor.signal(9);
    });

    test('is found again with its state by another berthd', async () => {
      const { plan, supervisor } = await instance.start({
        args: shell('echo before; cat'),
        plan: { openStdin: true },
      });
      await using other = await instance.secondLauncher();
      const found = expectSupervisor(await other.reconnect(plan.id, plan.directory));
      expect(found.pid).toBe(supervisor.pid);
      expect(found.started).toEqual(supervisor.started);
      const session = await found.attach({ stdin: true, stdout: true, stderr: true });
      await session.write(Buffer.from('after'));
      expect(await readUntil(session, 'after')).toContain('after');
      await found.signal(9);
      expect(await supervisor.exited).toMatchObject({ code: 137 });
    });

    test('ends and is recorded while no berthd is connected', async () => {
      const plan = await instance.plan({ openStdin: true });
      {
        await using berthd = await instance.secondLauncher();
        const supervisor = await berthd.launch(plan);
        await instance.writeConfig(plan, { args: shell('sleep 0.3; echo alone; exit 9') });
        await supervisor.run();
      }
      await using berthd = await instance.secondLauncher();
      const found = await berthd.reconnect(plan.id, plan.directory);
      const status = isSupervisor(found) ? await found.exited : found;
      expect(status).toMatchObject({ kind: 'exited', code: 9 });
      expect((await readLog(plan.log.path)).map(({ log }) => log)).toEqual(['alone\n']);
    });

    test('starts although berthd goes away while it starts', async () => {
      const plan = await instance.plan();
      const berthd = await instance.secondLauncher();
      const supervisor = await berthd.launch(plan);
      await instance.writeConfig(plan, { args: shell('echo started; exec sleep 1000') });
      const lost = expect(supervisor.run()).rejects.toMatchObject({ kind: 'unavailable' });
      await berthd[Symbol.asyncDispose]();
      await lost;
      await using next = await instance.secondLauncher();
      const found = expectSupervisor(await next.reconnect(plan.id, plan.directory));
      await found.signal(9);
      expect(await found.exited).toMatchObject({ code: 137 });
    });

    test('gives everything to a client that reads only after the end', async () => {
      const { supervisor, session } = await instance.start({ args: shell('seq 1 10000; exit 2') });
      expect(await supervisor.exited).toMatchObject({ code: 2 });
      expect((await collect(session)).stdout).toHaveLength(48_894);
    });

    test('is not touched when the launcher is killed', async () => {
      await using own = await TestInstance.create(path);
      const { plan, supervisor, session } = await own.start({ args: ['cat'], plan: { openStdin: true } });
      process.kill(own.launcherPid(), 'SIGKILL');
      await session.write(Buffer.from('alive'));
      expect(await readUntil(session, 'alive')).toBe('alive');
      await using other = await own.secondLauncher();
      expect(expectSupervisor(await other.reconnect(plan.id, plan.directory)).pid).toBe(supervisor.pid);
      const next = await own.start({ args: ['echo', 'the next one'] });
      expect((await collect(next.session)).stdout).toBe('the next one\n');
    });

    test('ended in an unknown way when its supervisor was killed, and can be started again', async () => {
      const { plan, supervisor } = await instance.start({ args: ['sleep', '1000'] });
      process.kill(supervisor.pid, 'SIGKILL');
      expect(await supervisor.exited).toMatchObject({ kind: 'unknown' });
      expect(await instance.launcher.reconnect(plan.id, plan.directory)).toMatchObject({ kind: 'unknown' });
      const again = await instance.launcher.launch(plan);
      await again.run();
      await again.signal(9);
      expect(await again.exited).toMatchObject({ kind: 'exited', code: 137 });
    });

    test('can be started again as soon as its end was told', async () => {
      const { plan, supervisor } = await instance.start({ args: shell('exit 1') });
      await supervisor.exited;
      const again = await instance.launcher.launch(plan);
      await again.run();
      expect(await again.exited).toMatchObject({ code: 1 });
      await ended(again);
    });

    test('leaves nothing when it is given up before it ran', async () => {
      const before = await readFile('/proc/self/mounts', 'utf8');
      const { plan, supervisor } = await instance.prepare({ plan: { shmSize: 65_536 } });
      expect(supervisor.started).toBeUndefined();
      await supervisor.discard();
      for (const name of ['rootfs', 'shm', 'exit', 'pid', 'console.sock'])
        expect(existsSync(join(plan.directory, name))).toBe(false);
      expect(await readFile('/proc/self/mounts', 'utf8')).toBe(before);
      expect(await instance.launcher.reconnect(plan.id, plan.directory)).toBeUndefined();
    });

    test('shows its root, accounts and shm to berthd, and not in the host’s mounts', async () => {
      const { plan, supervisor } = await instance.prepare({ plan: { shmSize: 1_048_576 } });
      expect(supervisor.accounts).toEqual({ passwd: 'root:x:0:0::/root:/bin/sh\n', group: '' });
      expect(await readlink(join(supervisor.rootPath, 'bin/sh'))).toBe('busybox');
      expect(await readFile('/proc/self/mounts', 'utf8')).not.toContain(plan.id);
      const mounts = await readFile(`/proc/${supervisor.pid}/mounts`, 'utf8');
      expect(mounts).toMatch(/shm tmpfs rw,nosuid,nodev,noexec,relatime,size=1024k/);
      expect(mounts).toMatch(/rootfs overlay/);
      await supervisor.discard();
    });

    test('refuses what its state does not allow', async () => {
      const { supervisor } = await instance.prepare({ args: ['sleep', '1000'] });
      await expect(supervisor.signal(15)).rejects.toMatchObject({ kind: 'conflict' });
      await expect(supervisor.pause()).rejects.toMatchObject({ kind: 'conflict' });
      await expect(supervisor.resize(1, 1)).rejects.toMatchObject({ kind: 'conflict' });
      const options = { stdin: false, stdout: true, stderr: true, terminal: false };
      await expect(supervisor.exec(ociProcess(['true']), options)).rejects.toMatchObject({
        kind: 'conflict',
      });
      await supervisor.run();
      await expect(supervisor.run()).rejects.toMatchObject({ kind: 'conflict' });
      await expect(supervisor.discard()).rejects.toMatchObject({ kind: 'conflict' });
      await supervisor.signal(9);
      await supervisor.exited;
      await ended(supervisor);
      await expect(supervisor.signal(9)).rejects.toMatchObject({ kind: 'unavailable' });
    });

    test.skipIf(hasSanitizers)(
      'keeps at most one MiB private in its supervisor (not with sanitizers)',
      async () => {
        const { supervisor, session } = await instance.start({
          args: shell('seq 1 20000; echo up; cat'),
          plan: { openStdin: true },
        });
        await readUntil(session, 'up');
        const rollup = await readFile(`/proc/${supervisor.pid}/smaps_rollup`, 'utf8');
        const kilobytes = [...rollup.matchAll(/^Private_(?:Clean|Dirty): +(\d+) kB/gm)].map(([, size]) =>
          Number(size),
        );
        expect(kilobytes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(1024);
        expect(await threadsOf(supervisor.pid)).toBe(1);
        await supervisor.signal(9);
      },
    );

    test('says that it was out of memory', async () => {
      const { supervisor, session } = await instance.start({
        args: shell('read start; x=a; while true; do x=$x$x; done'),
        linux: { resources: { memory: { limit: 16 * 1024 * 1024 } } },
        plan: { openStdin: true },
      });
      await session.write(Buffer.from('start\n'));
      const limit = 16 * 1024 * 1024;
      expect(await supervisor.exited).toMatchObject({
        code: 137,
        oomKilled: true,
        signal: 9,
        memory: { peak: limit, limit },
      });
    });

    test('rotates its log and keeps as many files as it may', async () => {
      const plan = await instance.plan();
      const { supervisor } = await instance.start({
        args: shell('seq 1 2000'),
        plan: {
          log: {
            driver: 'json-file',
            path: join(instance.folder, `${plan.id}.log`),
            maxSize: 50_000,
            maxFiles: 3,
          },
        },
      });
      await supervisor.exited;
      const base = join(instance.folder, `${plan.id}.log`);
      const files = [`${base}.2`, `${base}.1`, base];
      const kept = (await Promise.all(files.map(readLog))).flat().map(({ log }) => Number(log));
      expect(kept.at(-1)).toBe(2000);
      expect(kept).toEqual(Array.from({ length: kept.length }, (_, index) => 2001 - kept.length + index));
      expect(existsSync(`${base}.3`)).toBe(false);
      expect((await readFile(`${base}.1`)).length).toBeGreaterThanOrEqual(50_000);
    });

    test('writes no log with the driver "none"', async () => {
      const log = {
        driver: 'none',
        path: join(instance.folder, 'none.log'),
        maxSize: 0,
        maxFiles: 1,
      } as const;
      const { session } = await instance.start({ args: ['echo', 'x'], plan: { log } });
      expect((await collect(session)).stdout).toBe('x\n');
      expect(existsSync(log.path)).toBe(false);
    });

    test('is in the network namespace that the launcher made', async () => {
      const network = await instance.launcher.createNetworkNamespace();
      const { supervisor } = await instance.start({ args: ['sleep', '1000'], plan: { network } });
      await instance.launcher.releaseNetworkNamespace(network);
      const inside = await readlink(`/proc/${supervisor.started?.pid}/ns/net`);
      expect(inside).toBe(await readlink(supervisor.networkPath ?? ''));
      expect(inside).not.toBe(await readlink('/proc/self/ns/net'));
      await supervisor.signal(9);
    });
  });
}

function isSupervisor(found: Supervisor | ExitStatus | undefined): found is Supervisor {
  return found !== undefined && !('kind' in found);
}

function expectSupervisor(found: Supervisor | ExitStatus | undefined): Supervisor {
  if (isSupervisor(found)) return found;
  throw new Error(`no supervisor: ${JSON.stringify(found)}`);
}

async function threadsOf(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/^Threads:\s+(\d+)$/m.exec(status)?.[1]);
}
