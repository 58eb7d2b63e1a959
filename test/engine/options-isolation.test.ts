import { readdir, readFile, readlink, rmdir } from 'node:fs/promises';
import { hostname } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRefusal, shellOutput } from './busybox.ts';
import { type Instance, startInstance } from './instance.ts';

describe('a container is isolated as its options say', () => {
  let instance: Instance;
  beforeAll(async () => {
    instance = await startInstance();
    await instance.berthOk(['pull', '-q', 'busybox:latest']);
  });
  afterAll(async () => instance[Symbol.asyncDispose]());

  const inBusybox = (script: string, ...options: string[]) => shellOutput(instance, script, options);
  const refused = (...options: string[]) => createRefusal(instance, options);

  it("shares the host's process, IPC and UTS namespaces with the mode host", async () => {
    const namespaces = 'for name in pid ipc uts; do readlink /proc/self/ns/$name; done';
    const own = await Promise.all(['pid', 'ipc', 'uts'].map((name) => readlink(`/proc/self/ns/${name}`)));
    const shared = await inBusybox(namespaces, '--pid', 'host', '--ipc', 'host', '--uts', 'host');
    expect(shared.split('\n')).toEqual(own);
    expect(await inBusybox('hostname', '--uts', 'host')).toBe(hostname());
    for (const name of (await inBusybox(namespaces)).split('\n')) expect(own).not.toContain(name);
  });

  it("shares another container's process and UTS namespaces, and its IPC namespace where that is shareable", async () => {
    await instance.berthOk([
      ...['run', '-d', '--name', 'donor', '--ipc', 'shareable', '-h', 'donor-host', 'busybox'],
      ...['sh', '-c', 'echo shared > /dev/shm/file; exec sleep 4321'],
    ]);
    expect(await inBusybox('ps', '--pid', 'container:donor')).toContain('sleep 4321');
    expect(await inBusybox('hostname', '--uts', 'container:donor')).toBe('donor-host');
    expect(await inBusybox('cat /dev/shm/file', '--ipc', 'container:donor')).toBe('shared');
    await instance.berthOk(['run', '-d', '--name', 'private', 'busybox', 'sleep', '1000']);
    const joined = await instance.berth(['run', '--rm', '--ipc', 'container:private', 'busybox', 'true']);
    expect(joined.stderr).toContain('non-shareable IPC');
    await instance.berthOk(['rm', '-f', 'donor', 'private']);
    const late = await instance.berth(['run', '--rm', '--pid', 'container:donor', 'busybox', 'true']);
    expect(late.stderr).toContain('No such container: donor');
  });

  it('has no /dev/shm of its own with --ipc none', async () => {
    expect(await inBusybox('grep -c " /dev/shm " /proc/mounts || true', '--ipc', 'none')).toBe('0');
  });

  it('runs as the user and in the groups that are named inside the image', async () => {
    const groups = ['--group-add', 'root', '--group-add', '4242'];
    expect(await inBusybox('id', '-u', 'nobody', ...groups)).toMatch(
      /^uid=65534\(nobody\) gid=65534\(nogroup\) groups=(?=.*\b0\(root\))(?=.*\b4242\b)/,
    );
    const unknown = await instance.berth(['run', '--rm', '-u', 'nobody-here', 'busybox', 'true']);
    expect(unknown).toMatchObject({ code: 125 });
    expect(unknown.stderr).toContain('unable to find user nobody-here');
  });

  it('has the capabilities that were added and not those that were dropped', async () => {
    const mask = 'grep CapEff /proc/self/status | cut -f2';
    expect(await inBusybox(mask, '--cap-drop', 'ALL', '--cap-add', 'chown')).toBe('0000000000000001');
    expect(await inBusybox(mask, '--cap-drop', 'ALL')).toBe('0000000000000000');
    expect(await inBusybox('chown 1:1 /etc/passwd || echo refused', '--cap-drop', 'CHOWN')).toContain(
      'refused',
    );
    expect(await refused('--cap-add', 'flying')).toContain(
      'invalid CapAdd: unknown capability: "CAP_FLYING"',
    );
  });

  it('is under the seccomp profile that was given, or none', async () => {
    const state = 'grep "^Seccomp:" /proc/self/status | cut -f2';
    expect(await inBusybox(state, '--security-opt', 'seccomp=unconfined')).toBe('0');
    const profile =
      '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO"}]}';
    const { body } = await instance.api('POST /containers/create', {
      Image: 'busybox',
      Cmd: ['sh', '-c', `${state}; mkdir /made || echo refused; touch /made && echo made`],
      HostConfig: { SecurityOpt: [`seccomp=${profile}`] },
    });
    const { Id: id } = body as { Id: string };
    expect(await instance.berthOk(['start', '-a', id])).toBe('2\nrefused\nmade');
    await instance.berthOk(['rm', id]);
    expect(await refused('--security-opt', 'seccomp=/no/such/profile')).toContain('/no/such/profile');
    expect(await refused('--security-opt', 'bogus=1')).toContain('invalid --security-opt 2: "bogus=1"');
    expect(await refused('--security-opt', 'apparmor=mine')).toContain('AppArmor');
  });

  it('gains no privileges with no-new-privileges', async () => {
    const flag = 'grep NoNewPrivs /proc/self/status | cut -f2';
    expect(await inBusybox(flag)).toBe('0');
    expect(await inBusybox(flag, '--security-opt', 'no-new-privileges')).toBe('1');
    expect(await inBusybox(flag, '--security-opt', 'no-new-privileges:false')).toBe('0');
  });

  it('sees masked and read-only paths as they are with systempaths=unconfined', async () => {
    const mounts = 'grep -c " /proc/" /proc/mounts || true';
    expect(Number(await inBusybox(mounts))).toBeGreaterThan(5);
    expect(await inBusybox(mounts, '--security-opt', 'systempaths=unconfined')).toBe('0');
  });

  it('has its own values of the kernel parameters', async () => {
    const options = ['--sysctl', 'net.ipv4.ip_forward=1', '--sysctl', 'kernel.msgmax=4096'];
    expect(await inBusybox('sysctl -n net.ipv4.ip_forward kernel.msgmax', ...options)).toBe('1\n4096');
    expect(await refused('--sysctl', 'vm.swappiness=1')).toContain('not in a separate kernel namespace');
    expect(await refused('--network', 'host', '--sysctl', 'net.core.somaxconn=9')).toContain(
      'not allowed in host network namespace',
    );
  });

  it('has its limits of open files, lowered with a warning to what the host allows', async () => {
    expect(await inBusybox('ulimit -Sn; ulimit -Hn', '--ulimit', 'nofile=100:200')).toBe('100\n200');
    const limits = await readFile('/proc/self/limits', 'utf8');
    const [, most] = /^Max open files +\d+ +(\d+)/m.exec(limits) ?? [];
    const above = await instance.berth([
      ...['run', '--rm', '--ulimit', `nofile=${Number(most) + 1}`, 'busybox', 'sh', '-c', 'ulimit -Hn'],
    ]);
    if (!above.stderr.includes('WARNING')) expect(above.stdout.trim()).toBe(String(Number(most) + 1));
    else expect(above).toMatchObject({ code: 0, stdout: `${most}\n` });
    expect(await refused('--ulimit', 'files=1')).toContain('invalid ulimit type: files');
  });

  it('is as likely to be killed for want of memory as its score says', async () => {
    expect(await inBusybox('cat /proc/1/oom_score_adj', '--oom-score-adj', '500')).toBe('500');
    expect(await refused('--oom-score-adj', '2000')).toContain(
      'Invalid value 2000, range for oom score adj is [-1000, 1000]',
    );
  });

  it('is in the control group, and sees the part of the tree, that its options say', async () => {
    const groups = 'cat /proc/self/cgroup';
    const path = /^\d+:(?:memory)?:(.*)$/m;
    const below = await inBusybox(groups, '--cgroupns', 'host', '--cgroup-parent', 'berth-test-parent/below');
    expect(path.exec(below)?.[1]).toMatch(/^\/berth-test-parent\/below\/[0-9a-f]{64}$/);
    // The OCI runtime removes the container's group, and leaves those above as they are the user's.
    for (const hierarchy of await readdir('/sys/fs/cgroup')) {
      for (const group of ['berth-test-parent/below', 'berth-test-parent']) {
        await rmdir(`/sys/fs/cgroup/${hierarchy}/${group}`).catch(() => {});
      }
    }
    expect(path.exec(await inBusybox(groups, '--cgroupns', 'private'))?.[1]).toBe('/');
    expect(await refused('--cgroup-parent', '../../up')).toContain('must not contain ".."');
  });

  it('hands annotations to the OCI runtime', async () => {
    await instance.berthOk([
      'run',
      '-d',
      '--name',
      'noted',
      '--annotation',
      'org.example=x',
      'busybox',
      'sleep',
      '1000',
    ]);
    const id = await instance.berthOk(['inspect', '-f', '{{.Id}}', 'noted']);
    const bundle = await readFile(`${instance.dataRoot}/containers/${id}/config.json`, 'utf8');
    expect((JSON.parse(bundle) as { annotations: object }).annotations).toMatchObject({ 'org.example': 'x' });
    await instance.berthOk(['rm', '-f', 'noted']);
  });

  it('has every privilege with --privileged', async () => {
    const probe =
      'mount -t tmpfs none /tmp && echo mounted; test -w /sys/fs/cgroup && echo writable; ls -d /dev/loop-control';
    expect(await inBusybox(probe, '--privileged')).toContain('mounted\n');
    expect(await inBusybox('mount -t tmpfs none /tmp || echo refused')).toContain('refused');
  });
});
