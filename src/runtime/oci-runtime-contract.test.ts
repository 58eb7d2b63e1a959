import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findOciRuntimes } from './oci-runtimes.ts';
import {
  type ContainerOptions,
  collect,
  ended,
  missingForContainers,
  ociProcess,
  readLog,
  readUntil,
  TestInstance,
} from './test-instance.ts';

const { available } = await findOciRuntimes();

/** The runtimes that berth is made for, each with what it needs beside its name; runsc is gVisor's. */
const RUNTIMES = [
  { name: 'crun', args: [], countsProcesses: true },
  { name: 'runc', args: [], countsProcesses: true },
  // Its network stack asks for a namespace, seccomp filters for a flag; and the host sees its threads, not its processes.
  { name: 'runsc', args: ['--network=none', '--oci-seccomp'], countsProcesses: false },
];

const shell = (script: string) => ['/bin/sh', '-c', script];
const OUTPUT = { stdin: false, stdout: true, stderr: true, terminal: false };
const MEBIBYTE = 1024 * 1024;

for (const { name, args, countsProcesses } of RUNTIMES) {
  const path = available.get(name)?.path;
  const missing = path === undefined ? name : missingForContainers(path);
  const reason = missing === undefined ? '' : ` (skipped: needs ${missing})`;

  describe.skipIf(missing !== undefined)(`the OCI runtime ${name}${reason}`, { timeout: 30_000 }, () => {
    let instance: TestInstance;
    beforeAll(async () => {
      instance = await TestInstance.create(path ?? '');
    });
    afterAll(async () => instance[Symbol.asyncDispose]());

    const withRuntime = ({ plan, ...options }: ContainerOptions): ContainerOptions => ({
      ...options,
      plan: { ...plan, runtime: { path: path ?? '', args, root: join(instance.folder, 'state') } },
    });
    const start = (options: ContainerOptions) => instance.start(withRuntime(options));

    test('runs a program with its streams, its environment, its folder and its exit code', async () => {
      const { supervisor, session, plan } = await start({
        args: shell('echo $COLOUR; pwd; echo err >&2; exit 3'),
        process: { env: ['PATH=/bin', 'COLOUR=blue'], cwd: '/tmp' },
      });
      expect(await collect(session)).toEqual({ stdout: 'blue\n/tmp\n', stderr: 'err\n' });
      expect(await supervisor.exited).toMatchObject({ kind: 'exited', code: 3 });
      expect((await readLog(plan.log.path)).map(({ log }) => log).sort()).toEqual([
        '/tmp\n',
        'blue\n',
        'err\n',
      ]);
    });

    test('delivers signals, to a handler and to the end', async () => {
      const handled = await start({
        args: shell('trap "exit 7" TERM; echo up; while :; do sleep 0.1; done'),
      });
      await readUntil(handled.session, 'up');
      await handled.supervisor.signal(15);
      expect(await handled.supervisor.exited).toMatchObject({ code: 7 });

      const killed = await start({ args: shell('echo up; exec sleep 1000') });
      await readUntil(killed.session, 'up');
      await killed.supervisor.signal(9);
      expect(await killed.supervisor.exited).toMatchObject({ code: 137 });
    });

    test('takes input to its end', async () => {
      const { session } = await start({ args: ['cat'], plan: { openStdin: true, stdinOnce: true } });
      await session.write(Buffer.from('through'));
      await session.closeInput();
      expect((await collect(session)).stdout).toBe('through');
    });

    test('gives a terminal, with the size that it is told', async () => {
      const { supervisor, session } = await start({
        args: shell('[ -t 1 ] && echo terminal; read line; stty size; exit 4'),
        plan: { terminal: true, openStdin: true },
      });
      expect(await readUntil(session, 'terminal')).toContain('terminal\r\n');
      await supervisor.resize(33, 101);
      await session.write(Buffer.from('go\n'));
      expect(await readUntil(session, '33 101')).toContain('33 101\r\n');
      expect(await supervisor.exited).toMatchObject({ code: 4 });
    });

    test('runs further processes, with streams, a terminal and an exit code of their own', async () => {
      const { supervisor } = await start({ args: ['sleep', '1000'] });
      await using piped = await supervisor.exec(ociProcess(shell('cat; echo oops >&2; exit 5')), {
        ...OUTPUT,
        stdin: true,
      });
      await piped.write(Buffer.from('in'));
      await piped.closeInput();
      expect(await collect(piped)).toEqual({ stdout: 'in', stderr: 'oops\n' });
      expect(await piped.exited).toMatchObject({ code: 5 });

      await using terminal = await supervisor.exec(
        ociProcess(shell('[ -t 0 ] && echo terminal; exit 6'), { terminal: true }),
        {
          ...OUTPUT,
          stdin: true,
          terminal: true,
        },
      );
      expect(await readUntil(terminal, 'terminal')).toContain('terminal\r\n');
      expect(await terminal.exited).toMatchObject({ code: 6 });
      await supervisor.signal(9);
      await supervisor.exited;
    });

    test('stands still while it is paused, and goes on', async () => {
      const { supervisor, session } = await start({ args: ['cat'], plan: { openStdin: true } });
      await supervisor.pause();
      await session.write(Buffer.from('frozen'));
      await supervisor.resume();
      expect(await readUntil(session, 'frozen')).toBe('frozen');
      await supervisor.signal(9);
      await supervisor.exited;
    });

    test('keeps to its limit of memory, and tells of it', async () => {
      const { supervisor, session } = await start({
        args: shell('read start; x=a; while true; do x=$x$x; done'),
        linux: { resources: { memory: { limit: 64 * MEBIBYTE } } },
        plan: { openStdin: true },
      });
      await session.write(Buffer.from('start\n'));
      expect(await supervisor.exited).toMatchObject({
        code: 137,
        oomKilled: true,
        memory: { limit: 64 * MEBIBYTE },
      });
    });

    test.skipIf(!countsProcesses)('keeps to its limit of processes', async () => {
      const { supervisor, session } = await start({
        args: shell('for i in $(seq 60); do sleep 1000 & done; wait'),
        linux: { resources: { pids: { limit: 40 } } },
      });
      expect((await collect(session)).stderr).toContain("can't fork");
      expect(await supervisor.exited).toMatchObject({ code: 2 }); // the shell gives up
    });

    test('lets a system call fail that its seccomp profile forbids, and no other', async () => {
      const { session } = await start({
        args: shell('mkdir /tmp/made; touch /tmp/touched && ls /tmp'),
        linux: {
          seccomp: {
            defaultAction: 'SCMP_ACT_ALLOW',
            architectures: [process.arch === 'x64' ? 'SCMP_ARCH_X86_64' : 'SCMP_ARCH_AARCH64'],
            syscalls: [{ names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_ERRNO', errnoRet: 1 }],
          },
        },
      });
      const { stdout, stderr } = await collect(session);
      expect(stdout).toBe('touched\n');
      expect(stderr).toContain("can't create directory '/tmp/made': Operation not permitted");
    });

    test('says which program it lacks, and leaves nothing behind', async () => {
      const { supervisor, plan } = await instance.prepare(withRuntime({ args: ['no-such-program'] }));
      await expect(supervisor.run()).rejects.toMatchObject({
        kind: 'not-found',
        message: expect.stringMatching(/no-such-program/),
      });
      await ended(supervisor);
      expect(existsSync(join(plan.directory, 'rootfs'))).toBe(false);
      expect(existsSync(join(instance.folder, 'state', plan.id))).toBe(false);
    });

    test('refuses a further process that it lacks, and goes on', async () => {
      const { supervisor } = await start({ args: ['sleep', '1000'] });
      await expect(supervisor.exec(ociProcess(['no-such-program']), OUTPUT)).rejects.toMatchObject({
        message: expect.stringMatching(/no-such-program/),
      });
      await using next = await supervisor.exec(ociProcess(['echo', 'still here']), OUTPUT);
      expect((await collect(next)).stdout).toBe('still here\n');
      await supervisor.signal(9);
      await supervisor.exited;
    });
  });
}
