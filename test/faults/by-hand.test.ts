import { mkdtemp, readdir, readFile, readlink, rm, symlink, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run, runChecked } from '../../src/base/index.ts';
import { type Instance, startInstance } from '../engine/instance.ts';
import { expectNothingElse } from './storm.ts';

describe('what somebody breaks by hand is noticed and told, and nothing of it stays', () => {
  let instance: Instance;
  let programs: string;
  beforeAll(async () => {
    programs = await mkdtemp('/tmp/berth-programs-');
    await linkPrograms(programs);
    instance = await startInstance({ env: { PATH: programs } });
    await instance.berthOk(['pull', '-q', 'busybox']);
  });
  afterAll(async () => {
    await instance[Symbol.asyncDispose]();
    await rm(programs, { recursive: true });
  });

  const start = (name: string, ...options: string[]) =>
    instance.berthOk(['run', '-d', '--name', name, ...options, 'busybox', 'sleep', '1000']);
  const inspect = (name: string, format: string) => instance.berthOk(['inspect', '-f', format, name]);
  const pidOf = async (name: string) => Number(await inspect(name, '{{.State.Pid}}'));
  const status = (name: string) => inspect(name, '{{.State.Status}}');
  const canReach = async (from: string, to: string) =>
    (await instance.berth(['exec', from, 'ping', '-c', '1', '-W', '5', to])).code === 0;

  it('a supervisor that is killed', async () => {
    await start('orphan', '-p', '127.0.0.1::80');
    process.kill(await parentOf(await pidOf('orphan')), 'SIGKILL');
    await expect.poll(() => status('orphan'), { timeout: 10_000 }).toBe('exited');
    expect(await inspect('orphan', '{{.State.ExitCode}} {{.State.Error}}')).toBe(
      '255 the supervisor was killed before it could tell how the container ended',
    );
    await expectNothingElse(instance);
    await instance.berthOk(['start', 'orphan']);
    await instance.berthOk(['rm', '-f', 'orphan']);
    await expectNothingElse(instance);
  });

  it('a PID 1 that goes, though its children live on in the processes of the host', async () => {
    const script = 'sleep 1000 & sleep 1000 & exit 3';
    const { code } = await instance.berth(['run', '--rm', '--pid', 'host', 'busybox', 'sh', '-c', script]);
    expect(code).toBe(3);
    await expectNothingElse(instance);
  });

  it('a container that forks without end: it has its limit, and others go on', async () => {
    const script = 'f() { f | f & }; f; exec sleep 1000';
    await instance.berthOk([
      'run',
      '-d',
      '--name',
      'bomb',
      '--pids-limit',
      '30',
      'busybox',
      'sh',
      '-c',
      script,
    ]);
    expect(await instance.berthOk(['run', '--rm', 'busybox', 'echo', 'works'])).toBe('works');
    await instance.berthOk(['rm', '-f', 'bomb']);
    await expectNothingElse(instance);
  });

  it('a bridge that is deleted: starts say so, and the next berthd makes it again', async () => {
    await instance.berthOk(['network', 'create', 'shop']);
    await start('web', '--network', 'shop');
    await start('client', '--network', 'shop');
    const [bridge = ''] = await bridgesOf(await pidOf('web'));
    await runChecked('ip', ['link', 'del', bridge]);
    const late = await instance.berth(['run', '--rm', '--network', 'shop', 'busybox', 'true']);
    expect([late.code, late.stderr]).toEqual([
      125,
      expect.stringContaining(`the bridge ${bridge} of network shop is gone`),
    ]);
    await instance.killDaemon();
    await instance.startDaemon();
    expect(await canReach('client', 'web')).toBe(true);
    await expectNothingElse(instance);
    await instance.berthOk(['rm', '-f', 'web', 'client']);
    await instance.berthOk(['network', 'rm', 'shop']);
  });

  it('an interface that is deleted: the container can be disconnected, connected and removed', async () => {
    await instance.berthOk(['network', 'create', 'shop']);
    await start('web', '--network', 'shop');
    await start('client', '--network', 'shop');
    await runChecked('nsenter', [`--net=/proc/${await pidOf('client')}/ns/net`, 'ip', 'link', 'del', 'eth0']);
    expect(await canReach('client', 'web')).toBe(false);
    await instance.berthOk(['network', 'disconnect', 'shop', 'client']);
    await instance.berthOk(['network', 'connect', 'shop', 'client']);
    expect(await canReach('client', 'web')).toBe(true);
    await expectNothingElse(instance);
    await runChecked('nsenter', [`--net=/proc/${await pidOf('client')}/ns/net`, 'ip', 'link', 'del', 'eth0']);
    await instance.berthOk(['rm', '-f', 'web', 'client']);
    await instance.berthOk(['network', 'rm', 'shop']);
    await expectNothingElse(instance);
  });

  it('an OCI runtime that goes, or fails: its path, or its own words', async () => {
    await instance.killDaemon();
    await instance.startDaemon({ PATH: programs });
    const runtime = `${programs}/crun`;
    await rm(runtime);
    const gone = await instance.berth(['run', '--rm', 'busybox', 'true']);
    expect(gone.stderr).toContain(runtime);
    await writeFile(runtime, FAILING_RUNTIME, { mode: 0o755 });
    const failing = await instance.berth(['run', '--rm', 'busybox', 'true']);
    expect(failing.stderr).toContain('the words of a runtime');
    expect(gone.code).toBeGreaterThan(124);
    expect(failing.code).toBeGreaterThan(124);
    await rm(runtime);
    await symlink('/usr/bin/crun', runtime);
    await expectNothingElse(instance);
  });

  it('an ip that goes: an end is recorded all the same, rm -f comes to its end, and the next berthd cleans up', async () => {
    await instance.killDaemon();
    await instance.startDaemon({ PATH: programs });
    await start('stuck');
    const ip = await readlink(`${programs}/ip`);
    await rm(`${programs}/ip`);
    for (const pid of await childrenOf(instance.daemon.pid ?? 0, /^ip /)) process.kill(pid, 'SIGKILL');
    process.kill(await pidOf('stuck'), 'SIGKILL');
    await expect.poll(() => status('stuck'), { timeout: 10_000 }).toBe('exited');
    await instance.berthOk(['rm', '-f', 'stuck']);
    await symlink(ip, `${programs}/ip`);
    await instance.killDaemon();
    await instance.startDaemon();
    await expectNothingElse(instance);
  });

  it('nft that is missing: berthd names it and what to install', async () => {
    await instance.killDaemon();
    await rm(`${programs}/nft`);
    await expect(instance.startDaemon({ PATH: programs })).rejects.toThrow(
      /the program nft is not installed.*Install the package nftables/s,
    );
    await instance.startDaemon();
    await expectNothingElse(instance);
  });
});

