import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run, runChecked } from '../../src/base/index.ts';
import { createRefusal, shellOutput } from './busybox.ts';
import { type Instance, startInstance } from './instance.ts';

describe('a container has the files that its options say', () => {
  let instance: Instance;
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp('/tmp/berth-mounts-');
    instance = await startInstance({ args: ['--cdi-spec-dir', `${folder}/cdi`] });
    await instance.berthOk(['pull', '-q', 'busybox:latest']);
  });
  afterAll(async () => {
    await instance[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });

  const inBusybox = (script: string, ...options: string[]) => shellOutput(instance, script, options);
  const refused = (...options: string[]) => createRefusal(instance, options);

  it('cannot write to its root with --read-only, but to what is mounted in it', async () => {
    const script = 'touch /file 2>/dev/null || echo refused; touch /tmp/file /dev/shm/file && echo written';
    expect(await inBusybox(script, '--read-only', '--tmpfs', '/tmp')).toBe('refused\nwritten');
  });

  it('has a tmpfs of the size, mode and flags that were asked for', async () => {
    const script =
      'grep " /run/t " /proc/mounts; stat -c %a /run/t; head -c 3000000 /dev/zero > /run/t/file || echo full';
    const [mount, mode, end] = (await inBusybox(script, '--tmpfs', '/run/t:size=1m,mode=1750,exec')).split(
      '\n',
    );
    expect(mount).toMatch(/^tmpfs \/run\/t tmpfs (?!.*noexec)(?=.*nosuid).*size=1024k/);
    expect([mode, end]).toEqual(['1750', 'full']);
    const mounted = await inBusybox(
      script,
      '--mount',
      'type=tmpfs,target=/run/t,tmpfs-size=1m,tmpfs-mode=700',
    );
    expect(mounted.split('\n').slice(1)).toEqual(['700', 'full']);
    expect(await refused('--tmpfs', '/x:bogus')).toContain('invalid tmpfs option "bogus"');
  });

  it('has a /dev/shm of its size', async () => {
    expect(await inBusybox('grep " /dev/shm " /proc/mounts', '--shm-size', '8m')).toContain('size=8192k');
  });

  it('sees what the host mounts below a bind later on, as its propagation says', async () => {
    const source = `${folder}/shared`;
    await mkdir(source);
    await runChecked('mount', ['--bind', source, source]);
    await runChecked('mount', ['--make-shared', source]);
    try {
      for (const propagation of ['rslave', 'rprivate', 'rshared']) {
        const bind = `type=bind,source=${source},target=/data,bind-propagation=${propagation}`;
        await instance.berthOk([
          'run',
          '-d',
          '--name',
          propagation,
          '--mount',
          bind,
          'busybox',
          'sleep',
          '1000',
        ]);
      }
      await mkdir(`${source}/later`);
      await runChecked('mount', ['-t', 'tmpfs', 'tmpfs', `${source}/later`]);
      await writeFile(`${source}/later/file`, '');
      const sees = (name: string) => instance.berthOk(['exec', name, 'ls', '/data/later']);
      expect(await sees('rslave')).toBe('file');
      expect(await sees('rshared')).toBe('file');
      expect(await sees('rprivate')).toBe('');
    } finally {
      await instance.berth(['rm', '-f', 'rslave', 'rprivate', 'rshared']);
      await run('umount', ['--lazy', `${source}/later`]);
      await run('umount', ['--lazy', source]);
    }
  });

  it('is refused a shared bind of what the host does not share', async () => {
    const source = `${folder}/unshared`;
    await mkdir(source);
    await runChecked('mount', ['-t', 'tmpfs', 'tmpfs', source]);
    await runChecked('mount', ['--make-private', source]);
    try {
      const { code, stderr } = await instance.berth([
        'run',
        '--rm',
        '-v',
        `${source}:/data:rshared`,
        'busybox',
        'true',
      ]);
      expect(code).toBe(125);
      expect(stderr).toContain(`path ${source} is mounted on ${source} but it is not a shared mount`);
    } finally {
      await run('umount', ['--lazy', source]);
    }
  });

  it('has what is mounted below a bind, or not, and writable or not', async () => {
    const source = `${folder}/tree`;
    await mkdir(`${source}/below`, { recursive: true });
    await runChecked('mount', ['-t', 'tmpfs', 'tmpfs', `${source}/below`]);
    await writeFile(`${source}/below/file`, '');
    const bind = `type=bind,source=${source},target=/data`;
    const script = 'ls /data/below; touch /data/below/new 2>/dev/null && echo written || echo refused';
    try {
      expect(await inBusybox(script, '--mount', `${bind},readonly`)).toBe('file\nrefused');
      expect(await inBusybox(script, '--mount', `${bind},readonly,bind-recursive=readonly`)).toBe(
        'file\nrefused',
      );
      expect(await inBusybox(script, '--mount', `${bind},readonly,bind-recursive=writable`)).toBe(
        'file\nwritten',
      );
      expect(await inBusybox(script, '--mount', `${bind},readonly,bind-recursive=disabled`)).toBe('refused');
    } finally {
      await run('umount', ['--lazy', `${source}/below`]);
    }
  });

  it('has a missing source made by -v, and refused by --mount unless it asks for it', async () => {
    await inBusybox('touch /data/file', '-v', `${folder}/made/by-v:/data`);
    expect(await readFile(`${folder}/made/by-v/file`, 'utf8')).toBe('');
    const bind = `type=bind,source=${folder}/made/by-mount,target=/data`;
    expect(await refused('--mount', bind)).toContain('bind source path does not exist');
    await inBusybox('touch /data/file', '--mount', `${bind},bind-create-src`);
    expect(await refused('-v', '/a:/data:ro,rw')).toContain('invalid mode: ro,rw');
    expect(await refused('-v', '/tmp:/data', '--tmpfs', '/data')).toContain('Duplicate mount point: /data');
  });

  it('finds what the image had at the place of an empty volume, unless it does not want it', async () => {
    expect(Number(await inBusybox('ls /bin | wc -l', '-v', 'copied:/bin'))).toBeGreaterThan(5);
    expect(await inBusybox('ls /data/busybox', '-v', 'copied:/data')).toBe('/data/busybox');
    const none = ['--mount', 'type=volume,source=empty,target=/etc,volume-nocopy'];
    expect(await inBusybox('ls /etc/passwd 2>/dev/null || echo empty', ...none)).toBe('empty');
    expect(await inBusybox('ls /etc/passwd 2>/dev/null || echo empty', '-v', 'empty2:/etc:nocopy')).toBe(
      'empty',
    );
    await instance.berthOk(['volume', 'rm', 'copied', 'empty', 'empty2']);
  });

  it('mounts a folder of a volume alone, which must be in it', async () => {
    await inBusybox('mkdir -p /v/a/b && echo inner > /v/a/b/file && ln -s /etc /v/out', '-v', 'deep:/v');
    const part = 'type=volume,source=deep,target=/data,volume-subpath=';
    expect(await inBusybox('cat /data/file', '--mount', `${part}a/b`)).toBe('inner');
    const missing = await instance.berth(['run', '--rm', '--mount', `${part}none`, 'busybox', 'true']);
    expect(missing.stderr).toContain('subpath "none" of volume deep: no such file or directory');
    const outside = await instance.berth(['run', '--rm', '--mount', `${part}out`, 'busybox', 'true']);
    expect(outside.stderr).toContain('subpath "out" of volume deep leads out of the volume');
    expect(await refused('--mount', `${part}../x`)).toContain(
      'subpath must be a relative path within the volume',
    );
    await instance.berthOk(['volume', 'rm', 'deep']);
  });

  it('shares a volume of the local driver with a device behind it, while a container runs', async () => {
    const options = ['--opt', 'type=tmpfs', '--opt', 'device=tmpfs', '--opt', 'o=size=1m,uid=1000'];
    await instance.berthOk(['volume', 'create', ...options, 'ram']);
    await instance.berthOk(['run', '-d', '--name', 'holder', '-v', 'ram:/data', 'busybox', 'sleep', '1000']);
    await instance.berthOk(['exec', 'holder', 'sh', '-c', 'echo shared > /data/file']);
    expect(
      await inBusybox('cat /data/file; stat -c %u /data; grep " /data " /proc/mounts', '-v', 'ram:/data'),
    ).toMatch(/^shared\n1000\ntmpfs \/data tmpfs .*size=1024k/);
    const path = await instance.berthOk(['volume', 'inspect', '-f', '{{.Mountpoint}}', 'ram']);
    const isMounted = async () => (await readFile('/proc/self/mountinfo', 'utf8')).includes(path);
    expect(await isMounted()).toBe(true);
    await instance.berthOk(['rm', '-f', 'holder']);
    expect(await isMounted()).toBe(false);
    await instance.berthOk(['volume', 'rm', 'ram']);
  });

  it('mounts a folder of the host through a volume, and leaves it alone when the volume is removed', async () => {
    const source = `${folder}/behind`;
    await mkdir(source);
    const options = ['--opt', 'type=none', '--opt', `device=${source}`, '--opt', 'o=bind'];
    await instance.berthOk(['volume', 'create', ...options, 'behind']);
    await inBusybox('echo kept > /data/file', '-v', 'behind:/data');
    await instance.berthOk(['volume', 'rm', 'behind']);
    expect(await readFile(`${source}/file`, 'utf8')).toBe('kept\n');
    const wrong = await instance.berth(['volume', 'create', '--opt', 'colour=red', 'wrong']);
    expect(wrong.stderr).toContain('create wrong: invalid option: "colour"');
    const half = await instance.berth(['volume', 'create', '--opt', 'type=tmpfs', 'half']);
    expect(half.stderr).toContain('create half: missing required option: "device"');
  });

  it("has another container's volumes, read-only where it says so", async () => {
    await instance.berthOk(['create', '--name', 'owner', '-v', 'owned:/data', 'busybox', 'true']);
    await inBusybox('echo kept > /data/file', '--volumes-from', 'owner');
    const script = 'cat /data/file; touch /data/new 2>/dev/null && echo written || echo refused';
    expect(await inBusybox(script, '--volumes-from', 'owner:ro')).toBe('kept\nrefused');
    expect(await inBusybox(script, '--volumes-from', 'owner')).toBe('kept\nwritten');
    expect(await refused('--volumes-from', 'owner:bogus')).toContain('invalid mode: bogus');
    expect(await refused('--volumes-from', 'nobody')).toContain('No such container: nobody');
    await instance.berthOk(['rm', 'owner']);
  });

  it('has the devices of the host that were given, at their place and with their access', async () => {
    const probe = 'ls -l /dev/mine; : < /dev/mine && echo read; (: > /dev/mine) 2>/dev/null || echo refused';
    const device = '/dev/loop-control:/dev/mine';
    const [listed, ...access] = (await inBusybox(probe, '--device', `${device}:r`)).split('\n');
    expect(listed).toMatch(/^crw.* 10, +237 /);
    expect(access).toEqual(['read', 'refused']);
    expect(await inBusybox(probe, '--device', device)).toMatch(/\nread$/);
    const missing = await instance.berth(['run', '--rm', '--device', '/dev/none', 'busybox', 'true']);
    expect(missing.stderr).toContain('"/dev/none": no such file or directory');
    expect(await refused('--device', '/dev/zero:/x:abc')).toContain('"abc" is no mode of the letters "rwm"');
  });

  it('may use the devices that a rule allows, once it has made them', async () => {
    const script = 'mknod /tmp/kmsg c 1 11 && head -c 1 /tmp/kmsg | wc -c';
    const options = ['--cap-add', 'SYSLOG', '--tmpfs', '/tmp:dev'];
    expect(await inBusybox(script, ...options, '--device-cgroup-rule', 'c 1:11 rm')).toBe('1');
    const without = await instance.berth(['run', '--rm', ...options, 'busybox', 'sh', '-c', script]);
    expect(without.stderr).toContain('Operation not permitted');
    expect(await refused('--device-cgroup-rule', 'everything')).toContain(
      "invalid device cgroup rule format: 'everything'",
    );
  });

  it("mounts another image's files, all or a folder of them, and keeps that image", async () => {
    await instance.berthOk([
      'run',
      '--name',
      'base',
      'busybox',
      'sh',
      '-c',
      'mkdir /more; echo deep > /more/file',
    ]);
    await instance.berthOk(['commit', 'base', 'layered:1']);
    await instance.berthOk(['rm', 'base']);
    const image = 'type=image,source=layered:1,target=/img';
    const script = 'ls /img/bin/busybox; cat /img/more/file; touch /img/new 2>/dev/null || echo refused';
    await instance.berthOk(['run', '-d', '--name', 'shelf', '--mount', image, 'busybox', 'sleep', '1000']);
    expect(await inBusybox(script, '--mount', image)).toBe('/img/bin/busybox\ndeep\nrefused');
    expect(await inBusybox('ls /img', '--mount', `${image},image-subpath=more`)).toBe('file');
    expect(await instance.berthOk(['exec', 'shelf', 'cat', '/img/more/file'])).toBe('deep');
    expect((await instance.berth(['rmi', 'layered:1'])).stderr).toContain('unable to delete');
    const mounts = JSON.parse(
      await instance.berthOk(['inspect', '-f', '{{json .Mounts}}', 'shelf']),
    ) as object;
    expect(mounts).toEqual([expect.objectContaining({ Type: 'image', Name: 'layered:1', RW: false })]);
    await instance.berthOk(['rm', '-f', 'shelf']);
    expect(await readFile('/proc/self/mountinfo', 'utf8')).not.toContain(`${instance.execRoot}/images`);
    const single = 'type=image,source=busybox,target=/img';
    expect(await inBusybox('ls /img/bin/busybox', '--mount', single)).toBe('/img/bin/busybox');
    const missing = await instance.berth([
      'run',
      '--rm',
      '--mount',
      `${image},image-subpath=no`,
      'busybox',
      'true',
    ]);
    expect(missing.stderr).toContain('subpath "no" of image layered:1: no such file or directory');
    expect(await refused('--mount', 'type=image,source=none-such,target=/img')).toContain('No such image');
    await instance.berthOk(['rmi', 'layered:1']);
  });

  it('gets what a device of a CDI specification brings: variables, nodes, files and hooks', async () => {
    await mkdir(`${folder}/cdi`);
    await writeFile(`${folder}/driver`, 'the driver');
    const edits = {
      env: ['ACME_VISIBLE=0'],
      deviceNodes: [{ path: '/dev/acme0', hostPath: '/dev/loop-control', permissions: 'r' }],
      mounts: [{ hostPath: `${folder}/driver`, containerPath: '/usr/lib/acme', options: ['ro', 'bind'] }],
      hooks: [{ hookName: 'createRuntime', path: '/bin/sh', args: ['sh', '-c', `cat > ${folder}/state`] }],
    };
    const specification = { kind: 'acme.com/gpu', devices: [{ name: '0', containerEdits: edits }] };
    await writeFile(`${folder}/cdi/acme.json`, JSON.stringify(specification));
    const probe = 'echo $ACME_VISIBLE; cat /usr/lib/acme; echo; : < /dev/acme0 && echo opened';
    for (const options of [
      ['--gpus', 'all'],
      ['--device', 'acme.com/gpu=0'],
    ]) {
      expect(await inBusybox(probe, ...options)).toBe('0\nthe driver\nopened');
      expect(JSON.parse(await readFile(`${folder}/state`, 'utf8'))).toHaveProperty('pid');
      await rm(`${folder}/state`);
    }
    expect(await refused('--gpus', '2')).toContain('there are 1 GPUs, not 2');
    expect(await refused('--gpus', 'driver=other')).toContain('could not select device driver "other"');
    expect(await refused('--device', 'acme.com/gpu=7')).toContain('unresolvable CDI devices acme.com/gpu=7');
  });
});
