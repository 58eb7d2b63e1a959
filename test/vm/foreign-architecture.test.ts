import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../../src/base/index.ts';
import { findDocker } from '../clients/find-docker.ts';
import type { Instance } from '../engine/instance.ts';
import { ownArchitecture, type ServedRegistry, serveImages } from '../fixtures/served-images.ts';
import { busyboxFor, FOREIGN } from '../fixtures/two-architectures.ts';
import { startMachines } from './machines.ts';

const FOREIGN_PLATFORM = ['--platform', `linux/${FOREIGN.name}`];
const OWN_PLATFORM = ['--platform', `linux/${ownArchitecture}`];

const SERVE = [
  'trap "echo ending; exit 7" TERM',
  'mkdir -p /tmp/www && echo "served by $(uname -m)" >/tmp/www/index.html',
  'httpd -p 8080 -h /tmp/www',
  'echo begun',
  'while :; do sleep 0.1; done',
].join('; ');

describe('a virtual machine with another processor than the host', () => {
  let instance: Instance;
  let registry: ServedRegistry;
  let folder: string;
  /** The image for both processors, and the one that is there for the other one only. */
  let both: string;
  let only: string;
  beforeAll(async () => {
    registry = await serveImages();
    instance = await startMachines();
    folder = await mkdtemp('/tmp/berth-foreign-');
    const [own, foreign] = await Promise.all([busyboxFor('own'), busyboxFor('foreign')]);
    registry.addIndex('tools:latest', { [ownArchitecture]: own, [FOREIGN.name]: foreign });
    registry.addIndex('only:latest', { [FOREIGN.name]: foreign });
    both = `${registry.host}/tools`;
    only = `${registry.host}/only`;
    await instance.berthOk(['network', 'create', 'front']);
    await chmod(folder, 0o755);
    await writeFile(`${folder}/from-host`, 'from the host\n');
    await instance.berthOk([
      ...['run', '-d', '-q', '--name', 'vm', '--isolation', 'vm', ...FOREIGN_PLATFORM],
      ...[
        '--network',
        'front',
        '-p',
        '127.0.0.1::8080',
        '-v',
        `${folder}:/shared`,
        '--cpus',
        '2',
        '-m',
        '256m',
      ],
      ...['-e', 'COLOUR=blue', '-u', 'sailor', '-w', '/tmp/deck', '-h', 'boat', both, 'sh', '-c', SERVE],
    ]);
  });
  afterAll(async () => {
    await instance[Symbol.asyncDispose]();
    await registry[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });

  const inside = (script: string, ...options: string[]) =>
    instance.berthOk(['exec', ...options, 'vm', 'sh', '-c', script]);
  const machine = (...words: string[]) => instance.berth(['run', '--rm', '--isolation', 'vm', ...words]);
  const inspect = (format: string) => instance.berthOk(['inspect', '-f', format, 'vm']);

  it('runs the image of that processor under a kernel for it, from a template', async () => {
    expect(await inside('uname -m; grep -c ^processor /proc/cpuinfo')).toBe(`${FOREIGN.machine}\n2`);
    const { Architecture, Start, Accelerator, Processors } = JSON.parse(
      await inspect('{{json .Berth.VirtualMachine}}'),
    );
    expect({ Architecture, Start, Accelerator, Processors }).toEqual({
      ...{ Architecture: FOREIGN.name, Start: 'warm', Accelerator: 'tcg', Processors: 2 },
    });
  });

  it('gives it environment, user, working directory, host name and clock', async () => {
    const seen = await inside('echo $COLOUR; id; pwd; hostname; date +%s');
    const [colour, id, cwd, name, seconds] = seen.split('\n');
    expect([colour, id, cwd, name]).toEqual([
      ...['blue', 'uid=1000(sailor) gid=1001 groups=1001', '/tmp/deck', 'boat'],
    ]);
    expect(Math.abs(Number(seconds) - Date.now() / 1000)).toBeLessThan(60);
  });

  it('joins exec with input, exit code and a terminal of the size that is asked for', async () => {
    const counted = await instance.berth(['exec', '-i', 'vm', 'sh', '-c', 'wc -c; exit 4'], {
      input: 'x'.repeat(300_000),
    });
    expect([counted.code, counted.stdout.trim()]).toEqual([4, '300000']);
    const created = await instance.api('POST /containers/vm/exec', {
      ...{
        AttachStdout: true,
        Tty: true,
        Cmd: ['sh', '-c', 'until stty size | grep "33 77"; do sleep 0.1; done'],
      },
    });
    const { Id: id } = created.body as { Id: string };
    await instance.api(`POST /exec/${id}/start`, { Detach: true, Tty: true });
    await instance.api(`POST /exec/${id}/resize?h=33&w=77`);
    const ended = async () =>
      ((await instance.api(`GET /exec/${id}/json`)).body as { Running: boolean }).Running;
    await expect.poll(ended, { timeout: 20_000 }).toBe(false);
  });

  it('is reached by its name and its published port, and reaches a container', async () => {
    const page = `served by ${FOREIGN.machine}\n`;
    const fetched = ['run', '--rm', '--network', 'front', 'busybox', 'wget', '-qO-', 'http://vm:8080/'];
    await expect.poll(async () => (await instance.berth(fetched)).stdout, { timeout: 20_000 }).toBe(page);
    const port = await instance.publishedPort('vm', '8080/tcp');
    expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe(page);
    const serve = 'echo -n neighbour >index.html; exec httpd -f -p 80';
    await instance.berthOk([
      ...['run', '-d', '--name', 'neighbour', '--network', 'front', 'busybox', 'sh', '-c', serve],
    ]);
    const ask = 'until wget -qO- http://neighbour/; do sleep 0.1; done 2>/dev/null';
    expect(await inside(ask)).toBe('neighbour');
    await instance.berthOk(['rm', '-f', 'neighbour']);
  });

  it('shares a folder of the host, both ways', async () => {
    expect(await inside('cat /shared/from-host')).toBe('from the host');
    await inside('echo from the machine >/shared/from-machine', '-u', '0');
    expect(await readFile(`${folder}/from-machine`, 'utf8')).toBe('from the machine\n');
  });

  it('tells what it uses, stands still and goes on', async () => {
    const stats = await instance.berthOk([
      'stats',
      '--no-stream',
      '--format',
      '{{.MemUsage}} {{.PIDs}}',
      'vm',
    ]);
    expect(stats).toMatch(/^\d+(\.\d+)?MiB \/ 2\d\d(\.\d+)?MiB [1-9]/);
    expect(await instance.berthOk(['top', 'vm'])).toContain('httpd -p 8080');
    await instance.berthOk(['pause', 'vm']);
    expect(await inspect('{{.State.Status}}')).toBe('paused');
    await instance.berthOk(['unpause', 'vm']);
    expect(await inside('echo on')).toBe('on');
  });

  it('ends with the exit code of its program, starts again, and keeps what it has written', async () => {
    await inside('echo kept >/tmp/deck/file', '-u', '0');
    await instance.berthOk(['stop', 'vm']);
    expect(await inspect('{{.State.ExitCode}}')).toBe('7');
    expect(await instance.berthOk(['logs', 'vm'])).toBe('begun\nending');
    await instance.berthOk(['cp', 'vm:/tmp/deck/file', `${folder}/copied`]);
    expect(await readFile(`${folder}/copied`, 'utf8')).toBe('kept\n');
    await instance.berthOk(['start', 'vm']);
    expect(await inside('cat /tmp/deck/file; uname -m')).toBe(`kept\n${FOREIGN.machine}`);
    await instance.berthOk(['rm', '-f', 'vm']);
  });

  it('has folders that are shared by virtiofs', async () => {
    const options = ['-m', '256m', '--annotation', 'berth.shares=virtiofs', '-v', `${folder}:/shared`];
    const { stdout, stderr } = await machine(
      ...options,
      ...FOREIGN_PLATFORM,
      both,
      'sh',
      '-c',
      'cat /shared/from-host; uname -m',
    );
    expect([stdout, stderr]).toEqual([`from the host\n${FOREIGN.machine}\n`, '']);
  });

  it('is what an image gets that is for no other processor, without a word; a container says how to have it', async () => {
    const { code, stdout } = await machine('-q', '-m', '256m', only, 'uname', '-m');
    expect([code, stdout]).toEqual([0, `${FOREIGN.machine}\n`]);
    const refused = await instance.berth(['run', '--rm', only, 'uname', '-m']);
    expect(refused.code).toBe(126);
    expect(refused.stderr).toContain(`in a virtual machine, which can be ${FOREIGN.name}: --isolation vm`);
  });

  it('leaves the image for the host to containers: each has that of its platform', async () => {
    const words = ['uname', '-m'];
    await instance.berthOk(['run', '--rm', '-q', ...OWN_PLATFORM, both, ...words]);
    const own = await instance.berthOk(['run', '--rm', '--pull', 'never', both, ...words]);
    expect(own).not.toBe(FOREIGN.machine);
    const foreign = await machine('--pull', 'never', '-m', '256m', ...FOREIGN_PLATFORM, both, ...words);
    expect(foreign).toMatchObject({ code: 0, stdout: `${FOREIGN.machine}\n` });
  });

  it("is what a service's platform asks for in a Compose file", async () => {
    const file = `${folder}/compose.yml`;
    await writeFile(
      file,
      `name: fleet\nservices:\n  web:\n    image: ${both}\n    platform: linux/${FOREIGN.name}\n    isolation: vm\n` +
        '    mem_limit: 256m\n    command: sleep 1000\n    stop_grace_period: 1s\n',
    );
    await instance.berthOk(['compose', '-f', file, 'up', '-d']);
    const seen = await instance.berthOk(['compose', '-f', file, 'exec', '-T', 'web', 'uname', '-m']);
    expect(seen).toBe(FOREIGN.machine);
    // The image for the host, which may have come under the same name, is another one: nothing has changed.
    const [id] = (await instance.berthOk(['compose', '-f', file, 'ps', '-q'])).split('\n');
    await instance.berthOk(['compose', '-f', file, 'up', '-d']);
    expect(await instance.berthOk(['compose', '-f', file, 'ps', '-q'])).toBe(id);
    await instance.berthOk(['compose', '-f', file, 'down']);
  });

  const docker = findDocker();
  it.skipIf(docker === undefined)('is what docker run --runtime vm --platform gets', async () => {
    const env = { ...process.env, DOCKER_HOST: `unix://${instance.socketPath}` };
    const words = [
      'run',
      '--rm',
      '-q',
      '--runtime',
      'vm',
      '-m',
      '256m',
      ...FOREIGN_PLATFORM,
      both,
      'uname',
      '-m',
    ];
    const { code, stdout } = await run(docker ?? '', words, { env });
    expect([code, stdout.toString()]).toEqual([0, `${FOREIGN.machine}\n`]);
  });

  it('is refused with a kernel for another processor, and told by name', async () => {
    const kernel = `${instance.dataRoot}/vm/kernels/package-2/vmlinux`;
    const { code, stderr } = await machine('--kernel', kernel, ...FOREIGN_PLATFORM, both, 'true');
    expect(code).not.toBe(0);
    expect(stderr).toContain(
      `the kernel ${kernel} is for ${ownArchitecture}, and the virtual machine is ${FOREIGN.name}`,
    );
  });

  it('runs the steps of a build for that platform, whose image says so', async () => {
    const dockerfile = `FROM ${both}\nARG TARGETARCH\nRUN uname -m >/built && echo $TARGETARCH >>/built\n`;
    const build = ['build', '-q', '-t', 'built', ...FOREIGN_PLATFORM, '-f', '-', folder];
    const refused = await instance.berth(build, { input: dockerfile });
    expect(refused.stderr).toContain(`and for linux/${FOREIGN.name} with --isolation vm`);
    await instance.berthOk([...build, '--isolation', 'vm', '-m', '256m'], { input: dockerfile });
    expect(await instance.berthOk(['image', 'inspect', '-f', '{{.Architecture}}', 'built'])).toBe(
      FOREIGN.name,
    );
    expect((await machine('-m', '256m', 'built', 'cat', '/built')).stdout).toBe(
      `${FOREIGN.machine}\n${FOREIGN.name}\n`,
    );
  });

  it('is one of those that info tells of, with what each runs on', async () => {
    const info = await instance.berthOk(['info']);
    const [own, foreign] = [info.indexOf(`  ${ownArchitecture}:`), info.indexOf(`  ${FOREIGN.name}:`)];
    expect(own).toBeGreaterThan(0);
    expect(info.slice(foreign)).toMatch(
      /^ {2}\w+:\n {3}Accelerator: tcg \(this host's processor is \w+\)\n {3}Hypervisor: QEMU/,
    );
    expect(foreign).toBeGreaterThan(own);
    const { Runtimes } = (await instance.api('GET /info')).body as {
      Runtimes: Record<string, { status?: Record<string, string> }>;
    };
    const platforms = Runtimes.vm?.status?.['berth.platforms'];
    expect(platforms).toMatch(
      new RegExp(`^linux/${ownArchitecture} \\((kvm|tcg)\\), linux/${FOREIGN.name} \\(tcg\\)$`),
    );
  });
});
