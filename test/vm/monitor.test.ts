import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { collect, ended, readUntil } from '../../src/runtime/test-instance.ts';
import { MachineControl } from '../../src/vm/control.ts';
import {
  guestProcess,
  HandMadeMachines,
  OUTPUT,
  privateKilobytes,
  type RunningMachine,
} from './hand-made-machine.ts';

const shell = (script: string): string[] => ['/bin/sh', '-c', script];

let machines: HandMadeMachines;
beforeAll(async () => {
  machines = await HandMadeMachines.create();
});
afterAll(async () => {
  await machines[Symbol.asyncDispose]();
});

describe("a virtual machine's first process", () => {
  test('has its output on both streams, its arguments and its exit code', async () => {
    const machine = await machines.start({
      args: shell('echo "$0 $1"; echo no >&2; exit 7; ').concat('a', 'b c'),
    });
    expect(await collect(machine.session)).toEqual({ stdout: 'a b c\n', stderr: 'no\n' });
    expect(await machine.supervisor.exited).toMatchObject({ code: 7 });
    await ended(machine.supervisor);
    expect(existsSync(join(machine.plan.runtime.root, machine.plan.id))).toBe(false);
  });

  test('reads what is written to it, up to the end', async () => {
    const machine = await machines.start({ args: ['cat'], plan: { openStdin: true, stdinOnce: true } });
    const output = collect(machine.session);
    for (let piece = 0; piece < 40; piece++) await machine.session.write(Buffer.alloc(32_768, 'x'));
    await machine.session.write(Buffer.from('end\n'));
    await machine.session.closeInput();
    const { stdout } = await output;
    expect([stdout.length, stdout.slice(-4)]).toEqual([40 * 32_768 + 4, 'end\n']);
    expect(await machine.supervisor.exited).toMatchObject({ code: 0 });
  });

  test('gets the signals that are sent to the monitor', async () => {
    const machine = await machines.start({
      args: shell('trap "echo got; exit 3" USR1; echo up; while :; do sleep 1; done'),
    });
    await readUntil(machine.session, 'up');
    await machine.supervisor.signal(10);
    expect(await machine.supervisor.exited).toMatchObject({ code: 3 });
  });

  test('is what the monitor ends as, by a signal too', async () => {
    const machine = await machines.start({ args: shell('echo up; exec sleep 1000') });
    await readUntil(machine.session, 'up');
    const qemu = await machine.qemu();
    await machine.supervisor.signal(9);
    expect(await machine.supervisor.exited).toMatchObject({ code: 137 });
    await ended(machine.supervisor);
    expect(existsSync(`/proc/${qemu}`)).toBe(false);
  });

  test('that is killed for want of memory is known for it', async () => {
    const machine = await machines.start({ args: shell('exec busybox tail /dev/zero') });
    expect(await machine.supervisor.exited).toMatchObject({ code: 137, oomKilled: true });
  });

  test('at a terminal has its size, and is told of another', async () => {
    const args = shell('trap "stty size; exit" WINCH; stty size; echo up; while :; do sleep 1; done');
    const { supervisor } = await machines.prepare({ args, plan: { terminal: true } });
    const session = await supervisor.attach({ stdin: false, stdout: true, stderr: true });
    await supervisor.resize(33, 101);
    await supervisor.run();
    await readUntil(session, 'up');
    await supervisor.resize(44, 102);
    expect((await collect(session)).stdout).toContain('44 102');
  });

  test.each([
    { args: ['no-such-program'], kind: 'not-found', words: /executable file.*not found/ },
    { args: ['/etc/passwd'], kind: 'invalid', words: /permission denied/i },
  ])('that cannot be executed is refused: $args.0', async ({ args, kind, words }) => {
    const { supervisor, plan } = await machines.prepare({ args });
    await expect(supervisor.run()).rejects.toMatchObject({ kind, message: expect.stringMatching(words) });
    await ended(supervisor);
    expect(existsSync(join(plan.runtime.root, plan.id))).toBe(false);
  });
});

