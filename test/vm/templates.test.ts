import { chmod, open, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { digestOf } from '../../src/base/index.ts';
import type { Instance } from '../engine/instance.ts';
import { startMachines } from './machines.ts';
import { whyMoreIsMapped } from './watched-writes.ts';

const moreIsMapped = await whyMoreIsMapped();
const without = moreIsMapped === undefined ? '' : ` (skipped: ${moreIsMapped})`;

describe('the templates of virtual machines', () => {
  let instance: Instance;
  let templates: string;
  beforeAll(async () => {
    instance = await startMachines();
    templates = join(instance.dataRoot, 'vm/templates');
  });
  afterAll(async () => instance[Symbol.asyncDispose]());

  /** Starts a machine, has it say something, and tells how it started. */
  async function start(...options: string[]): Promise<string> {
    const name = ['--name', 'machine', '--isolation', 'vm', '--network', 'none', '-m', '128m', ...options];
    await instance.berthOk(['run', '-d', ...name, 'busybox', 'sleep', '1000']);
    expect(await instance.berthOk(['exec', 'machine', 'echo', 'alive'])).toBe('alive');
    const how = await instance.berthOk(['inspect', '-f', '{{.Berth.VirtualMachine.Start}}', 'machine']);
    await instance.berthOk(['rm', '-f', 'machine']);
    return how;
  }

  /** The one template's folder. */
  async function template(): Promise<string> {
    const names = await readdir(templates);
    expect(names).toHaveLength(1);
    return join(templates, names[0] ?? '');
  }

  it('are made once, also for machines that start at the same time', async () => {
    const machines = Array.from({ length: 3 }, (_, index) =>
      instance.berthOk([
        ...['run', '--rm', '--isolation', 'vm', '--network', 'none', '-m', '128m'],
        ...['busybox', 'echo', String(index)],
      ]),
    );
    expect(await Promise.all(machines)).toEqual(['0', '1', '2']);
    expect(await template()).toMatch(/-tcg-1x128M-0$|-kvm-1x128M-0$/);
  });

  it('are kept for the next berthd', async () => {
    const { mtimeMs } = await stat(join(await template(), 'memory'));
    await instance.killDaemon();
    await instance.startDaemon();
    expect(await start()).toBe('warm');
    expect((await stat(join(await template(), 'memory'))).mtimeMs).toBe(mtimeMs);
  });

  it.skipIf(moreIsMapped !== undefined)(
    `leave a machine that rests little memory of its own, and it goes on${without}`,
    async () => {
      const machine = ['--name', 'resting', '--isolation', 'vm', '--network', 'none', '-m', '128m'];
      await instance.berthOk(['run', '-d', ...machine, 'busybox', 'sleep', '1000']);
      const monitor = await instance.berthOk(['inspect', '-f', '{{.State.Pid}}', 'resting']);
      const qemu = (await readFile(`/proc/${monitor}/task/${monitor}/children`, 'utf8')).trim();
      // Nobody tells of it: it is there when the guest has had nothing to do for a while.
      const { resident, own } = await vi.waitUntil(
        async () => {
          const memory = await memoryOf(qemu);
          return memory.resident <= 65e6 && memory;
        },
        { timeout: 60_000, interval: 200 },
      );
      expect(own).toBeLessThanOrEqual(45e6);
      expect(resident).toBeGreaterThan(own);
      expect(await instance.berthOk(['exec', 'resting', 'sh', '-c', 'echo $((6 * 7)) | cat'])).toBe('42');
      await instance.berthOk(['rm', '-f', 'resting']);
    },
  );

  it('are made anew when one of their files is damaged', async () => {
    const folder = await template();
    const damages = [
      () => truncate(join(folder, 'memory'), 1024 ** 2),
      () => flipByte(join(folder, 'state')),
      () => writeFile(join(folder, 'state'), 'something else'),
      () => writeFile(join(folder, 'template.json'), '{'),
      () => rm(join(folder, 'memory')),
    ];
    for (const damage of damages) {
      for (const name of ['memory', 'state', 'template.json']) await chmod(join(folder, name), 0o600);
      await damage();
      expect(await start()).toBe('warm');
      expect((await stat(join(folder, 'memory'))).size).toBe(128 * 1024 ** 2);
    }
  }, 360_000); // five boots, on a busy machine of a minute each

  it('may be deleted while a machine runs from it, which goes on, and the next one has a new one', async () => {
    const machine = ['--name', 'running', '--isolation', 'vm', '--network', 'none', '-m', '128m'];
    await instance.berthOk(['run', '-d', ...machine, 'busybox', 'sh', '-c', 'echo kept >/file; sleep 1000']);
    expect(await instance.berthOk(['inspect', '-f', '{{.Berth.VirtualMachine.Start}}', 'running'])).toBe(
      'warm',
    );
    await rm(await template(), { recursive: true });
    // Programs that it has not run yet need memory that it has not read yet.
    const first = ['exec', 'running', 'sh', '-c', 'find / -xdev | sort | sha256sum | wc -l; cat /file'];
    expect(await instance.berthOk(first)).toBe('1\nkept');
    expect(await start()).toBe('warm');
    await template();
    expect(await instance.berthOk(['exec', 'running', 'cat', '/file'])).toBe('kept');
    await instance.berthOk(['restart', '-t', '0', 'running']);
    expect(await instance.berthOk(['inspect', '-f', '{{.Berth.VirtualMachine.Start}}', 'running'])).toBe(
      'warm',
    );
    expect(await instance.berthOk(['exec', 'running', 'cat', '/file'])).toBe('kept');
    await instance.berthOk(['rm', '-f', 'running']);
  });

  it('are given up when a machine does not start from one, which boots then and says why, and the next one has a new one', async () => {
    const folder = await template();
    for (const name of ['state', 'template.json']) await chmod(join(folder, name), 0o600);
    const garbage = 'no state of any machine';
    await writeFile(join(folder, 'state'), garbage);
    const record: object = JSON.parse(await readFile(join(folder, 'template.json'), 'utf8'));
    const stateDigest = digestOf(Buffer.from(garbage)); // what is broken looks whole
    await writeFile(join(folder, 'template.json'), JSON.stringify({ ...record, stateDigest }));
    const run = [
      'run',
      '--rm',
      '--isolation',
      'vm',
      '--network',
      'none',
      '-m',
      '128m',
      'busybox',
      'sleep',
      '1',
    ];
    const first = await instance.berth(run, { env: { BERTH_TRACE: '1' } });
    expect(first.code).toBe(0);
    expect(first.stderr).toMatch(/cold-boot.*(state|migration|stream)/i);
    expect(await start()).toBe('warm');
    expect(await readFile(join(await template(), 'state'), 'latin1')).not.toBe(garbage);
  });

  it('are no condition: a machine boots where none can be kept, and it is said', async () => {
    await rm(templates, { recursive: true });
    await writeFile(templates, '');
    expect(await start()).toContain('cold');
    await rm(templates);
  });
});

/** Changes one bit in the middle of a file. */
async function flipByte(path: string): Promise<void> {
  const file = await open(path, 'r+');
  try {
    const position = Math.floor((await file.stat()).size / 2);
    const { buffer } = await file.read(Buffer.alloc(1), 0, 1, position);
    await file.write(Buffer.from([(buffer[0] ?? 0) ^ 1]), 0, 1, position);
  } finally {
    await file.close();
  }
}

/** Bytes that a process has in memory: all, and what no other process has. */
async function memoryOf(pid: string): Promise<{ readonly resident: number; readonly own: number }> {
  const rollup = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8');
  const field = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(rollup)?.[1]) * 1024;
  return { resident: field('Rss'), own: field('Private_Clean') + field('Private_Dirty') };
}