/** It says why in its log, as crun and runc do. */
const FAILING_RUNTIME = `#!/bin/sh
while [ $# -gt 0 ]; do
  [ "$1" != --log ] || echo '{"level":"error","msg":"the words of a runtime"}' >"$2"
  shift
done
exit 1
`;

/** Links to all programs of this machine, so that a test can take one away from a berthd. */
async function linkPrograms(folder: string): Promise<void> {
  for (const from of ['/usr/bin', '/usr/sbin', '/usr/local/bin']) {
    for (const name of await readdir(from).catch(() => [])) {
      await symlink(`${from}/${name}`, `${folder}/${name}`).catch(() => {}); // the first one counts
    }
  }
}

async function parentOf(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  return Number(stat.slice(stat.lastIndexOf(')')).split(' ')[2]);
}

/** Children of a process whose command line is like this. */
async function childrenOf(parent: number, command: RegExp): Promise<number[]> {
  const pids = (await readFile(`/proc/${parent}/task/${parent}/children`, 'utf8')).split(' ').filter(Boolean);
  const found = await Promise.all(
    pids.map(async (pid) => {
      const args = await readFile(`/proc/${pid}/cmdline`, 'utf8');
      return command.test(args.replaceAll('\0', ' ')) ? [Number(pid)] : [];
    }),
  );
  return found.flat();
}

/** The bridges that the interfaces of a process's network namespace are plugged into. */
async function bridgesOf(pid: number): Promise<string[]> {
  const { stdout } = await run('nsenter', [`--net=/proc/${pid}/ns/net`, 'ip', '-j', 'link']);
  const inside = JSON.parse(stdout.toString()) as { ifname: string; link_index?: number }[];
  const outer = inside.filter(({ ifname }) => ifname.startsWith('eth')).map(({ link_index }) => link_index);
  const links = JSON.parse((await run('ip', ['-j', 'link'])).stdout.toString()) as {
    ifindex: number;
    master?: string;
  }[];
  return links.flatMap(({ ifindex, master }) =>
    outer.includes(ifindex) && master !== undefined ? [master] : [],
  );
}