describe('a virtual machine that runs', () => {
  let machine: RunningMachine;
  beforeAll(async () => {
    const files = [{ path: '/etc/hosts', content: Buffer.from('old\n') }];
    machine = await machines.start({ args: shell('echo up; exec sleep 100000'), setup: { files } });
    await readUntil(machine.session, 'up');
  });
  afterAll(async () => {
    await machine.supervisor.signal(9);
    await ended(machine.supervisor);
  });

  test('executes further processes, each with its streams and its exit code', async () => {
    const executions = Array.from({ length: 4 }, async (_, index) => {
      await using exec = await machine.exec(shell(`echo out ${index}; echo err ${index} >&2; exit ${index}`));
      const output = await collect(exec);
      return { output, end: await exec.exited };
    });
    for (const [index, result] of (await Promise.all(executions)).entries()) {
      expect(result.output).toEqual({ stdout: `out ${index}\n`, stderr: `err ${index}\n` });
      expect(result.end).toMatchObject({ code: index });
    }
  });

  test('refuses a process that is not there, in words', async () => {
    await expect(machine.exec(['no-such-program'])).rejects.toMatchObject({
      kind: 'not-found',
      message: expect.stringMatching(/executable file.*not found/),
    });
  });

  test('gives a further process a terminal, its signals and its size', async () => {
    const args = shell('trap "stty size; exit 5" TERM; tty; echo up; while :; do sleep 1; done');
    await using exec = await machine.supervisor.exec(guestProcess(args, { terminal: true }), {
      ...OUTPUT,
      terminal: true,
    });
    expect(await readUntil(exec, 'up')).toContain('/dev/pts/');
    await exec.resize(20, 70);
    await exec.signal(15);
    expect((await collect(exec)).stdout).toContain('20 70');
    expect(await exec.exited).toMatchObject({ code: 5 });
  });

  test('kills a further process with the process that stands for it', async () => {
    const exec = await machine.exec(shell('echo up; exec sleep 54321'));
    await readUntil(exec, 'up');
    await exec.signal(9);
    expect(await exec.exited).toMatchObject({ code: 137 });
    await expect.poll(async () => commands(machine)).not.toContain('sleep 54321');
  });

  test('stops and goes on with the right time, and refuses what needs the guest meanwhile', async () => {
    await machine.supervisor.pause();
    await expect(machine.control.statistics()).rejects.toMatchObject({
      message: expect.stringMatching(/paused/),
    });
    await machine.supervisor.resume();
    const before = Date.now() / 1000;
    await using exec = await machine.exec(['busybox', 'date', '+%s']);
    const now = Number((await collect(exec)).stdout);
    expect(now).toBeGreaterThanOrEqual(Math.floor(before));
    expect(now).toBeLessThanOrEqual(Math.ceil(Date.now() / 1000));
  });

  test('tells its figures and processes, takes files, and lets files be worked on', async () => {
    expect((await machine.control.statistics()).get('meminfo')).toContain('MemTotal');
    expect(await commands(machine)).toContain('sleep 100000');
    await machine.control.putFile('/etc/hosts', Buffer.from('new\n'));
    await using exec = await machine.exec(['cat', '/etc/hosts']);
    expect((await collect(exec)).stdout).toBe('new\n');
    const socket = await machine.control.openFiles('root');
    socket.destroy();
  });

  test('is not taken for one that has not booted in its time', async () => {
    const folder = `/proc/${machine.pid}/fdinfo`;
    const infos = await Promise.all(
      (await readdir(folder)).map((fd) => readFile(`${folder}/${fd}`, 'utf8').catch(() => '')),
    );
    const timers = infos.flatMap((info) => /^it_value: (.*)$/m.exec(info)?.[1] ?? []);
    expect(timers).toEqual(['(0, 0)']);
  });

  test('costs little on the host beside QEMU', async () => {
    expect(await privateKilobytes(machine.pid)).toBeLessThan(1536);
  });
});

describe('a guest that answers nothing', () => {
  test('is not waited for, and is asked again when it does', async () => {
    const machine = await machines.start({ args: shell('echo up; exec sleep 1000') });
    await readUntil(machine.session, 'up');
    const qemu = await machine.qemu();
    process.kill(qemu, 'SIGSTOP');
    const hurried = new MachineControl(join(machine.plan.runtime.root, machine.plan.id), { patience: 1 });
    await expect(hurried.statistics()).rejects.toThrow('has not answered');
    await expect(hurried.openFiles('root')).rejects.toThrow('has not answered');
    const asker = new AbortController();
    const answer = machine.control.processes(asker.signal);
    asker.abort(new Error('the client has gone'));
    await expect(answer).rejects.toThrow('the client has gone');
    process.kill(qemu, 'SIGCONT');
    expect(await commands(machine)).toEqual(['sleep 1000']);
    await machine.supervisor.signal(9);
    await ended(machine.supervisor);
  });
});

async function commands(machine: RunningMachine): Promise<string[]> {
  return (await machine.control.processes()).map(({ command }) => command.join(' '));
}

describe('a virtual machine that dies', () => {
  test('says why on the standard error of its process, and ends with 255', async () => {
    const machine = await machines.start({
      args: shell('echo 1 > /proc/sys/kernel/sysrq; echo c > /proc/sysrq-trigger; sleep 1000'),
    });
    const { stderr } = await collect(machine.session);
    expect(stderr).toMatch(/^berth: the virtual machine has stopped: .*panic/);
    expect(await machine.supervisor.exited).toMatchObject({ code: 255 });
  });

  test('with its QEMU is not waited for', async () => {
    const machine = await machines.start({ args: shell('echo up; exec sleep 1000') });
    await readUntil(machine.session, 'up');
    process.kill(await machine.qemu(), 'SIGKILL');
    expect(await machine.supervisor.exited).toMatchObject({ code: 255 });
  });
});

describe('the machines of a plan', () => {
  test('are tried in their order until one boots', async () => {
    const machine = await machines.start({
      args: ['echo', 'hi'],
      machines: (good) => [
        { ...good, program: '/no/such/qemu' },
        { ...good, args: ['-no-such-option'] },
        { ...good, script: [{ command: { execute: 'no-such-command' } }] },
        { ...good, state: '/no/such/state' },
        good,
      ],
    });
    expect((await collect(machine.session)).stdout).toBe('hi\n');
  });

  test('that do not boot are the reason of a start that fails', async () => {
    const { supervisor } = await machines.prepare({ machines: (good) => [{ ...good, bootTimeout: 50 }] });
    await expect(supervisor.run()).rejects.toThrow(/had not booted/);
    await ended(supervisor);
  });
});
