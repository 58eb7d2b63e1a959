import { execFile } from 'node:child_process';
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Instance } from '../engine/instance.ts';
import { startMachines } from './machines.ts';
import { expectReadableWithoutName, expectShared } from './shared-folder.ts';

const VIRTIOFS = ['--isolation', 'vm', '--annotation', 'berth.shares=virtiofs'];

describe('folders that are shared by virtiofs', () => {
  let instance: Instance;
  let folder: string;
  beforeAll(async () => {
    instance = await startMachines();
    folder = await mkdtemp('/tmp/berth-virtiofs-');
    await chmod(folder, 0o755);
    await writeFile(`${folder}/single`, 'one file\n');
    await instance.berthOk([
      ...['run', '-d', '--name', 'vm', ...VIRTIOFS, '--restart', 'on-failure:1', '-m', '128m'],
      ...['-v', 'data:/data', '-v', `${folder}:/bound`, '-v', `${folder}:/protected:ro`],
      ...['-v', `${folder}/single:/single:ro`, 'busybox', 'sleep', '1000'],
    ]);
  });
  afterAll(async () => {
    await instance[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });

  const inside = (script: string) => instance.berthOk(['exec', 'vm', 'sh', '-c', script]);

  /** The host's processes of this name that are children of the machine's monitor. */
  async function childrenOf(name: string): Promise<number[]> {
    const monitor = await instance.berthOk(['inspect', '-f', '{{.State.Pid}}', 'vm']);
    const children = (await readFile(`/proc/${monitor}/task/${monitor}/children`, 'utf8')).trim().split(' ');
    const named = await Promise.all(
      children.map(async (pid) => [Number(pid), await readFile(`/proc/${pid}/comm`, 'utf8')] as const),
    );
    return named.filter(([, comm]) => comm.trim() === name).map(([pid]) => pid);
  }

  it('are seen from both sides, with owners and modes, and singly', async () => {
    await expectShared(instance, folder);
    expect(await inside('cat /single')).toBe('one file');
    expect(await inside('grep " /bound " /proc/mounts')).toMatch(/ virtiofs /);
  });

  it('belong to the user who writes there', async () => {
    await inside('mkdir -m 777 /bound/open');
    await instance.berthOk(['exec', '-u', '12:34', 'vm', 'sh', '-c', 'echo x >/bound/open/own']);
    const { uid, gid } = await stat(`${folder}/open/own`);
    expect([uid, gid]).toEqual([12, 34]);
    const denied = await instance.berth(['exec', '-u', '12:34', 'vm', 'sh', '-c', 'echo x >/bound/denied']);
    expect(denied.stderr).toContain('Permission denied');
  });

  it('are protected where they are read-only', async () => {
    expect(await inside('echo x 2>/dev/null >/protected/x || echo refused')).toBe('refused');
    expect(await inside('echo x 2>/dev/null >/single || echo refused')).toBe('refused');
    expect(await readdir(folder)).not.toContain('x');
  });

  it('start from a template, as other machines do', async () => {
    expect(await instance.berthOk(['inspect', '-f', '{{.Berth.VirtualMachine.Start}}', 'vm'])).toBe('warm');
  });

  it('stay readable for who has them open when they have lost their names', async () => {
    await expectReadableWithoutName(instance);
  });

  it('are served by a process that is nobody, has no network and sees nothing else of the host', async () => {
    const [server] = await childrenOf('virtiofsd');
    const status = await readFile(`/proc/${server}/status`, 'utf8');
    expect(Number(/^Uid:\t(\d+)/m.exec(status)?.[1])).toBeGreaterThanOrEqual(0x8000_0000);
    expect(/^NoNewPrivs:\t1$/m.test(status)).toBe(true);
    expect(/^Seccomp:\t2$/m.test(status)).toBe(true);
    expect(await readdir(`/proc/${server}/root`)).toEqual(['0', '1', '2', '3']);
    const { stdout } = await promisify(execFile)('nsenter', [
      '-t',
      String(server),
      '-n',
      'ls',
      '/sys/class/net',
    ]);
    expect(stdout.trim().split('\n')).not.toContain('eth0');
  });

  it('end the machine with their server, and its restart policy has both again', async () => {
    const [server] = await childrenOf('virtiofsd');
    process.kill(server ?? 0, 'SIGKILL');
    await expect
      .poll(async () => (await childrenOf('virtiofsd').catch(() => []))[0] ?? server, { timeout: 60_000 })
      .not.toBe(server);
    expect(await inside('cat /bound/host')).toBe('from the host');
    await instance.berthOk(['rm', '-f', 'vm']);
    expect(await readdir('/proc')).not.toContain(String(server));
  });

  it('are refused for a word that is no way to share, and for a kernel that has no virtiofs', async () => {
    const unknown = await instance.berth([
      ...['create', '--isolation', 'vm', '--annotation', 'berth.shares=nfs', 'busybox', 'true'],
    ]);
    expect(unknown.stderr).toContain('folders cannot be shared by nfs');
    expect(unknown.stderr).toContain('The annotation berth.shares is 9p or virtiofs');
    const [kept] = await readdir(`${instance.dataRoot}/vm/kernels`).then((names) =>
      names.filter((name) => name.startsWith('package-')),
    );
    const path = `${instance.dataRoot}/vm/kernels/${kept}/kernel.json`;
    await writeFile(
      path,
      JSON.stringify({ ...JSON.parse(await readFile(path, 'utf8')), hasVirtiofs: false }),
    );
    const lacking = await instance.berth([
      'run',
      '--rm',
      ...VIRTIOFS,
      '-v',
      `${folder}:/x`,
      'busybox',
      'true',
    ]);
    expect(lacking.stderr).toMatch(new RegExp(`${folder} cannot be shared: the kernel \\S+ has no virtiofs`));
  });
});
