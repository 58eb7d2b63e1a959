import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../../src/base/index.ts';
import { copyComposeExample, FLASK, freePort } from './examples.ts';
import { Foreground } from './foreground.ts';
import { type Instance, startInstance } from './instance.ts';

const ROOT = `${import.meta.dirname}/../..`;
/** A page is asked for until the server in the container listens, and not for ever. */
const SOON = { timeout: 20_000, interval: 100 };

describe('the tutorial', () => {
  let instance: Instance;
  beforeAll(async () => {
    instance = await startInstance();
  });
  afterAll(async () => instance[Symbol.asyncDispose]());
  afterEach(async () => {
    const ids = (await instance.berthOk(['ps', '-aq'])).split('\n').filter(Boolean);
    if (ids.length > 0) await instance.berthOk(['rm', '-f', ...ids]);
  });

  const page = async (port: number) => (await fetch(`http://127.0.0.1:${port}/`)).text();
  const build = () => instance.berthOk(['build', '-t', 'my-flask-app', '.'], { cwd: FLASK });
  const imageId = () => instance.berthOk(['inspect', '-f', '{{.Id}}', 'my-flask-app']);
  const runFlask = async (...ports: string[]) =>
    instance.berthOk(['run', '-d', ...ports.flatMap((port) => ['-p', port]), 'my-flask-app']);

  it('builds the image, runs it, shows it, and stops and removes it by its id', async () => {
    expect(await build()).toContain('Successfully tagged my-flask-app:latest');
    expect(await instance.berthOk(['images'])).toMatch(/^my-flask-app +latest +[0-9a-f]{12} +/m);
    expect(await instance.berthOk(['pull', 'python:3.8'])).toContain('Status: ');

    const port = await freePort();
    const id = await runFlask(`${port}:5050`);
    expect(id).toMatch(/^[0-9a-f]{64}$/);
    await expect.poll(() => page(port), SOON).toBe('Hello, World!');

    const list = await instance.berthOk(['ps']);
    expect(list).toMatch(new RegExp(`^${id.slice(0, 12)} +my-flask-app +"/bin/sh -c 'python `, 'm'));
    expect(list).toContain(`0.0.0.0:${port}->5050/tcp`);
    const short = id.slice(0, 12);
    expect(await instance.berthOk(['stop', short])).toBe(short);
    expect(await instance.berthOk(['ps', '-q'])).toBe('');
    expect(await instance.berthOk(['rm', short])).toBe(short);
    expect(await instance.berthOk(['ps', '-aq'])).toBe('');
    await expect(page(port)).rejects.toThrow('fetch failed');
  });

  it('builds the same image again from the cache', async () => {
    await build();
    const first = await imageId();
    const again = await build();
    expect(again).toContain('Using cache');
    expect(again).not.toContain('Collecting');
    expect(await imageId()).toBe(first);
  });

  it('shows the log of a container in the foreground until it is stopped', async () => {
    await build();
    const port = await freePort();
    const command = berthInForeground('run', '-p', `${port}:5050`, 'my-flask-app');
    await command.said('* Running on all addresses');
    expect(await page(port)).toBe('Hello, World!');
    await command.said('"GET / HTTP/1.1" 200 -');
    await instance.berthOk(['stop', '-t', '0', await instance.berthOk(['ps', '-q'])]);
    expect(await command.exitCode()).toBe(137);
  });

  it('says that nothing listens on the port of a wrong -p, and which port is the right one', async () => {
    await build();
    const port = await freePort();
    const command = berthInForeground('run', '-p', `${port}:5000`, 'my-flask-app');
    await command.said('* Running on all addresses');
    const since = String(Math.floor(Date.now() / 1000) - 1);
    await expect(page(port)).rejects.toThrow('fetch failed');
    await command.said(
      `nothing listens on port 5000 in the container (published as ${port}); ` +
        `it listens on 5050. Did you mean -p ${port}:5050?`,
    );
    const events = await instance.berthOk([
      ...['events', '--since', since, '--until', String(Math.ceil(Date.now() / 1000))],
      ...['--filter', 'event=port-refused', '--format', '{{json .Actor.Attributes}}'],
    ]);
    expect(JSON.parse(events)).toMatchObject({
      protocol: 'tcp',
      hostPort: String(port),
      containerPort: '5000',
      listening: '5050',
    });
    await instance.berthOk(['stop', '-t', '0', await instance.berthOk(['ps', '-q'])]);
    await command.exitCode();
  });

  it('keeps the page up while berthd is killed; ps, logs, stop and rm work after the next start', async () => {
    await build();
    const port = await freePort();
    const id = await runFlask(`${port}:5050`);
    await expect.poll(() => page(port), SOON).toBe('Hello, World!');

    await instance.killDaemon();
    expect(await page(port)).toBe('Hello, World!');

    await instance.startDaemon();
    expect(await page(port)).toBe('Hello, World!');
    expect(await instance.berthOk(['ps', '-q', '--no-trunc'])).toBe(id);
    const { stdout, stderr } = await instance.berth(['logs', id]);
    expect((stdout + stderr).match(/"GET \/ HTTP\/1\.1" 200 -/g)?.length).toBeGreaterThanOrEqual(3);
    expect(await instance.berthOk(['stop', '-t', '0', id])).toBe(id);
    expect(await instance.berthOk(['rm', id])).toBe(id);
    await expect(page(port)).rejects.toThrow('fetch failed');
  });

  it('runs as it is typed, with docker and docker-compose, where berth env gives them', async () => {
    const folder = await mkdtemp('/tmp/berth-tutorial-');
    await using cleanup = new AsyncDisposableStack();
    cleanup.defer(() => rm(folder, { recursive: true }));
    const ports: [number, number] = [await freePort(), await freePort()];
    await copyComposeExample('flask-compose-unpinned', `${folder}/compose`, ports);
    const shell = shellWithoutDocker(await programsWithoutDocker(`${folder}/bin`));

    const single = await freePort();
    expect(
      await shell(
        FLASK,
        `command -v docker
         command -v docker-compose
         docker build -t my-flask-app . >&2
         docker run -d -p ${single}:5050 my-flask-app >&2`,
      ),
    ).toMatch(/^\/.*\/bin\/as-docker\/docker\n\/.*\/bin\/as-docker\/docker-compose\n$/);
    await expect.poll(() => page(single), SOON).toBe('Hello, World!');

    await shell(`${folder}/compose`, 'docker-compose up -d');
    for (const [index, port] of ports.entries()) {
      await expect.poll(() => page(port), SOON).toBe(`Hello, World! This is Flask ${index + 1}.`);
    }
    await shell(`${folder}/compose`, 'docker-compose down -t 0');
    const left = await shell(FLASK, "docker ps -a --format '{{.Image}}'");
    expect(left).toBe('my-flask-app\n');
  });

  function berthInForeground(...args: string[]): Foreground {
    const env = { ...process.env, DOCKER_HOST: `unix://${instance.socketPath}` };
    return new Foreground(`${ROOT}/bin/berth`, args, { env });
  }

  /** Runs lines in a shell after `eval "$(berth env)"`, and gives what they print. */
  function shellWithoutDocker(path: string): (cwd: string, lines: string) => Promise<string> {
    const { DOCKER_HOST: _, ...rest } = process.env;
    const env = { ...rest, PATH: path, BERTH_HOST: `unix://${instance.socketPath}` };
    return async (cwd, lines) => {
      const script = `eval "$('${ROOT}/bin/berth' env)"\nunset BERTH_HOST\n${lines}`;
      const { code, stdout, stderr } = await run('/bin/sh', ['-ec', script], { cwd, env });
      if (code !== 0) throw new Error(`the shell ended with ${code}:\n${stdout}${stderr}`);
      return stdout.toString();
    };
  }
});

/** A folder for PATH with what bin/berth itself needs, and no docker. */
async function programsWithoutDocker(folder: string): Promise<string> {
  await mkdir(folder);
  await symlink('/usr/bin/readlink', `${folder}/readlink`);
  await symlink('/bin/sh', `${folder}/sh`);
  return folder;
}
