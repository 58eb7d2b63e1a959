import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Instance, startInstance } from './instance.ts';

describe('berth run', () => {
  let instance: Instance;
  beforeAll(async () => {
    instance = await startInstance();
    await instance.berthOk(['pull', '-q', 'busybox:latest']);
  });
  afterAll(async () => instance[Symbol.asyncDispose]());

  const inBusybox = (script: string, ...options: string[]) =>
    instance.berth(['run', '--rm', ...options, 'busybox', 'sh', '-c', script]);

  it('prints what the container prints, each stream on its own', async () => {
    expect(await inBusybox('echo out; echo err >&2')).toEqual({ code: 0, stdout: 'out\n', stderr: 'err\n' });
  });

  it("ends with the container's exit code", async () => {
    expect((await inBusybox('exit 3')).code).toBe(3);
    expect((await inBusybox(`sh -c 'kill -9 $$'; exit $?`)).code).toBe(137);
  });

  it('shows where the time of a start goes when asked to', async () => {
    const { code, stdout, stderr } = await instance.berth(['run', '--rm', 'busybox', 'echo', 'said'], {
      env: { BERTH_TRACE: '1' },
    });
    expect([code, stdout]).toEqual([0, 'said\n']);
    const steps = stderr.split('\n').map((line) => line.trim().split(/\s+/).slice(2).join(' '));
    expect(steps).toEqual(
      expect.arrayContaining(['network', 'supervisor', 'bundle', 'oci-runtime', 'record']),
    );
    expect(steps.indexOf('network')).toBeGreaterThan(steps.indexOf('POST /containers/create'));
  });

  it('feeds standard input to the container until its end', async () => {
    const result = await instance.berth(['run', '--rm', '-i', 'busybox', 'wc', '-c'], {
      input: 'x'.repeat(100_000),
    });
    expect(result.stdout.trim()).toBe('100000');
  });

  it('loses no byte of a large output', async () => {
    const { stdout } = await inBusybox('head -c 20000000 /dev/zero | tr "\\0" x');
    expect(stdout.length).toBe(20_000_000);
  });

  it('gives the container its environment, user, working directory and host name', async () => {
    const { stdout } = await inBusybox(
      'echo $COLOUR; id -u; id -g; pwd; hostname',
      ...['-e', 'COLOUR=blue', '-u', '1000:1001', '-w', '/some/where', '-h', 'boat'],
    );
    expect(stdout.trim().split('\n')).toEqual(['blue', '1000', '1001', '/some/where', 'boat']);
  });

  it('isolates processes, host name, network and file systems', async () => {
    const { stdout } = await inBusybox('ps | wc -l; ls /sys/class/net; echo $$');
    const lines = stdout.trim().split('\n');
    expect(Number(lines[0])).toBeLessThan(6);
    expect(lines.slice(1)).toEqual(['eth0', 'lo', '1']);
  });

  it("has Docker's default seccomp profile, capabilities and masked paths", async () => {
    const { stdout } = await inBusybox(
      'grep -E "^(Seccomp|CapEff|CapBnd):" /proc/1/status; cat /proc/kcore | wc -c',
    );
    expect(stdout).toContain('Seccomp:\t2');
    expect(stdout).toContain('CapEff:\t00000000a80425fb');
    expect(stdout).toContain('CapBnd:\t00000000a80425fb');
    expect(stdout.trim().split('\n').at(-1)).toBe('0');
  });

  it('limits memory so that the container feels it', async () => {
    const hold = 'head -c 50000000 /dev/zero | tail -c 50000000 | wc -c';
    expect((await inBusybox(hold, '-m', '200m')).stdout.trim()).toBe('50000000');
    expect((await inBusybox(hold, '-m', '16m')).stdout.trim()).toBe('0');
  });

  it('tells of an out-of-memory kill', async () => {
    await instance.berth(['run', '--name', 'hungry', '-m', '16m', 'busybox', 'sh', '-c', 'tail /dev/zero']);
    expect(await instance.berthOk(['inspect', '-f', '{{.State.OOMKilled}}', 'hungry'])).toBe('true');
    await instance.berthOk(['rm', 'hungry']);
  });

  it('mounts a folder of the host, writable or not', async () => {
    const folder = await mkdtemp('/tmp/berth-bind-');
    await writeFile(`${folder}/file`, 'from the host');
    const { stdout } = await inBusybox('cat /data/file; echo new > /data/made', '-v', `${folder}:/data`);
    expect(stdout).toBe('from the host');
    expect(await readFile(`${folder}/made`, 'utf8')).toBe('new\n');
    const refused = await inBusybox('echo x > /data/file', '-v', `${folder}:/data:ro`);
    expect(refused.stderr).toContain('Read-only file system');
    const file = await inBusybox('cat /one; echo x > /one', '-v', `${folder}/file:/one:ro`);
    expect(file.stdout).toBe('from the host');
    expect(file.stderr).toContain('Read-only file system');
    await rm(folder, { recursive: true });
  });

  it('keeps a named volume between containers and refuses to remove it while it is used', async () => {
    await inBusybox('echo kept > /data/file', '-v', 'chest:/data');
    expect((await inBusybox('cat /data/file', '-v', 'chest:/data')).stdout).toBe('kept\n');
    await instance.berthOk(['create', '--name', 'user', '-v', 'chest:/data', 'busybox', 'true']);
    expect((await instance.berth(['volume', 'rm', 'chest'])).stderr).toContain('volume is in use');
    await instance.berthOk(['rm', 'user']);
    await instance.berthOk(['volume', 'rm', 'chest']);
  });

  it('keeps its volumes when volumes are pruned while it is made', async () => {
    const names = Array.from({ length: 30 }, (_, index) => `pruned-beside-${index}`);
    const many = Array.from({ length: 50 }, (_, index) => index);
    const create = (name: string) =>
      instance.api(`POST /containers/create?name=${name}`, {
        Image: 'busybox',
        // What comes behind the volume takes a while to look at.
        HostConfig: { Binds: [`${name}:/data`, ...many.map((index) => `/tmp:/more/${index}`)] },
      });
    const creations = Promise.all(names.map(create));
    let made = false;
    void creations.finally(() => {
      made = true;
    });
    while (!made) await instance.api('POST /volumes/prune?filters={"all":["true"]}');
    expect((await creations).map(({ status }) => status)).toEqual(names.map(() => 201));
    for (const name of names) {
      expect(await instance.api(`GET /volumes/${name}`)).toMatchObject({ status: 200 });
    }
    await instance.berthOk(['rm', ...names]);
    await instance.api('POST /volumes/prune?filters={"all":["true"]}');
    expect(await instance.api('GET /volumes/pruned-beside-0')).toMatchObject({ status: 404 });
  });

  it('gives a terminal with -t', async () => {
    const { stdout } = await instance.berth(['run', '--rm', '-t', 'busybox', 'sh', '-c', 'tty; echo done']);
    expect(stdout).toBe('/dev/pts/0\r\ndone\r\n');
  });

  it('reaches other containers and the way out on the bridge', async () => {
    const serve = 'echo hello > index.html; exec httpd -f -p 7000';
    await instance.berthOk(['run', '-d', '--name', 'server', 'busybox', 'sh', '-c', serve]);
    const address = await instance.berthOk(['inspect', '-f', '{{.NetworkSettings.IPAddress}}', 'server']);
    const { stdout } = await inBusybox(`wget -qO- http://${address}:7000; ip route | grep -c default`);
    expect(stdout).toBe('hello\n1\n');
    await instance.berthOk(['rm', '-f', 'server']);
  });

  it('keeps its root writable over a read-only image, each container its own', async () => {
    await instance.berthOk([
      'run',
      '--name',
      'writer',
      'busybox',
      'sh',
      '-c',
      'echo mine > /file; rm /bin/ls',
    ]);
    expect((await inBusybox('ls / | grep -c file')).stdout.trim()).toBe('0');
    await instance.berthOk(['rm', 'writer']);
  });

  it('runs with no network and with the host network', async () => {
    expect((await inBusybox('ls /sys/class/net', '--network', 'none')).stdout.trim()).toBe('lo');
    const host = await inBusybox('ls /sys/class/net', '--network', 'host');
    expect(host.stdout.split('\n').length).toBeGreaterThan(2);
  });

  it('stops a container with its signal, and kills it after the grace time', async () => {
    await instance.berthOk([
      'run',
      '-d',
      '--name',
      'polite',
      'busybox',
      'sh',
      '-c',
      'trap "exit 7" TERM; while :; do sleep 0.1; done',
    ]);
    await instance.berthOk(['stop', 'polite']);
    expect(await instance.berthOk(['inspect', '-f', '{{.State.ExitCode}}', 'polite'])).toBe('7');
    await instance.berthOk([
      'run',
      '-d',
      '--name',
      'stubborn',
      'busybox',
      'sh',
      '-c',
      'trap "" TERM; while :; do sleep 1; done',
    ]);
    await instance.berthOk(['stop', '-t', '1', 'stubborn']);
    expect(await instance.berthOk(['inspect', '-f', '{{.State.ExitCode}}', 'stubborn'])).toBe('137');
    await instance.berthOk(['rm', 'polite', 'stubborn']);
  });

  it('runs further commands in a running container, with their own exit code', async () => {
    await instance.berthOk(['run', '-d', '--name', 'host', 'busybox', 'sleep', '1000']);
    const inside = await instance.berth([
      'exec',
      '-e',
      'A=b',
      '-w',
      '/tmp',
      'host',
      'sh',
      '-c',
      'echo $A; pwd; exit 9',
    ]);
    expect(inside).toEqual({ code: 9, stdout: 'b\n/tmp\n', stderr: '' });
    const piped = await instance.berth(['exec', '-i', 'host', 'cat'], { input: 'through' });
    expect(piped.stdout).toBe('through');
    await instance.berthOk(['exec', 'host', 'sh', '-c', 'echo late:x:77:78::/:/bin/sh >>/etc/passwd']);
    expect(await instance.berthOk(['exec', '-u', 'late', 'host', 'id', '-u'])).toBe('77'); // as it is now
    await instance.berthOk(['rm', '-f', 'host']);
  });

  it('follows the log to the end of the container', async () => {
    await instance.berthOk([
      'run',
      '-d',
      '--name',
      'talker',
      'busybox',
      'sh',
      '-c',
      'for i in 1 2 3; do echo $i; sleep 0.2; done',
    ]);
    expect(await instance.berthOk(['logs', '-f', 'talker'])).toBe('1\n2\n3');
    expect(await instance.berthOk(['logs', '--tail', '1', 'talker'])).toBe('3');
    expect(await instance.berthOk(['logs', '-t', '--tail', '1', 'talker'])).toMatch(
      /^\d{4}-\d\d-\d\dT\S+Z 3$/,
    );
    await instance.berthOk(['rm', 'talker']);
  });

  it('follows the whole log of a container that ends at the same moment, and comes to an end', async () => {
    for (let round = 0; round < 10; round += 1) {
      const { body } = await instance.api('POST /containers/create', {
        Image: 'busybox',
        Cmd: ['echo', 'hello'],
        Tty: true,
      });
      const { Id: id } = body as { Id: string };
      await instance.api(`POST /containers/${id}/start`);
      const log = await instance.api(`GET /containers/${id}/logs?stdout=1&follow=1`);
      expect(log).toEqual({ status: 200, body: 'hello\r\n' });
      await instance.api(`DELETE /containers/${id}`);
    }
  });

  it('restarts a failing container as often as its policy says', async () => {
    await instance.berthOk([
      'run',
      '-d',
      '--name',
      'phoenix',
      '--restart',
      'on-failure:2',
      'busybox',
      'sh',
      '-c',
      'exit 5',
    ]);
    await instance.berthOk(['wait', 'phoenix']);
    const restarts = async () =>
      instance.berthOk(['inspect', '-f', '{{.RestartCount}} {{.State.Status}}', 'phoenix']);
    await expect.poll(restarts, { timeout: 10_000 }).toBe('2 exited');
    await instance.berthOk(['rm', 'phoenix']);
  });
});
