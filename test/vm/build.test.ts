import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { release } from 'node:os';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../../src/base/index.ts';
import { MachineControl } from '../../src/vm/index.ts';
import { Foreground } from '../engine/foreground.ts';
import type { Instance } from '../engine/instance.ts';
import { processorQuota } from './control-group-file.ts';
import { startMachines } from './machines.ts';

const ROOT = `${import.meta.dirname}/../..`;

/** Changes of every kind, with the same times whenever it runs. */
const CHANGES = [
  'cd / && mkdir -p /work/deep/er && echo one >/work/deep/er/file && ln -s er /work/deep/link && ln /work/deep/er/file /work/hard',
  'chmod 4751 /work/hard && chown 7:8 /work/deep && mkfifo /work/pipe && mknod /work/null c 1 3',
  'echo changed >>/etc/passwd && rm /etc/group && rm -r /usr/share/udhcpc && mkdir -p /usr/share/udhcpc && echo new >/usr/share/udhcpc/new',
  'mv /bin/vi /work/vi && head -c 300000 /dev/zero | tr "\\0" z >/work/large',
  "find /work /etc /usr /bin -xdev -newer /base -exec touch -h -d '2020-02-02 02:02:02' {} +",
].join(' && ');

const FILES = ['hosts', 'resolv.conf', 'hostname'];

