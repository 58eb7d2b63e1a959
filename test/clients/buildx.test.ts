import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { buffer } from 'node:stream/consumers';
import { pack } from 'tar-stream';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { run } from '../../src/base/index.ts';
import { FLASK } from '../engine/examples.ts';
import { type Instance, startInstance } from '../engine/instance.ts';
import { findDocker, findDockerPlugin } from './find-docker.ts';

const docker = findDocker();
const buildx = findDockerPlugin('buildx');
const compose = findDockerPlugin('compose');
const missing = docker === undefined ? 'docker CLI' : buildx === undefined ? 'buildx plugin' : undefined;
const reason = missing === undefined ? '' : ` (skipped: no ${missing})`;

const STAGES = `ARG BASE=busybox
FROM $BASE AS builder
ARG V=1
WORKDIR /src
COPY hello.txt folder/ ./
RUN echo building $V && cat hello.txt >/made
FROM busybox
COPY --from=builder /made /made
COPY --from=builder /src/deep /deep
CMD ["cat", "/made"]
`;

describe.skipIf(missing !== undefined)(`docker build with buildx${reason}`, () => {
  let instance: Instance;
  let config: string;
  let folder: string;
  beforeAll(async () => {
    instance = await startInstance();
    config = await mkdtemp('/tmp/berth-docker-config-');
    await mkdir(join(config, 'cli-plugins'));
    for (const [name, path] of Object.entries({ buildx, compose }))
      if (path !== undefined) await symlink(path, join(config, 'cli-plugins', `docker-${name}`));
    await instance.berthOk(['pull', '-q', 'busybox']);
  });
  beforeEach(async () => {
    folder = await mkdtemp('/tmp/berth-buildx-');
    await write({ Dockerfile: STAGES, 'hello.txt': 'hello\n', 'folder/deep/f': 'deep', junk: 'x' });
    await write({ '.dockerignore': 'junk\n' });
    return () => rm(folder, { recursive: true });
  });
  afterAll(async () => {
    await instance[Symbol.asyncDispose]();
    await rm(config, { recursive: true });
  });

  async function write(files: Readonly<Record<string, string>>): Promise<void> {
    for (const [name, content] of Object.entries(files)) {
      await mkdir(join(folder, name, '..'), { recursive: true });
      await writeFile(join(folder, name), content);
    }
  }

  function environment(): NodeJS.ProcessEnv {
    const { DOCKER_BUILDKIT: _own, ...env } = process.env;
    return {
      ...env,
      DOCKER_HOST: `unix://${instance.socketPath}`,
      DOCKER_CONFIG: config,
      BUILDX_CONFIG: config,
    };
  }

  async function runDocker(args: readonly string[], input?: string | Buffer) {
    const options = { env: environment(), cwd: folder, ...(input === undefined ? {} : { input }) };
    const { code, stdout, stderr } = await run(docker ?? 'docker', args, options);
    return { code, stdout: stdout.toString(), output: stdout.toString() + stderr };
  }

  async function build(args: readonly string[], input?: string | Buffer): Promise<string> {
    const { code, output } = await runDocker(['build', '--progress=plain', ...args], input);
    if (code !== 0) throw new Error(`docker build ${args.join(' ')} ended with ${code}:\n${output}`);
    return output;
  }

  /** The steps that it shows, without their numbers, and what became of each. */
  function steps(output: string): string[] {
    const names = [...output.matchAll(/^#(\d+) (\[.*)$/gm)].map(([, id = '', name = '']) => [id, name]);
    return [...new Map(names.map(([id = '', name = '']) => [id, name]))]
      .map(([id, name]) => `${name} ${new RegExp(`^#${id} (CACHED|DONE|ERROR)`, 'm').exec(output)?.[1]}`)
      .sort();
  }

  it('builds stages with ARG, RUN and COPY, and from the cache what nothing has changed for', async () => {
    const first = await build([
      '-t',
      'staged',
      '--build-arg',
      'V=2',
      '--label',
      'b=2',
      '--label',
      'a=1',
      '.',
    ]);
    expect(steps(first)).toEqual([
      '[builder 1/4] FROM docker.io/library/busybox:latest CACHED',
      '[builder 2/4] WORKDIR /src DONE',
      '[builder 3/4] COPY hello.txt folder/ ./ DONE',
      '[builder 4/4] RUN echo building 2 && cat hello.txt >/made DONE',
      '[internal] load .dockerignore DONE',
      '[internal] load build context DONE',
      '[internal] load build definition from Dockerfile DONE',
      '[stage-1 2/3] COPY --from=builder /made /made DONE',
      '[stage-1 3/3] COPY --from=builder /src/deep /deep DONE',
    ]);
    expect(first).toMatch(/^#\d+ \d+\.\d+ building 2$/m);
    const id = await instance.berthOk(['images', '-q', '--no-trunc', 'staged']);
    expect(first).toContain(`writing image ${id}`);
    expect(await instance.berthOk(['run', '--rm', 'staged'])).toBe('hello');
    expect(await instance.berthOk(['run', '--rm', 'staged', 'cat', '/deep/f'])).toBe('deep');

    const again = await build([
      '-t',
      'staged',
      '--build-arg',
      'V=2',
      '--label',
      'a=1',
      '--label',
      'b=2',
      '.',
    ]);
    expect(steps(again).filter((step) => !step.startsWith('[internal]'))).toEqual(
      steps(first)
        .filter((step) => !step.startsWith('[internal]'))
        .map((step) => step.replace(/DONE$/, 'CACHED')),
    );
    expect(again).toContain(`writing image ${id}`);
  });

  it('shows the output of a step that fails, its lines of the Dockerfile and its exit code', async () => {
    const failing = 'FROM busybox\n# why\nRUN echo one && \\\n    echo two >&2 && \\\n    exit 3\nCMD x\n';
    const { code, output } = await runDocker(['build', '--progress=plain', '-f', '-', '.'], failing);
    expect(code).toBe(1);
    const step = '[2/2] RUN echo one &&     echo two >&2 &&     exit 3';
    expect(output).toContain(`------\n > ${step}:\n`);
    expect(output).toMatch(/^\d+\.\d+ two$/m);
    expect(output).toContain(
      'Dockerfile:3\n--------------------\n   2 |     # why\n   3 | >>> RUN echo one && \\\n   4 | >>>     echo two >&2 && \\\n' +
        '   5 | >>>     exit 3\n   6 |     CMD x\n',
    );
    expect(output).toContain(
      'process "/bin/sh -c echo one &&     echo two >&2 &&     exit 3" did not complete successfully: exit code: 3',
    );
  });

  it('shows the line of what is wrong in the Dockerfile or the context', async () => {
    const unknown = await runDocker(['build', '-f', '-', '.'], 'FROM busybox\nRUNN x\n');
    expect(unknown.output).toContain('   2 | >>> RUNN x');
    expect(unknown.output).toContain('unknown instruction: RUNN (line 2). Did you mean RUN?');
    const ignored = await runDocker(['build', '-f', '-', '.'], 'FROM busybox\nCOPY junk /\n');
    expect(ignored.output).toContain('   2 | >>> COPY junk /');
    expect(ignored.output).toContain('the .dockerignore file excludes it');
  });

  it('is sent of the context only what the Dockerfile takes', async () => {
    await write({ large: 'x'.repeat(3_000_000) });
    const context = /transferring context: (.*?) .*done$/gm;
    const sent = async (dockerfile: string) =>
      [...(await build(['-f', '-', '.'], dockerfile)).matchAll(context)].map(([, size]) => size).at(-1);
    expect(await sent('FROM busybox\nCOPY hello.txt /\n')).toBe('6B');
    expect(await sent('FROM busybox\nCOPY . /all\n')).toBe('3.00MB');
  });

  it('takes a tar or a Dockerfile on standard input', async () => {
    const archive = pack();
    archive.entry({ name: 'Dockerfile' }, 'FROM busybox\nCOPY f /\n');
    archive.entry({ name: 'f' }, 'from a tar');
    archive.finalize();
    await build(['-t', 'from-tar', '-'], await buffer(archive));
    expect(await instance.berthOk(['run', '--rm', 'from-tar', 'cat', '/f'])).toBe('from a tar');
    await build(['-t', 'from-nothing', '-'], 'FROM busybox\nRUN echo made >/m\n');
    expect(await instance.berthOk(['run', '--rm', 'from-nothing', 'cat', '/m'])).toBe('made');
  });

  it('writes the files about its result, and keeps no image of a build for the cache alone', async () => {
    await build(['-t', 'told', '--iidfile', 'iid', '--metadata-file', 'metadata', '.']);
    const id = await instance.berthOk(['images', '-q', '--no-trunc', 'told']);
    expect(await readFile(join(folder, 'iid'), 'utf8')).toBe(id);
    expect(JSON.parse(await readFile(join(folder, 'metadata'), 'utf8'))).toMatchObject({
      'containerimage.digest': id,
      'image.name': 'docker.io/library/told:latest',
    });
    const before = await instance.berthOk(['images', '-q']);
    await build(['--output', 'type=cacheonly', '-f', '-', '.'], 'FROM busybox\nRUN echo only cached\n');
    expect(await instance.berthOk(['images', '-q'])).toBe(before);
    const cached = await build(['-f', '-', '.'], 'FROM busybox\nRUN echo only cached\n');
    expect(steps(cached)).toContain('[2/2] RUN echo only cached CACHED');
  });

  it('builds the stage, and for the network, that it is told', async () => {
    await build(['-t', 'stage-only', '--target', 'builder', '--platform', 'linux', '.']);
    expect(await instance.berthOk(['run', '--rm', 'stage-only', 'pwd'])).toBe('/src');
    const links = 'FROM busybox\nRUN ls /sys/class/net >/links\n';
    await build(['--network', 'none', '-t', 'offline', '-f', '-', '.'], links);
    expect(await instance.berthOk(['run', '--rm', 'offline', 'cat', '/links'])).toBe('lo');
  });

  it('refuses by name what the builder does not have', async () => {
    const refused = async (...args: string[]) => {
      const { code, output } = await runDocker(['build', ...args, '.']);
      expect(code).toBe(1);
      return output;
    };
    expect(await refused('--add-host', 'a:1.2.3.4')).toContain('(--add-host) are not there yet');
    expect(await refused('--build-context', 'x=/tmp')).toContain('(--build-context x) are not there yet');
    expect(await refused('--check')).toContain('(--check, --call) are not there yet');
    expect(await refused('--ulimit', 'nofile=9:9')).toContain('(--ulimit) are not there yet');
    expect(await refused('--no-cache-filter', 'builder')).toContain(
      '(--no-cache-filter builder) is not there yet',
    );
    expect(await refused('--output', 'type=local,dest=out')).toContain(
      'output type "local" are not there yet',
    );
    expect(await refused('--platform', 'linux/s390x')).toContain('building for linux/s390x is not there yet');
  });

  it('ends its step when the client is interrupted', async () => {
    const args = ['build', '--progress=plain', '-f', '-', '.'];
    const client = spawn(docker ?? 'docker', args, { env: environment(), cwd: folder });
    client.stdin.end('FROM busybox\nRUN echo begun && sleep 1000\n');
    for await (const line of createInterface({ input: client.stderr })) {
      if (/\d begun$/.test(line)) client.kill('SIGINT');
    }
    if (client.exitCode === null) await once(client, 'exit');
    expect(client.exitCode).not.toBe(0);
    const left = () => run('pgrep', ['-f', '^sleep 1000']);
    await expect.poll(async () => (await left()).stdout.toString(), { timeout: 20_000 }).toBe('');
  });

  it('lists and prunes the build cache', async () => {
    await build(['--output', 'type=cacheonly', '-f', '-', '.'], 'FROM busybox\nRUN echo to prune >/f\n');
    const list = await runDocker(['buildx', 'du', '--verbose']);
    expect(list.output).toContain('RUN /bin/sh -c echo to prune >/f # buildkit');
    expect((await runDocker(['buildx', 'prune', '--force'])).code).toBe(0);
    expect((await runDocker(['buildx', 'du', '--verbose'])).output).not.toContain('echo to prune');
  });

  it('builds the tutorial', async () => {
    await build(['-t', 'my-flask-app', FLASK]);
    expect(await instance.berthOk(['run', '--rm', 'my-flask-app', 'cat', 'app.py'])).toContain(
      'Hello, World!',
    );
  });

  const withoutCompose = compose === undefined ? ' (skipped: no compose plugin)' : '';
  it.skipIf(compose === undefined)(
    `docker compose builds services and starts them${withoutCompose}`,
    async () => {
      await write({
        'compose.yaml':
          'services:\n  a:\n    build: { context: ., args: { V: "7" }, target: builder }\n    command: [cat, /made]\n  b:\n    build: .\n',
      });
      const built = await runDocker(['compose', '-p', 'bx', 'build']);
      expect(built).toMatchObject({ code: 0 });
      const up = await runDocker(['compose', '-p', 'bx', 'up', '--build']);
      expect(up).toMatchObject({ code: 0, output: expect.stringMatching(/^a-1 +\| hello$/m) });
      expect(up.output).toMatch(/^b-1 +\| hello$/m);
      expect(await runDocker(['compose', '-p', 'bx', 'down'])).toMatchObject({ code: 0 });
    },
  );
});
