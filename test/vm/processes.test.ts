import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Instance } from '../engine/instance.ts';
import { startMachines } from './machines.ts';

describe('the processes of a virtual machine', () => {
  let instance: Instance;
  beforeAll(async () => {
    instance = await startMachines();
    const script = 'trap "exit 9" TERM; echo begun; while :; do sleep 0.1; done';
    await instance.berthOk(['run', '-d', '--name', 'vm', '--isolation', 'vm', 'busybox', 'sh', '-c', script]);
  });
  afterAll(async () => instance[Symbol.asyncDispose]());

  const state = (name: string) => instance.berthOk(['inspect', '-f', '{{.State.Status}}', name]);
  const exitCode = (name: string) => instance.berthOk(['inspect', '-f', '{{.State.ExitCode}}', name]);
  const machine = (name: string, script: string, ...options: string[]) =>
    instance.berthOk([
      'run',
      '-d',
      '--name',
      name,
      '--isolation',
      'vm',
      ...options,
      'busybox',
      'sh',
      '-c',
      script,
    ]);

  it('are joined by exec, with exit code, input, user and folder', async () => {
    expect(
      await instance.berth(['exec', '-w', '/etc', '-u', '7', 'vm', 'sh', '-c', 'pwd; id -u; exit 4']),
    ).toEqual({
      code: 4,
      stdout: '/etc\n7\n',
      stderr: '',
    });
    const { stdout } = await instance.berth(['exec', '-i', 'vm', 'wc', '-c'], { input: 'x'.repeat(300_000) });
    expect(stdout.trim()).toBe('300000');
    const missing = await instance.berth(['exec', 'vm', 'no-such-thing']);
    expect(missing).toMatchObject({ code: 127 });
    expect(missing.stderr).toContain('executable file not found in $PATH');
  });

  it('are joined by exec as a user that only the guest knows', async () => {
    const add = 'echo "late:x:77:78::/home/late:/bin/sh" >>/etc/passwd; echo "crew:x:79:late" >>/etc/group';
    await instance.berthOk(['exec', 'vm', 'sh', '-c', add]);
    const seen = await instance.berthOk(['exec', '-u', 'late', 'vm', 'sh', '-c', 'id; echo $HOME']);
    expect(seen).toMatch(/^uid=77\(late\) gid=78 groups=\S*79\(crew\)\S*\n\/home\/late$/);
    const unknown = await instance.berth(['exec', '-u', 'nobody-knows', 'vm', 'true']);
    expect(unknown.stderr).toContain('unable to find user nobody-knows');
  });

  it('have a terminal of the size that is asked for', async () => {
    const created = await instance.api('POST /containers/vm/exec', {
      AttachStdout: true,
      Tty: true,
      Cmd: ['sh', '-c', 'until stty size | grep "33 77"; do sleep 0.1; done'],
    });
    const { Id: id } = created.body as { Id: string };
    const output = instance.api(`POST /exec/${id}/start`, { Tty: true });
    await expect
      .poll(async () => (await instance.api(`GET /exec/${id}/json`)).body, { timeout: 20_000 })
      .toMatchObject({ Running: true });
    await instance.api(`POST /exec/${id}/resize?h=33&w=77`);
    expect(JSON.stringify((await output).body)).toContain('33 77');
  });

  it('have it from their start on', async () => {
    const created = await instance.api('POST /containers/vm/exec', {
      ...{ AttachStdout: true, Tty: true, ConsoleSize: [33, 77], Cmd: ['stty', 'size'] },
    });
    const { Id: id } = created.body as { Id: string };
    const output = await instance.api(`POST /exec/${id}/start`, { Tty: true });
    expect(JSON.stringify(output.body)).toContain('33 77');
  });

  it('are listed by top with their numbers inside, and measured by stats', async () => {
    const top = await instance.berthOk(['top', 'vm']);
    expect(top.split('\n')[0]?.trim().split(/\s+/)).toEqual([
      'UID',
      'PID',
      'PPID',
      'C',
      'STIME',
      'TTY',
      'TIME',
      'CMD',
    ]);
    expect(top).toMatch(/^root\s+1\s+0\s.*sh -c trap/m);
    const answer = await instance.api('GET /containers/vm/stats?stream=0');
    const stats = answer.body as {
      memory_stats: { usage: number; limit: number };
      cpu_stats: { cpu_usage: { total_usage: number } };
      pids_stats: { current: number };
      networks: Record<string, object>;
    };
    expect(stats.memory_stats.limit).toBeLessThanOrEqual(512 * 1024 ** 2);
    expect(stats.memory_stats.usage).toBeLessThan(stats.memory_stats.limit);
    expect(stats.cpu_stats.cpu_usage.total_usage).toBeGreaterThan(0);
    expect(stats.pids_stats.current).toBeGreaterThanOrEqual(1);
    expect(Object.keys(stats.networks)).toEqual(['eth0']);
  });

  it('stand still while it is paused, and go on', async () => {
    await machine('ticking', 'while :; do echo tick; sleep 0.1; done');
    await instance.berthOk(['pause', 'ticking']);
    expect(await state('ticking')).toBe('paused');
    const lines = async () => (await instance.berthOk(['logs', 'ticking'])).length;
    const paused = await lines();
    const refused = await instance.berth(['cp', 'ticking:/etc/passwd', '/tmp/nowhere']);
    expect(refused.stderr).toContain('is paused');
    expect(await lines()).toBe(paused);
    await instance.berthOk(['unpause', 'ticking']);
    await expect.poll(lines, { timeout: 20_000 }).toBeGreaterThan(paused);
    await instance.berthOk(['rm', '-f', 'ticking']);
  });

  it('get the stop signal, and end with their own exit code', async () => {
    await expect.poll(() => instance.berthOk(['logs', 'vm']), { timeout: 20_000 }).toContain('begun');
    await instance.berthOk(['stop', 'vm']);
    expect(await exitCode('vm')).toBe('9');
    await instance.berthOk(['start', 'vm']);
    expect(await state('vm')).toBe('running');
  });

  it('are stopped at once where the first of them has no handler', async () => {
    await machine('deaf', 'sleep 1000; echo after');
    const before = Date.now();
    await instance.berthOk(['stop', '-t', '300', 'deaf']);
    expect(Date.now() - before).toBeLessThan(250_000);
    expect(await state('deaf')).toBe('exited');
    await instance.berthOk(['rm', 'deaf']);

    await machine('alone', 'exec sleep 1000');
    await instance.berthOk(['stop', '-t', '300', 'alone']);
    expect(await instance.berthOk(['why', 'alone'])).toContain(
      'SIGKILL ended it, sent by stop (PID 1 has no handler for SIGTERM and is alone)',
    );
    await instance.berthOk(['rm', 'alone']);
  });

  it('are stopped at once where but a health check is beside the first of them', async () => {
    const check = [
      '--health-cmd',
      'touch /probed; sleep 1000',
      '--health-interval',
      '100ms',
      '--health-timeout',
      '900s',
    ];
    await machine('watched', 'exec sleep 1000', ...check);
    const probed = async () => (await instance.berth(['exec', 'watched', 'test', '-e', '/probed'])).code;
    await expect.poll(probed, { timeout: 30_000 }).toBe(0);
    // Without end if the check were taken for a process that the signal is passed on to.
    await instance.berthOk(['stop', '-t', '-1', 'watched']);
    expect(await instance.berthOk(['inspect', '-f', '{{.State.ExitCode}}', 'watched'])).toBe('137');
    await instance.berthOk(['rm', 'watched']);
  });

  it('are killed, and what they have written is there at the next start', async () => {
    await machine('killed', 'cat /written; echo kept >/written; echo done; sleep 1000');
    await expect.poll(() => instance.berthOk(['logs', 'killed']), { timeout: 20_000 }).toContain('done');
    await instance.berthOk(['kill', 'killed']);
    expect(await exitCode('killed')).toBe('137');
    await instance.berthOk(['start', 'killed']);
    await expect.poll(() => instance.berthOk(['logs', 'killed']), { timeout: 20_000 }).toContain('kept');
    await instance.berthOk(['rm', '-f', 'killed']);
  });

  it('are killed, also while it is paused, with what they have written before', async () => {
    await machine('still', 'cat /written; echo kept >/written; echo done; sleep 1000');
    await expect.poll(() => instance.berthOk(['logs', 'still']), { timeout: 20_000 }).toContain('done');
    await instance.berthOk(['pause', 'still']);
    expect((await instance.berth(['top', 'still'])).stderr).toContain(
      'the virtual machine still is paused, and tells nothing of its processes. Let it go on first: berth unpause still',
    );
    await instance.berthOk(['kill', 'still']);
    expect(await exitCode('still')).toBe('137');
    expect(await instance.berthOk(['cp', 'still:/written', '-'])).toContain('kept');
    await instance.berthOk(['rm', 'still']);
  });

  it('are started again by the restart policy, as often as it says', async () => {
    await machine('again', 'echo run; exit 5', '--restart', 'on-failure:2');
    await expect.poll(() => state('again'), { timeout: 50_000 }).toBe('exited');
    expect(await instance.berthOk(['inspect', '-f', '{{.RestartCount}}', 'again'])).toBe('2');
    expect((await instance.berthOk(['logs', 'again'])).split('\n')).toEqual(['run', 'run', 'run']);
    await instance.berthOk(['rm', 'again']);
    await machine('twice', 'test -e /seen && exec sleep 1000; touch /seen; exit 5', '--restart', 'always');
    await expect.poll(() => state('twice'), { timeout: 50_000 }).toBe('running');
    const format = '{{.RestartCount}} {{.Berth.VirtualMachine.Memory}}';
    await expect
      .poll(() => instance.berthOk(['inspect', '-f', format, 'twice']), { timeout: 50_000 })
      .toBe(`1 ${512 * 1024 ** 2}`);
    await instance.berthOk(['rm', '-f', 'twice']);
  });

  it('leave no trace with --rm', async () => {
    await machine('gone', 'true', '--rm');
    await expect.poll(() => instance.berthOk(['ps', '-aq', '-f', 'name=gone']), { timeout: 20_000 }).toBe('');
  });
});
