import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { release } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Instance } from '../engine/instance.ts';
import { archiveOfManyLayers, LAYERS } from '../fixtures/many-layers.ts';
import { startMachines } from './machines.ts';

describe('berth run --isolation vm', () => {
  let instance: Instance;
  beforeAll(async () => {
    instance = await startMachines();
  });
  afterAll(async () => instance[Symbol.asyncDispose]());

  const inMachine = (script: string, ...options: string[]) =>
    instance.berth(['run', '--rm', '--isolation', 'vm', ...options, 'busybox', 'sh', '-c', script]);
  const output = async (script: string, ...options: string[]) => {
    const { code, stdout, stderr } = await inMachine(script, ...options);
    expect([code, stderr]).toEqual([0, '']);
    return stdout.trim();
  };

  it('runs a program of an image under another kernel, and prints each of its streams', async () => {
    const { code, stdout, stderr } = await inMachine('uname -r; echo $$; echo err >&2');
    const [kernel, pid] = stdout.split('\n');
    expect([code, stderr, pid]).toEqual([0, 'err\n', '1']);
    expect(kernel).not.toBe(release());
  });

  it('starts from a template, and says so', async () => {
    const { stderr } = await instance.berth(['run', '--rm', '--isolation', 'vm', 'busybox', 'true'], {
      env: { BERTH_TRACE: '1' },
    });
    expect(stderr).toContain('oci-runtime');
    await instance.berthOk(['run', '-d', '--name', 'warm', '--isolation', 'vm', 'busybox', 'sleep', '1000']);
    const format = '{{.Berth.VirtualMachine.Start}}';
    expect(await instance.berthOk(['inspect', '-f', format, 'warm'])).toBe('warm');
    await instance.berthOk(['rm', '-f', 'warm']);
  });

  it("ends with the program's exit code, and 128 more than its signal", async () => {
    expect((await inMachine('exit 3')).code).toBe(3);
    expect(
      (await inMachine('kill -9 $$; (kill -9 $$) & kill -TERM 1; sh -c "kill -9 \\$\\$"; exit $?')).code,
    ).toBe(137);
  });

  it('gives it environment, user, groups, working directory and host name', async () => {
    const options = [
      '-e',
      'COLOUR=blue',
      '-u',
      '1000:1001',
      '--group-add',
      '7',
      '-w',
      '/some/where',
      '-h',
      'boat',
    ];
    expect((await output('echo $COLOUR; id; pwd; hostname', ...options)).split('\n')).toEqual([
      'blue',
      'uid=1000 gid=1001 groups=7,1001',
      '/some/where',
      'boat',
    ]);
  });

  it('feeds standard input to it until its end, and loses no byte of a large output', async () => {
    const input = 'x'.repeat(300_000);
    const count = await instance.berth(['run', '--rm', '-i', '--isolation', 'vm', 'busybox', 'wc', '-c'], {
      input,
    });
    expect(count.stdout.trim()).toBe('300000');
    const { stdout } = await inMachine('head -c 5000000 /dev/zero | tr "\\0" x');
    expect(stdout.length).toBe(5_000_000);
  });

  it('says which command is not there, and which cannot be executed, with the codes of a container', async () => {
    const missing = await instance.berth(['run', '--rm', '--isolation', 'vm', 'busybox', 'no-such-thing']);
    expect(missing).toMatchObject({ code: 127 });
    expect(missing.stderr).toContain('exec: "no-such-thing": executable file not found in $PATH');
    const folder = await instance.berth(['run', '--rm', '--isolation', 'vm', 'busybox', '/etc']);
    expect(folder).toMatchObject({ code: 126 });
  });

  it('gives it a terminal', async () => {
    const { code, stdout } = await instance.berth([
      'run',
      '--rm',
      '-t',
      '--isolation',
      'vm',
      'busybox',
      'tty',
    ]);
    expect([code, stdout]).toEqual([0, '/dev/pts/0\r\n']);
  });

  it(`runs an image of ${LAYERS} layers, each over the one below`, async () => {
    const folder = await mkdtemp('/tmp/berth-layers-');
    try {
      await writeFile(`${folder}/many.tar`, await archiveOfManyLayers());
      await instance.berthOk(['load', '-q', '-i', `${folder}/many.tar`]);
    } finally {
      await rm(folder, { recursive: true });
    }
    const script = '/busybox cat /latest; echo; /busybox ls /layers | /busybox wc -l';
    const run = ['run', '--rm', '--isolation', 'vm', 'many', '/busybox', 'sh', '-c', script];
    expect((await instance.berthOk(run)).split('\n')).toEqual([String(LAYERS - 1), String(LAYERS - 1)]);
  });

  it('gives it processors, memory, a disk and network cards, which inspect shows', async () => {
    await instance.berthOk([
      ...['run', '-d', '--name', 'sized', '--isolation', 'vm', '--cpus', '1.5', '-m', '256m'],
      ...['--storage-opt', 'size=64m', 'busybox', 'sleep', '1000'],
    ]);
    const inside = 'grep -c ^processor /proc/cpuinfo; grep MemTotal /proc/meminfo; df -m / | tail -1';
    const seen = await instance.berthOk(['exec', 'sized', 'sh', '-c', inside]);
    const [processors, memory = '', disk = ''] = seen.split('\n');
    expect(processors).toBe('2');
    const total = Number(/(\d+) kB/.exec(memory)?.[1]);
    expect(total).toBeGreaterThan(180 * 1024);
    expect(total).toBeLessThanOrEqual(256 * 1024);
    expect(Number(disk.trim().split(/\s+/)[1])).toBeLessThanOrEqual(64);
    const machine = JSON.parse(
      await instance.berthOk(['inspect', '-f', '{{json .Berth.VirtualMachine}}', 'sized']),
    );
    expect(machine).toMatchObject({
      Processors: 2,
      Memory: 256 * 1024 ** 2,
      DiskSize: 64 * 1024 ** 2,
      NetworkCards: [{ Name: 'eth0', Network: 'bridge' }],
    });
    await instance.berthOk(['rm', '-f', 'sized']);
  });

  it('gives it sysctls, limits, capabilities, a read-only root and a limit of processes of its own', async () => {
    const script = [
      'cat /proc/sys/kernel/panic_on_oops /proc/sys/net/core/somaxconn',
      'ulimit -n',
      'grep CapEff /proc/self/status | cut -f2',
      'touch /file 2>/dev/null || echo read-only',
      'for n in 1 2 3 4 5 6 7 8 9; do sleep 5 & done',
    ].join('; ');
    const text = await inMachine(
      script,
      ...[
        '--sysctl',
        'kernel.panic_on_oops=0',
        '--sysctl',
        'net.core.somaxconn=77',
        '--ulimit',
        'nofile=99:100',
      ],
      ...['--cap-drop', 'ALL', '--cap-add', 'CHOWN', '--read-only', '--pids-limit', '6'],
    );
    const lines = text.stdout.trim().split('\n');
    expect(lines.slice(0, 5)).toEqual(['0', '77', '99', '0000000000000001', 'read-only']);
    expect(text.stderr).toContain("can't fork");
  });
});
