import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type RunResult, run } from '../../src/base/index.ts';
import { FLASK, freePort } from '../engine/examples.ts';
import { type Instance, startInstance } from '../engine/instance.ts';
import { findDocker } from './find-docker.ts';

const docker = findDocker();
const reason = docker === undefined ? ' (skipped: no docker CLI on the PATH)' : '';

describe.skipIf(docker === undefined)(`the docker CLI${reason}`, () => {
  let instance: Instance;
  let configFolder: string;
  beforeAll(async () => {
    instance = await startInstance();
    configFolder = await mkdtemp('/tmp/berth-docker-config-');
  });
  afterAll(async () => {
    await instance[Symbol.asyncDispose]();
    await rm(configFolder, { recursive: true });
  });
  beforeEach(async () => {
    await dockerOk(['pull', '-q', 'busybox']);
  });
  afterEach(async () => {
    const ids = (await dockerOk(['ps', '-aq'])).split('\n').filter(Boolean);
    if (ids.length > 0) await dockerOk(['rm', '-f', ...ids]);
  });

  it('does the tutorial: build, run -d, ps, logs, exec, stop, rm', async () => {
    await dockerOk(['build', '-t', 'my-flask-app', '.'], { cwd: FLASK });
    expect(await dockerOk(['images'])).toMatch(/^my-flask-app +latest +[0-9a-f]{12} +/m);

    const port = await freePort();
    const id = await dockerOk(['run', '-d', '-p', `${port}:5050`, 'my-flask-app']);
    const page = async () => (await fetch(`http://127.0.0.1:${port}/`)).text();
    await expect.poll(page, { timeout: 20_000, interval: 100 }).toBe('Hello, World!');

    const list = await dockerOk(['ps']);
    expect(list).toMatch(new RegExp(`^${id.slice(0, 12)} +my-flask-app +"/bin/sh -c 'python `, 'm'));
    expect(list).toContain(`0.0.0.0:${port}->5050/tcp`);
    const { stdout, stderr } = await runDocker(['logs', id]);
    expect(stdout + stderr).toContain('"GET / HTTP/1.1" 200 -');
    expect(await dockerOk(['exec', id, 'cat', 'app.py'])).toContain('return "Hello, World!"');
    expect(await dockerOk(['stop', '-t', '0', id])).toBe(id);
    expect(await dockerOk(['ps', '-q'])).toBe('');
    expect(await dockerOk(['rm', id])).toBe(id);
    expect(await dockerOk(['ps', '-aq'])).toBe('');
  });

  it('shows what takes space, and removes what is unused', async () => {
    await dockerOk(['create', '--name', 'unused', '--label', 'docker-cli=1', 'busybox']);
    expect(await dockerOk(['system', 'df'])).toMatch(/^Images +\d+ +1 +\d.*\nContainers +1 +0 +\d/m);
    const details = await dockerOk(['system', 'df', '-v']);
    expect(details).toMatch(/^busybox +latest +[0-9a-f]{12} +.* 1\.98MB +0B +1\.982MB +1$/m);
    expect(await dockerOk(['images', '--tree'])).toMatch(/busybox:latest +[0-9a-f]{12} +1\.98MB/);
    expect(await dockerOk(['history', 'busybox'])).toMatch(/^[0-9a-f]{12} +.* 1\.98MB/m);
    const pruned = await dockerOk(['system', 'prune', '--force', '--filter', 'label=docker-cli']);
    expect(pruned).toMatch(/^Deleted Containers:\n[0-9a-f]{64}\n\nTotal reclaimed space: \d/);
    const { stderr } = await runDocker(['search', '--limit', '500', 'word']);
    expect(stderr).toContain('limit 500 is outside the range of [1, 100]');
  });

  it('pulls an image, shows it, tags it and removes it', async () => {
    expect(await dockerOk(['pull', 'python:3.8'])).toMatch(
      /^3\.8: Pulling from library\/python\n.*Digest: sha256:[0-9a-f]{64}\nStatus: .*\ndocker\.io\/library\/python:3\.8$/s,
    );
    await dockerOk(['tag', 'busybox', 'mine:1']);
    expect(await dockerOk(['images', '--format', '{{.Repository}}:{{.Tag}}', 'mine'])).toBe('mine:1');
    expect(await dockerOk(['rmi', 'mine:1'])).toContain('Untagged: mine:1');
    expect(await dockerOk(['images', '-q', 'mine'])).toBe('');
  });

  it('saves images, loads them again, also from a pipe, and imports a file system', async () => {
    const archive = `${configFolder}/saved.tar`;
    await dockerOk(['tag', 'busybox', 'archived:1']);
    const id = await dockerOk(['image', 'inspect', '-f', '{{.Id}}', 'archived:1']);
    await dockerOk(['save', '-o', archive, 'archived:1', 'busybox']);
    await dockerOk(['rmi', 'archived:1', 'busybox']);
    expect(await dockerOk(['load', '-i', archive])).toBe(
      'Loaded image: archived:1\nLoaded image: busybox:latest',
    );
    expect(await dockerOk(['image', 'inspect', '-f', '{{.Id}}', 'archived:1'])).toBe(id);
    await dockerOk(['rmi', 'archived:1']);
    const input = gzipSync(await readFile(archive));
    expect((await runDocker(['load', '-q'], { input })).stdout).toContain('Loaded image: archived:1\n');
    expect(await dockerOk(['run', '--rm', 'archived:1', 'echo', 'whole'])).toBe('whole');
    const platform = ['--platform', 'linux/s390x'];
    const refused = await runDocker(['load', '-i', archive, ...platform]);
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('not for linux/s390x')]);
    expect((await runDocker(['save', '-o', archive, ...platform, 'busybox'])).stderr).toContain(
      'linux/s390x',
    );

    await dockerOk(['create', '--name', 'source', 'busybox']);
    await dockerOk(['export', '-o', archive, 'source']);
    const imported = await dockerOk([
      'import',
      '-c',
      'CMD ["echo", "imported"]',
      '-m',
      'why',
      archive,
      'imported:1',
    ]);
    expect(imported).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(await dockerOk(['run', '--rm', 'imported:1'])).toBe('imported');
    expect(await dockerOk(['history', '--format', '{{.Comment}}', 'imported:1'])).toBe('why');
    await dockerOk(['rmi', 'imported:1', 'archived:1']);
  });

  it('hears what is wrong with an archive, however large it is', async () => {
    const input = Buffer.alloc(30_000_000, 'x');
    const { code, stderr } = await runDocker(['load'], { input });
    expect([code, stderr]).toEqual([1, expect.stringContaining('invalid tar archive, at its start')]);
  });

  it('feeds standard input to a container until its end', async () => {
    const { stdout, code } = await runDocker(['run', '--rm', '-i', 'busybox', 'wc', '-c'], {
      input: 'x'.repeat(100_000),
    });
    expect([stdout, code]).toEqual(['100000\n', 0]);
  });

  it('gets each stream on its own, and the exit code', async () => {
    const script = 'echo out; echo err >&2; exit 3';
    expect(await runDocker(['run', '--rm', 'busybox', 'sh', '-c', script])).toEqual({
      code: 3,
      stdout: 'out\n',
      stderr: 'err\n',
    });
  });

  it('runs further commands with their input and exit code', async () => {
    await dockerOk(['run', '-d', '--name', 'host', 'busybox', 'sleep', '1000']);
    expect(await runDocker(['exec', '-i', 'host', 'cat'], { input: 'through' })).toEqual({
      code: 0,
      stdout: 'through',
      stderr: '',
    });
    expect((await runDocker(['exec', 'host', 'sh', '-c', 'exit 9'])).code).toBe(9);
    expect((await runDocker(['exec', 'host', 'no-such-command'])).code).toBe(127);
  });

  it.each([
    [125, 'an option that the engine refuses', ['--network', 'no-such-network', 'busybox', 'true']],
    [125, 'an image that is nowhere', ['no-such-image-here']],
    [126, 'a program that is not executable', ['busybox', '/etc/passwd']],
    [127, 'a program that is not there', ['busybox', 'no-such-command']],
  ])('ends with %i for %s', async (expected, _, args) => {
    expect((await runDocker(['run', '--rm', ...args])).code).toBe(expected);
    expect(await dockerOk(['ps', '-aq'])).toBe('');
  });

  it('follows a log to its end, waits and inspects', async () => {
    const script = 'echo 1; read line; echo $line; exit 6';
    await dockerOk(['create', '-i', '--name', 'talker', 'busybox', 'sh', '-c', script]);
    const started = await runDocker(['start', '-a', '-i', 'talker'], { input: '2\n' });
    expect(started).toEqual({ code: 6, stdout: '1\n2\n', stderr: '' });
    expect(await dockerOk(['logs', '-f', 'talker'])).toBe('1\n2');
    expect(await dockerOk(['wait', 'talker'])).toBe('6');
    expect(await dockerOk(['inspect', '-f', '{{.State.Status}} {{.State.ExitCode}}', 'talker'])).toBe(
      'exited 6',
    );
  });

  it('makes, lists and removes networks and volumes', async () => {
    for (const kind of ['network', 'volume']) {
      await dockerOk([kind, 'create', 'mine']);
      expect(await dockerOk([kind, 'ls', '--filter', 'name=mine'])).toContain('mine');
      expect(await dockerOk([kind, 'rm', 'mine'])).toBe('mine');
      expect(await dockerOk([kind, 'ls', '-q', '--filter', 'name=mine'])).toBe('');
    }
  });

  interface Options {
    readonly input?: string | Buffer;
    readonly cwd?: string;
  }

  async function runDocker(args: readonly string[], options: Options = {}) {
    const env = {
      ...process.env,
      DOCKER_HOST: `unix://${instance.socketPath}`,
      DOCKER_BUILDKIT: '0', // without buildx: by the classic endpoint
      DOCKER_CONFIG: configFolder, // no context or credentials of the user's
    };
    const result: RunResult = await run(docker ?? 'docker', args, { ...options, env });
    return { code: result.code, stdout: result.stdout.toString(), stderr: result.stderr };
  }

  async function dockerOk(args: readonly string[], options: Options = {}): Promise<string> {
    const { code, stdout, stderr } = await runDocker(args, options);
    if (code !== 0) throw new Error(`docker ${args.join(' ')} ended with ${code}:\n${stdout}${stderr}`);
    return stdout.trim();
  }
});
