import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Instance, startInstance } from './instance.ts';

describe('bad input gets one clear sentence, the right exit code, and leaves nothing behind', () => {
  let instance: Instance;
  let folder: string;
  beforeAll(async () => {
    instance = await startInstance();
    folder = await mkdtemp('/tmp/berth-context-');
    await instance.berthOk(['pull', '-q', 'busybox:latest']);
  });
  afterAll(async () => {
    await instance[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });

  const build = async (dockerfile: string, files: Record<string, string> = {}) => {
    const context = await mkdtemp(`${folder}/c-`);
    await writeFile(`${context}/Dockerfile`, dockerfile);
    for (const [name, text] of Object.entries(files)) await writeFile(`${context}/${name}`, text);
    return instance.berth(['build', context]);
  };

  it('an unknown image', async () => {
    const { code, stderr } = await instance.berth(['run', 'no-such-image-here']);
    expect(code).toBe(125);
    expect(stderr).toContain('no-such-image-here');
  });

  it('an unknown tag', async () => {
    const { code, stderr } = await instance.berth(['pull', 'busybox:no-such-tag']);
    expect(code).toBe(1);
    expect(stderr).toContain('no-such-tag');
  });

  it('a registry that cannot be reached', async () => {
    const { code, stderr } = await instance.berth(['pull', '127.0.0.1:9/some/image']);
    expect(code).toBe(1);
    expect(stderr).toMatch(/127\.0\.0\.1:9.*(refused|reach)/i);
  });

  it('a name that is taken', async () => {
    await instance.berthOk(['create', '--name', 'taken', 'busybox', 'true']);
    const { code, stderr } = await instance.berth(['run', '--name', 'taken', 'busybox', 'true']);
    expect(code).toBe(125);
    expect(stderr).toContain('The container name "/taken" is already in use');
    await instance.berthOk(['rm', 'taken']);
  });

  it('a port that another container holds: it is named', async () => {
    await instance.berthOk([
      'run',
      '-d',
      '--name',
      'holder',
      '-p',
      '127.0.0.1::80',
      'busybox',
      'sleep',
      '1000',
    ]);
    const port = await instance.publishedPort('holder', '80/tcp');
    const { code, stderr } = await instance.berth([
      'run',
      '--name',
      'late',
      '-p',
      `${port}:80`,
      'busybox',
      'true',
    ]);
    expect(code).toBe(125);
    expect(stderr).toContain(`port is already allocated by container holder`);
    await instance.berthOk(['rm', '-f', 'holder', 'late']);
  });

  it('a port that a process holds: its pid and command are named', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    const { code, stderr } = await instance.berth([
      'run',
      '--rm',
      '-p',
      `127.0.0.1:${port}:80`,
      'busybox',
      'true',
    ]);
    server.close();
    expect(code).toBe(125);
    expect(stderr).toMatch(new RegExp(`port is already allocated by process ${process.pid} \\(`));
  });

  it('a command that is not in the image', async () => {
    const { code, stderr } = await instance.berth(['run', '--rm', 'busybox', 'no-such-command']);
    expect(code).toBe(127);
    expect(stderr).toContain('"no-such-command": executable file not found in $PATH');
  });

  it('a command that is not executable', async () => {
    const { code, stderr } = await instance.berth(['run', '--rm', 'busybox', '/etc/passwd']);
    expect(code).toBe(126);
    expect(stderr).toContain('permission denied');
  });

  it('a script whose interpreter is missing, or has a carriage return: it is named', async () => {
    for (const [interpreter, named] of [
      ['/bin/no-such-shell', '/bin/no-such-shell'],
      ['/bin/sh\r', '\\r'],
    ]) {
      const script = `${folder}/script`;
      await writeFile(script, `#!${interpreter}\necho hello\n`, { mode: 0o755 });
      const { code, stderr } = await instance.berth([
        'run',
        '--rm',
        '-v',
        `${script}:/script`,
        'busybox',
        '/script',
      ]);
      expect([126, 127]).toContain(code);
      expect(stderr).toContain(named);
    }
  });

  it('a folder without a Dockerfile', async () => {
    const empty = await mkdtemp(`${folder}/empty-`);
    const { code, stderr } = await instance.berth(['build', empty]);
    expect(code).toBe(1);
    expect(stderr).toContain('Dockerfile');
  });

  it('an unknown instruction: its line, and the nearest one', async () => {
    const { code, stderr } = await build('FROM busybox\n\nRUNN echo x\n');
    expect(code).toBe(1);
    expect(stderr).toMatch(/unknown instruction: RUNN/i);
    expect(stderr).toContain('line 3');
    expect(stderr).toMatch(/RUN\b/);
  });

  it('COPY of a missing file, and of one outside the context', async () => {
    const missing = await build('FROM busybox\nCOPY absent /x\n');
    expect(missing.code).toBe(1);
    expect(missing.stderr).toContain('absent');
    const outside = await build('FROM busybox\nCOPY ../secret /x\n');
    expect(outside.code).toBe(1);
    expect(outside.stderr).toContain('../secret');
  });

  it('a RUN that fails: its line and exit code', async () => {
    const { code, stderr, stdout } = await build('FROM busybox\nRUN echo about to fail; exit 4\n');
    expect(code).toBe(1);
    expect(stdout + stderr).toContain('about to fail');
    expect(stderr).toContain('non-zero code: 4');
    expect(stderr).toMatch(/Dockerfile:2|line 2/);
  });

  it('broken Compose YAML: line and column', async () => {
    const project = await mkdtemp(`${folder}/p-`);
    await writeFile(`${project}/compose.yaml`, 'services:\n  web:\n    image: [busybox\n');
    const { code, stderr } = await instance.berth(['compose', 'up'], { cwd: project });
    expect(code).not.toBe(0);
    expect(stderr).toMatch(/compose\.yaml.*(line \d+|:\d+:\d+)/);
  });

  it('no daemon: how to start one', async () => {
    const { code, stderr } = await instance.berth(['ps'], {
      env: { DOCKER_HOST: 'unix:///tmp/no-such.sock' },
    });
    expect(code).toBe(1);
    expect(stderr).toContain('/tmp/no-such.sock');
  });

  it('a full disk: the one operation ends, and frees what it took', async () => {
    const { code } = await instance.berth([
      'run',
      '--rm',
      '--tmpfs',
      '/full:size=1m',
      'busybox',
      'sh',
      '-c',
      'head -c 2000000 /dev/zero > /full/x',
    ]);
    expect(code).toBe(1);
  });

  it('and after all of it there is no container, step or writable layer left', async () => {
    expect(await instance.berthOk(['ps', '-aq'])).toBe('');
    expect(await readdir(`${instance.dataRoot}/containers`)).toEqual([]);
    await mkdir(`${instance.dataRoot}/build/steps`, { recursive: true });
    expect(await readdir(`${instance.dataRoot}/build/steps`)).toEqual([]);
  });
});