describe('a build whose RUN steps are in virtual machines', () => {
  let instance: Instance;
  let folder: string;
  beforeAll(async () => {
    instance = await startMachines();
    folder = await mkdtemp('/tmp/berth-vm-build-');
    // With all that a runtime would make to mount on it: the times of folders in which it does are never the same.
    await Promise.all(FILES.map((name) => writeFile(`${folder}/${name}`, 'of the image\n')));
    const script = 'mkdir -p /usr/share/udhcpc && touch /usr/share/udhcpc/old /etc/group /etc/passwd /base';
    const prepared = `FROM busybox\nCOPY ${FILES.join(' ')} /etc/\nWORKDIR /proc\nWORKDIR /sys\nWORKDIR /dev\nWORKDIR /\nRUN ${script}\n`;
    await instance.berthOk(['build', '-q', '-t', 'base', '-f', '-', folder], { input: prepared });
  });
  afterAll(async () => {
    await instance[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });

  const build = (dockerfile: string, ...options: string[]) =>
    instance.berth(['build', ...options, '-f', '-', folder], { input: dockerfile });
  const inMachines = (dockerfile: string, ...options: string[]) =>
    build(dockerfile, '--isolation', 'vm', ...options);
  const layersOf = async (image: string) =>
    JSON.parse(await instance.berthOk(['image', 'inspect', '-f', '{{json .RootFS.Layers}}', image]));
  const steps = () => readdir(`${instance.dataRoot}/build/steps`);

  it('makes of a step the very layer that a container makes of it', async () => {
    const dockerfile = `FROM base\nRUN ${CHANGES}\n`;
    expect(await inMachines(dockerfile, '-q', '-t', 'by-machine')).toMatchObject({ code: 0, stderr: '' });
    expect(await build(dockerfile, '-q', '-t', 'by-container')).toMatchObject({ code: 0, stderr: '' });
    expect(await layersOf('by-machine')).toEqual(await layersOf('by-container'));
    expect(await steps()).toEqual([]);
  });

  it('makes no layer of a step that changes nothing, and none of the mount points of its guest', async () => {
    const bare = 'FROM scratch\nCOPY --from=busybox /bin/busybox /busybox\nRUN ["/busybox", "true"]\n';
    expect((await inMachines(bare, '-q', '-t', 'bare')).code).toBe(0);
    await instance.berthOk(['create', '--name', 'bare', 'bare', 'true']);
    await instance.berthOk(['export', '-o', `${folder}/bare.tar`, 'bare']);
    const { stdout } = await run('tar', ['-tf', `${folder}/bare.tar`]);
    expect(stdout.toString().split('\n').filter(Boolean).sort()).toEqual(['./', 'busybox', 'etc/']);
    await instance.berthOk(['rm', 'bare']);
    await inMachines('FROM base\nRUN true\n', '-q', '-t', 'same');
    expect(await layersOf('same')).toEqual(await layersOf('base'));
  });

  it('gives a step the kernel, memory, user, folder and variables that it asks for, and prints what it says', async () => {
    const { code, stdout } = await inMachines(
      'FROM busybox\nENV COLOUR=blue\nARG SHAPE=round\nWORKDIR /some/where\nUSER 1000:1001\n' +
        'RUN uname -r; id; pwd; echo $COLOUR $SHAPE; echo to stderr >&2; grep MemTotal /proc/meminfo\n',
      '--no-cache',
      '-m',
      '256m',
    );
    expect(code).toBe(0);
    expect(stdout).toContain('to stderr\n'); // somewhere: the streams are two
    const said = stdout.replace('to stderr\n', '');
    expect(said).toContain('uid=1000 gid=1001 groups=1001\n/some/where\nblue round\n');
    expect(stdout).not.toContain(`\n${release()}\n`);
    expect(Number(/MemTotal: +(\d+) kB/.exec(stdout)?.[1])).toBeLessThan(256 * 1024);
  });

  it('gives it the processors and the /dev/shm that it asks for, and so much of their time', async () => {
    const script =
      'grep -c ^processor /proc/cpuinfo; df -m /dev/shm | tail -1; printf "be%s\\n" gun; while :; do :; done';
    const dockerfile = `FROM busybox\nRUN --network=none ${script}\n`;
    const limits = ['-m', '128m', '--shm-size', '8m', '--cpu-period', '50000', '--cpu-quota', '75000'];
    await writeFile(`${folder}/Dockerfile`, dockerfile);
    const options = ['--isolation', 'vm', ...limits, folder];
    const client = new Foreground(`${ROOT}/bin/berth`, ['build', '--no-cache', ...options], {
      env: { ...process.env, DOCKER_HOST: `unix://${instance.socketPath}` },
    });
    try {
      await client.said('begun');
      expect(client.lines).toContain('2');
      expect(client.lines.some((line) => /^shm +8 /.test(line))).toBe(true);
      const runtime = `${instance.execRoot}/runtime`;
      const [machine] = await readdir(runtime);
      const { pid } = await new MachineControl(`${runtime}/${machine}`).state();
      expect(await processorQuota(pid)).toBe('75000');
    } finally {
      client.child.kill('SIGTERM');
      await rm(`${folder}/Dockerfile`);
    }
    await expect.poll(steps, { timeout: 30_000 }).toEqual([]);
  });

  it('refuses limits that no machine can have, and more memory than there is, before anything runs', async () => {
    const refused = async (...options: string[]) => {
      const { code, stderr } = await inMachines('FROM busybox\nRUN true\n', '--no-cache', ...options);
      expect(code).toBe(1);
      return stderr;
    };
    expect(await refused('-m', '200m', '--memory-swap', '900m')).toContain(
      'a virtual machine cannot have --memory-swap: its kernel has no swap space',
    );
    expect(await refused('-m', '1000g')).toContain('1000GiB of memory');
    expect(await steps()).toEqual([]);
  });

  it('has the default network with its names, or none, and not that of the host', async () => {
    await using server = createServer((_request, response) => response.end('from the host')).listen(0);
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new TypeError('no port');
    const gateway = await instance.berthOk([
      ...['network', 'inspect', '-f', '{{(index .IPAM.Config 0).Gateway}}', 'bridge'],
    ]);
    const fetched = await inMachines(`FROM busybox\nRUN wget -qO- http://${gateway}:${address.port}/\n`);
    expect(fetched.stdout).toContain('from the host');
    const hosts = 'RUN --network=none ip addr | grep -c inet; cat /etc/hosts; hostname\n';
    const none = await inMachines(`FROM busybox\n${hosts}`);
    expect(none.stdout).toMatch(/\n[12]\n127\.0\.0\.1\s+localhost/);
    expect(none.stdout).toContain('\nbuildkitsandbox\n');
    const host = await inMachines('FROM busybox\nRUN --network=host true\n');
    expect(host.code).toBe(1);
    expect(host.stderr).toContain('a virtual machine cannot have --network=host');
  });

  it('fails with what its command has said and its code, or the reason why that cannot be executed', async () => {
    const failed = await inMachines('FROM busybox\nRUN echo so far; exit 3\n');
    expect(failed.code).toBe(1);
    expect(failed.stdout).toContain('so far');
    expect(failed.stderr).toContain(
      "The command '/bin/sh -c echo so far; exit 3' returned a non-zero code: 3",
    );
    const missing = await inMachines('FROM busybox\nRUN ["no-such-thing"]\n');
    expect(missing.stderr).toContain('exec: "no-such-thing": executable file not found in $PATH');
    expect(await steps()).toEqual([]);
  });

  it('ends with its client, and its machine with it', async () => {
    await writeFile(`${folder}/Dockerfile`, 'FROM busybox\nRUN echo begun; sleep 1000\n');
    const env = { ...process.env, DOCKER_HOST: `unix://${instance.socketPath}` };
    const client = spawn(`${ROOT}/bin/berth`, ['build', '--isolation', 'vm', folder], { env });
    try {
      const lines = createInterface({ input: client.stdout });
      for await (const line of lines) if (line === 'begun') break;
      expect(await steps()).not.toEqual([]);
    } finally {
      client.kill('SIGTERM');
    }
    await expect.poll(steps, { timeout: 30_000 }).toEqual([]);
    await rm(`${folder}/Dockerfile`);
  });

  it('may be asked for by isolation: vm of a build in a Compose file', async () => {
    await mkdir(`${folder}/app`);
    await writeFile(
      `${folder}/app/Dockerfile`,
      'FROM busybox\nRUN uname -r >/kernel\nCMD ["cat", "/kernel"]\n',
    );
    await writeFile(
      `${folder}/compose.yml`,
      'name: built\nservices:\n  app:\n    build:\n      context: app\n      isolation: vm\n',
    );
    await instance.berthOk(['compose', '-f', `${folder}/compose.yml`, 'build']);
    const kernel = await instance.berthOk(['run', '--rm', 'built-app']);
    expect(kernel).toMatch(/^\d+\.\d+/);
    expect(kernel).not.toBe(release());
  });

  it('is refused where the isolation has another name, or the memory is too little to boot', async () => {
    const dockerfile = 'FROM busybox\nRUN true\n';
    expect((await build(dockerfile, '--isolation', 'hyperv')).stderr).toContain('invalid isolation (hyperv)');
    expect((await inMachines(dockerfile, '--no-cache', '-m', '16m')).stderr).toContain(
      'cannot boot with 16MiB',
    );
  });
});
