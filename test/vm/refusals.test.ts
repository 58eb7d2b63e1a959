import { chmod, cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runChecked } from '../../src/base/index.ts';
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

  it('is a kernel for a container, which says how to have one', async () => {
    const { code, stderr } = await instance.berth(['create', '--kernel', '/kernel', 'busybox', 'true']);
    expect([code, stderr]).toEqual([
      1,
      expect.stringContaining(
        "a container cannot have the kernel /kernel: it runs on the host's. Add --isolation vm",
      ),
    ]);
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

  it("is a program of berth's that is missing or cannot be executed, by its path", async () => {
    const built = process.env.BERTH_NATIVE_DIRECTORY ?? join(import.meta.dirname, '../../native/build');
    const native = await mkdtemp(join(folder, 'native-'));
    const program = join(native, 'berth-vm');
    await cp(built, native, { recursive: true, filter: (path) => !/build\/(obj|check)$/.test(path) });
    await chmod(program, 0o644);
    await instance.killDaemon();
    await instance.startDaemon({ BERTH_NATIVE_DIRECTORY: native });
    const run = () => instance.berth(['run', '--rm', '--isolation', 'vm', 'busybox', 'true']);
    const refused = await run();
    expect(refused.stderr).toContain(`virtual machines cannot run: ${program} cannot be executed`);
    expect(refused.stderr).toContain(`chmod 755 ${program}`);
    await rm(program);
    expect((await run()).stderr).toContain(`${program} is not installed. It comes with berth`);
    expect(await instance.berthOk(['ps', '-aq'])).toBe('');
    await instance.killDaemon();
    await instance.startDaemon();
  });

  it('is a virtiofsd that is missing or cannot be executed, by its path', async () => {
    if (process.env.BERTH_SANDBOX === undefined)
      throw new Error('this hides files of the host: scripts/test');
    await using _hidden = await hide('/usr/lib/qemu');
    const shared = ['--annotation', 'berth.shares=virtiofs', '-v', `${folder}:/x`];
    const run = () => instance.berth(['run', '--rm', '--isolation', 'vm', ...shared, 'busybox', 'true']);
    const missing = await run();
    expect(missing.stderr).toContain('by virtiofs: /usr/lib/qemu/virtiofsd is not installed');
    expect(missing.stderr).toContain('Install it: apt-get install');
    await writeFile('/usr/lib/qemu/virtiofsd', '', { mode: 0o644 });
    expect((await run()).stderr).toContain('by virtiofs: /usr/lib/qemu/virtiofsd cannot be executed');
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

/** Puts an empty folder in the place of one of the host's, which is there again when this is disposed of. */
async function hide(path: string): Promise<AsyncDisposable> {
  await runChecked('mount', ['-t', 'tmpfs', 'tmpfs', path]);
  return { [Symbol.asyncDispose]: async () => void (await runChecked('umount', [path])) };
}
