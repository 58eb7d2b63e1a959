import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Instance } from '../engine/instance.ts';
import { startMachines } from './machines.ts';

describe('what a virtual machine cannot have', () => {
  let instance: Instance;
  let folder: string;
  beforeAll(async () => {
    instance = await startMachines();
    folder = await mkdtemp('/tmp/berth-refusals-');
  });
  afterAll(async () => {
    await instance[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });

  const create = (...options: string[]) =>
    instance.berth(['create', '--isolation', 'vm', ...options, 'busybox', 'true']);

  it.each([
    [['--privileged'], 'a virtual machine cannot have --privileged: it has a kernel of its own'],
    [['--pid', 'host'], 'a virtual machine cannot have --pid host'],
    [
      ['--network', 'host'],
      'a virtual machine cannot have --network host: its network card ends in its own kernel',
    ],
    [
      ['--device', '/dev/null'],
      "a virtual machine cannot have --device /dev/null: the host's devices belong",
    ],
    [['-m', '16m'], 'a virtual machine cannot boot with 16MiB of memory: it needs 128MiB'],
    [['-m', '900g'], "is more than this host's"],
    [['--storage-opt', 'size=1m'], 'the disk size 1m is too small'],
    [['--storage-opt', 'colour=red'], 'StorageOpt "colour"'],
    [['--runtime', 'crun'], 'conflicting options: the isolation vm and the runtime crun'],
    [['-v', '/dev/null:/x'], 'the device /dev/null cannot be shared with a virtual machine'],
    [['--kernel', 'here'], 'the kernel here is no absolute path'],
  ])('is refused at its creation: %j', async (options, message) => {
    const { code, stderr } = await create(...options);
    expect(code).not.toBe(0);
    expect(stderr).toContain(message);
    expect(await instance.berthOk(['ps', '-aq'])).toBe('');
  });

  it('is a kernel that is not there, or is none', async () => {
    const run = (kernel: string) =>
      instance.berth(['run', '--rm', '--isolation', 'vm', '--kernel', kernel, 'busybox', 'true']);
    expect((await run('/no/such/kernel')).stderr).toContain('the kernel /no/such/kernel does not exist');
    await writeFile(`${folder}/kernel`, 'no kernel');
    expect((await run(`${folder}/kernel`)).stderr).toContain(`${folder}/kernel`);
    expect(await instance.berthOk(['ps', '-aq'])).toBe('');
  });

  it('is more memory than the host has left beside the machines that run, with the numbers', async () => {
    const info = await instance.api('GET /info');
    const half = Math.ceil((info.body as { MemTotal: number }).MemTotal * 0.6);
    await instance.berthOk([
      'run',
      '-d',
      '--name',
      'big',
      '--isolation',
      'vm',
      '-m',
      String(half),
      'busybox',
      'sleep',
      '1000',
    ]);
    const second = await instance.berth([
      'run',
      '--rm',
      '--isolation',
      'vm',
      '-m',
      String(half),
      'busybox',
      'true',
    ]);
    expect(second.code).toBe(125);
    expect(second.stderr).toMatch(/GiB/);
    await instance.berthOk(['rm', '-f', 'big']);
  });

  it('is a network that others join', async () => {
    await instance.berthOk(['run', '-d', '--name', 'vm', '--isolation', 'vm', 'busybox', 'sleep', '1000']);
    const joined = await instance.berth(['run', '--rm', '--network', 'container:vm', 'busybox', 'true']);
    expect(joined.stderr).toContain('the network of the virtual machine vm cannot be joined');
    await instance.berthOk(['rm', '-f', 'vm']);
  });
});
