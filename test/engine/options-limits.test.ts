import { readdir, stat } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRefusal } from './busybox.ts';
import { type Instance, startInstance } from './instance.ts';
import { LIMIT_FILES } from './limit-files.ts';

const MIB = 1024 * 1024;

describe('a container is limited as its options say', () => {
  let instance: Instance;
  beforeAll(async () => {
    instance = await startInstance();
    await instance.berthOk(['pull', '-q', 'busybox:latest']);
  });
  afterAll(async () => instance[Symbol.asyncDispose]());

  const inBusybox = (script: string, ...options: string[]) =>
    instance.berth(['run', '--rm', '--network', 'none', ...options, 'busybox', 'sh', '-c', script]);
  const limits = async (names: readonly (keyof typeof LIMIT_FILES)[], ...options: string[]) =>
    (await inBusybox(names.map((name) => LIMIT_FILES[name]).join(';'), ...options)).stdout.trim().split('\n');
  const refused = (...options: string[]) => createRefusal(instance, options);

  it('by memory, swap and reservation', async () => {
    const options = ['-m', '64m', '--memory-swap', '96m', '--memory-reservation', '32m'];
    const [memory, swap, reservation] = await limits(['memory', 'swap', 'reservation'], ...options);
    expect(memory).toBe(String(64 * MIB));
    expect([96 * MIB, 32 * MIB].map(String)).toContain(swap); // the unified hierarchy counts swap alone
    expect(reservation).toBe(String(32 * MIB));
    expect(await limits(['swap'], '-m', '64m')).toEqual([expect.stringMatching(/^(134217728|67108864)$/)]);
    expect(await refused('-m', '1m')).toContain('Minimum memory limit allowed is 6MB');
    expect(await refused('-m', '64m', '--memory-swap', '32m')).toContain('Minimum memoryswap limit');
    expect(await refused('-m', '64q')).toContain(`invalid argument "64q" for "-m, --memory" flag`);
  });

  it('by CPUs, shares, quota and sets, which its processes feel', async () => {
    expect((await limits(['quota'], '--cpus', '1.5'))[0]).toMatch(/^150000( 100000)?$/);
    const own = ['--cpu-period', '50000', '--cpu-quota', '20000', '--cpu-shares', '512'];
    const [quota, period, shares] = await limits(['quota', 'period', 'shares'], ...own);
    expect(quota).toMatch(/^20000( 50000)?$/);
    expect(period).toMatch(/^(20000 )?50000$/);
    expect(['512', '59', '20']).toContain(shares); // the unified hierarchy has weights, by one of two formulas
    expect((await inBusybox('nproc', '--cpuset-cpus', '0')).stdout).toBe('1\n');
    expect(await limits(['cpus', 'mems'], '--cpuset-cpus', '0', '--cpuset-mems', '0')).toEqual(['0', '0']);
    expect(await refused('--cpus', '5000')).toContain('range of CPUs is from 0.01 to');
    expect(await refused('--cpus', '1', '--cpu-quota', '5000')).toContain('Nano CPUs and CPU Quota');
    expect(await refused('--cpuset-cpus', '4000')).toContain('Requested CPUs are not available');
  });

  it('and so is each step of a build', async () => {
    const files = [LIMIT_FILES.memory, LIMIT_FILES.quota, LIMIT_FILES.cpus].join('; ');
    const input = `FROM busybox\nRUN ${files}; df -m /dev/shm | tail -n 1\n`;
    const options = ['-m', '64m', '--cpu-quota', '20000', '--cpuset-cpus', '0', '--shm-size', '8m'];
    const output = await instance.berthOk(['build', '--no-cache', ...options, '-'], {
      input,
    });
    expect(output).toMatch(new RegExp(`^${64 * MIB}\n20000( 100000)?\n0\nshm +8 `, 'm'));
    const refusal = await instance.berth(['build', '--no-cache', '-m', '1m', '-'], { input });
    expect([refusal.code, refusal.stderr]).toEqual([1, expect.stringContaining('Minimum memory limit')]);
  });

  it('by the number of its processes', async () => {
    const script = 'for i in 1 2 3 4 5 6 7 8 9; do sleep 100 & done; wait';
    const { stderr } = await inBusybox(script, '--pids-limit', '5');
    expect(stderr).toContain("can't fork");
    expect(await limits(['pids'], '--pids-limit', '5')).toEqual(['5']);
    expect(await limits(['pids'], '--pids-limit', '-1')).toEqual(['max']);
  });

  it('by the rate of block I/O on a device', async () => {
    const disk = await blockDevice();
    const rates = ['--device-read-bps', `${disk.path}:1mb`, '--device-write-iops', `${disk.path}:100`];
    const [read, write] = await limits(['readRate', 'writeOperations'], ...rates);
    expect(read).toMatch(new RegExp(`^${disk.numbers} (1048576|rbps=1048576 .*)$`));
    expect(write).toMatch(new RegExp(`^${disk.numbers} (100|.*wiops=100)$`));
    expect(await refused('--device-read-bps', '/dev/sda')).toContain('bad format: /dev/sda');
    expect(await refused('--device-write-iops', '/dev/sda:1mb')).toContain(
      'invalid rate for device: /dev/sda:1mb',
    );
    const character = await inBusybox('true', '--device-read-bps', '/dev/null:1mb');
    expect(character.stderr).toContain('/dev/null is not a block device');
  });

  it('by a weight of its block I/O, or is told that the kernel has none', async () => {
    const { code, stderr } = await inBusybox('true', '--blkio-weight', '300');
    expect(code).toBe(0);
    if (stderr !== '') expect(stderr).toContain('Your kernel does not support Block I/O weight');
    expect(await refused('--blkio-weight', '5')).toContain('Range of blkio weight is from 10 to 1000');
    expect(await refused('--blkio-weight-device', '/dev/sda:5')).toContain(
      'invalid weight for device: /dev/sda:5',
    );
  });

  it('in how willingly it is swapped out, and whether it is killed for want of memory, where cgroups can', async () => {
    const { stdout, stderr } = await inBusybox(
      `${LIMIT_FILES.swappiness}; grep oom_kill_disable /sys/fs/cgroup/memory/memory.oom_control`,
      ...['-m', '64m', '--memory-swappiness', '10', '--oom-kill-disable'],
    );
    if (stderr.includes('OomKillDisable discarded')) expect(stdout).toBe('');
    else expect(stdout).toBe('10\noom_kill_disable 1\n');
    expect(await refused('--memory-swappiness', '101')).toContain('valid memory swappiness range is 0-100');
  });

  it('never by an option that is not there: it is refused by name', async () => {
    expect(await refused('--cpu-rt-runtime', '950')).toContain('HostConfig.CpuRealtimeRuntime');
    expect(await refused('--storage-opt', 'size=10g')).toContain('HostConfig.StorageOpt "size"');
    expect(await refused('--isolation', 'hyperv')).toContain('invalid isolation (hyperv)');
  });
});

/** The first block device of this machine. */
async function blockDevice(): Promise<{ path: string; numbers: string }> {
  for (const name of await readdir('/sys/block')) {
    const path = `/dev/${name}`;
    const info = await stat(path).catch(() => undefined);
    if (info?.isBlockDevice()) return { path, numbers: `${info.rdev >> 8}:${info.rdev & 255}` };
  }
  throw new Error('this machine has no block device');
}
