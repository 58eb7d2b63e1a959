import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Instance } from '../engine/instance.ts';
import { controlGroupFile, processorQuota } from './control-group-file.ts';
import { startMachines } from './machines.ts';

const MIB = 1024;

describe('the limits of a virtual machine that runs', () => {
  let instance: Instance;
  beforeAll(async () => {
    instance = await startMachines();
    const forever = 'trap "exit 1" TERM; while :; do sleep 1; done';
    const sizes = ['--cpus', '1', '-m', '256m', '--restart', 'always'];
    const machine = ['--name', 'vm', '--isolation', 'vm', ...sizes, 'busybox', 'sh', '-c', forever];
    await instance.berthOk(['run', '-d', ...machine]);
  });
  afterAll(async () => instance[Symbol.asyncDispose]());

  const inside = (script: string) => instance.berth(['exec', 'vm', 'sh', '-c', script]);
  const update = (...options: string[]) => instance.berth(['update', ...options, 'vm']);
  const updated = (...options: string[]) => instance.berthOk(['update', ...options, 'vm']);
  /** Kilobytes that the guest's kernel gives out. */
  async function total(): Promise<number> {
    const { stdout } = await inside('grep MemTotal /proc/meminfo');
    return Number(/(\d+) kB/.exec(stdout)?.[1]);
  }
  /** Whether a program can have so many megabytes at once: the guest's kernel gives nobody more than it has. */
  const canHave = async (megabytes: number) => {
    const { code } = await inside(`dd if=/dev/zero of=/dev/null bs=${megabytes}M count=1`);
    return code === 0;
  };

  it('are less memory, which the guest gives back and its programs feel, and as much again', async () => {
    const before = await total();
    expect(await canHave(150)).toBe(true);
    await updated('-m', '144m');
    expect(before - (await total())).toBe(112 * MIB);
    const limit = await instance.berthOk(['stats', '--no-stream', '--format', '{{.MemUsage}}', 'vm']);
    expect(Number(/\/ ([\d.]+)MiB/.exec(limit)?.[1])).toBeLessThan(144);
    expect(await canHave(150)).toBe(false);
    expect(await instance.berthOk(['inspect', '-f', '{{.HostConfig.Memory}}', 'vm'])).toBe(
      String(144 * MIB * MIB),
    );
    await updated('-m', '256m');
    expect(await total()).toBe(before);
    expect(await canHave(150)).toBe(true);
  });

  it('are not less memory than its programs hold, and then nothing has changed', async () => {
    const before = await total();
    const hold = 'dd if=/dev/zero bs=110M count=1 | { head -c 1 >/held; sleep 1000; }';
    await instance.berthOk(['exec', '-d', 'vm', 'sh', '-c', hold]);
    await expect.poll(async () => (await inside('test -s /held')).code, { timeout: 30_000 }).toBe(0);
    const { code, stderr } = await update('--cpus', '0.5', '-m', '130m');
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /the virtual machine vm needs its memory: its programs leave it no less than \S+MiB, and 130MiB are wanted/,
    );
    expect(await total()).toBe(before);
    expect(await quota()).toBe('100000');
    expect((await inside('killall dd')).code).toBe(0); // it is there still
    await expect.poll(async () => (await inside('pidof dd')).code, { timeout: 30_000 }).not.toBe(0);
  });

  it('are less time of its processors, by the host', async () => {
    await instance.berthOk(['exec', '-d', 'vm', 'sh', '-c', 'while :; do :; done']);
    await updated('--cpus', '0.1'); // as little as it gets also where the host is busy
    expect(await quota()).toBe('10000');
    await expect.poll(throttled, { timeout: 30_000 }).toBeGreaterThan(0);
    await updated('--cpus', '1');
    expect(await quota()).toBe('100000');
  });

  it('are there after a restart by its policy as before it', async () => {
    await updated('-m', '200m', '--cpus', '0.75');
    const before = await total();
    await inside('kill -TERM 1');
    const restarts = () => instance.berthOk(['inspect', '-f', '{{.RestartCount}} {{.State.Status}}', 'vm']);
    await expect.poll(restarts, { timeout: 30_000 }).toBe('1 running');
    await expect.poll(total, { timeout: 30_000 }).toBe(before);
    await expect.poll(quota, { timeout: 30_000 }).toBe('75000');
  });

  it('are never more than it was started with, nor what is inside: it is said how to have them', async () => {
    const before = await total();
    const hint = 'Stop it first, and it has them from its next start on: berth stop vm';
    for (const [option, value, message] of [
      ['-m', '512m', 'was started with 256MiB of memory, and cannot have 512MiB while it runs'],
      ['--cpus', '2', 'has been started with --cpus 1, and cannot have 2 while it runs'],
      [
        '--pids-limit',
        '77',
        'the limit of processes of the virtual machine vm cannot be changed while it runs',
      ],
      ['--cpuset-cpus', '0', 'the CPU set of the virtual machine vm cannot be changed while it runs'],
    ] as const) {
      const { code, stderr } = await update(option, value);
      expect([code, stderr]).toEqual([1, expect.stringContaining(message)]);
      expect(stderr).toContain(hint);
    }
    await instance.berthOk(['pause', 'vm']);
    expect((await update('-m', '150m')).stderr).toContain('the virtual machine vm is paused');
    await instance.berthOk(['unpause', 'vm']);
    await instance.berthOk(['stop', '-t', '0', 'vm']);
    await updated('-m', '300m');
    await instance.berthOk(['start', 'vm']);
    expect(await total()).toBeGreaterThan(before);
  });

  /** Of the machine's monitor and QEMU. */
  const monitor = async () => Number(await instance.berthOk(['inspect', '-f', '{{.State.Pid}}', 'vm']));
  const quota = async () => processorQuota(await monitor());
  async function throttled(): Promise<number> {
    return Number(/nr_throttled (\d+)/.exec(await controlGroupFile(await monitor(), 'cpu', 'cpu.stat'))?.[1]);
  }
});
