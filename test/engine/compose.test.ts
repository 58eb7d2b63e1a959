import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { copyComposeExample, freePort } from './examples.ts';
import { Foreground } from './foreground.ts';
import { type Instance, startInstance } from './instance.ts';

const ROOT = `${import.meta.dirname}/../..`;

describe('berth compose', () => {
  let instance: Instance;
  let folder: string;
  beforeAll(async () => {
    instance = await startInstance();
    await instance.berthOk(['pull', '-q', 'busybox:latest']);
  });
  afterAll(async () => instance[Symbol.asyncDispose]());
  beforeEach(async () => {
    folder = await mkdtemp('/tmp/berth-compose-');
  });
  afterEach(async () => {
    await compose('down', '-v', '-t', '0', '--remove-orphans');
    await rm(folder, { recursive: true, force: true });
  });

  const compose = (...args: string[]) => instance.berth(['compose', '-p', 'app', ...args], { cwd: folder });
  const write = (text: string) => writeFile(`${folder}/compose.yaml`, text);

  it('brings a project up, shows it, and takes it down without a rest', async () => {
    await write(`
services:
  web:
    image: busybox
    command: sh -c 'echo hello from web; exec httpd -f -p 80 -h /etc'
    ports: ["127.0.0.1::80"]
    volumes: [data:/data]
    depends_on: [db]
  db: { image: busybox, command: sleep 1000 }
volumes: { data: }
`);
    const up = await compose('up', '-d');
    expect(up).toMatchObject({ code: 0, stdout: '' });
    expect(up.stderr).toContain(' Container app-web-1 Started');
    expect((await compose('up', '-d')).stderr).toBe(
      ' Container app-db-1 Running \n Container app-web-1 Running \n',
    );

    const { stdout: list } = await compose('ps');
    expect(list).toMatch(/^NAME +IMAGE +COMMAND +SERVICE +CREATED +STATUS +PORTS\n/);
    expect(list).toMatch(/\napp-db-1 +busybox +"sleep 1000" +db +/);
    expect((await compose('ps', '--services')).stdout).toBe('db\nweb\n');
    expect((await compose('logs', '--no-color')).stdout).toBe('web-1  | hello from web\n');
    const port = /127\.0\.0\.1:(\d+)->80\/tcp/.exec(list)?.[1];
    expect(await (await fetch(`http://127.0.0.1:${port}/group`)).text()).toContain('root:');

    expect((await compose('down', '-v', '-t', '0')).code).toBe(0);
    expect((await compose('ps', '-a', '-q')).stdout).toBe('');
    expect(await instance.berthOk(['ps', '-aq'])).toBe('');
    expect(await instance.berthOk(['volume', 'ls', '-q'])).toBe('');
    expect(await instance.berthOk(['network', 'ls', '-q', '--filter', 'type=custom'])).toBe('');
  });

  it("ends with a service's exit code, having stopped the others", async () => {
    await write(`
services:
  web: { image: busybox, command: sleep 1000 }
  client: { image: busybox, command: sh -c 'exit 4', depends_on: [web] }
`);
    const { stdout, code } = await compose('up', '--exit-code-from', 'client', '-t', '0');
    expect(stdout).toContain('client-1 exited with code 4');
    expect(code).toBe(4);
    expect((await compose('ps', '-q')).stdout).toBe('');
  });

  it("asks the engine to know a container by its service's name", async () => {
    await write('services: { web: { image: busybox, command: sleep 1000 } }');
    await compose('up', '-d');
    const { body } = await instance.api('GET /containers/app-web-1/json');
    expect(body).toMatchObject({
      NetworkSettings: { Networks: { app_default: { Aliases: ['app-web-1', 'web'] } } },
    });
  });

  it('recreates only what changed', async () => {
    const text = (value: string) => `
services:
  a: { image: busybox, command: sleep 1000, stop_grace_period: 0s, environment: { V: "${value}" } }
  b: { image: busybox, command: sleep 1000 }
`;
    await write(text('1'));
    await compose('up', '-d');
    const [a, b] = (await compose('ps', '-q')).stdout.trim().split('\n');
    await write(text('2'));
    expect((await compose('up', '-d')).stderr).toContain(' Container app-a-1 Recreated');
    const [newA, newB] = (await compose('ps', '-q')).stdout.trim().split('\n');
    expect(newB).toBe(b);
    expect(newA).not.toBe(a);
  });

  it('starts a dependent after the job it waits for, and not after a job that fails', async () => {
    const text = (code: number) => `
services:
  job: { image: busybox, command: sh -c 'exit ${code}' }
  web: { image: busybox, command: sleep 1000, depends_on: { job: { condition: service_completed_successfully } } }
`;
    await write(text(0));
    expect((await compose('up', '-d')).code).toBe(0);
    expect((await compose('ps', '--services')).stdout).toBe('web\n');
    await write(text(7));
    await compose('down', '-t', '0');
    const failed = await compose('up', '-d');
    expect(failed.code).toBe(1);
    expect(failed.stderr.trimEnd().split('\n').at(-1)).toBe(
      'service "job" didn\'t complete successfully: exit 7',
    );
    expect((await compose('ps', '--services')).stdout).toBe('');
  });

  it('shows the output of all in the foreground, and stops all by the first ctrl-c', async () => {
    await write(`
services:
  long-name: { image: busybox, command: sh -c 'trap "exit 5" TERM; echo one; sleep 1000 & wait' }
  b: { image: busybox, command: sh -c 'trap "exit 0" TERM; echo two >&2; sleep 1000 & wait' }
`);
    const up = foreground('up');
    await up.said('long-name-1  | one');
    await up.said('b-1          | two');
    up.child.kill('SIGINT');
    await up.said('Gracefully Stopping... press Ctrl+C again to force');
    await up.said('long-name-1 exited with code 5');
    expect(await up.exitCode()).toBe(130);
    expect((await compose('ps', '-q')).stdout).toBe('');
  });

  it('kills all by the second ctrl-c', async () => {
    await write(`
services:
  deaf: { image: busybox, command: sh -c 'trap "echo no" TERM; echo up; while true; do sleep 1000 & wait; done', stop_grace_period: 1h }
`);
    const up = foreground('up');
    await up.said('deaf-1  | up');
    up.child.kill('SIGINT');
    await up.said('deaf-1  | no');
    up.child.kill('SIGINT');
    await up.said('deaf-1 exited with code 137');
    expect(await up.exitCode()).toBe(130);
  });

  it('colours names by --ansi always', async () => {
    await write('services: { a: { image: busybox, command: echo hi } }');
    const { stdout } = await instance.berth(['compose', '--ansi', 'always', '-p', 'app', 'up'], {
      cwd: folder,
    });
    expect(stdout).toContain('\x1b[36ma-1  | \x1b[0mhi\n');
  });

  it('names file, line and column of what is wrong in the file', async () => {
    await write('services:\n  web:\n    image: busybox\n    prots: ["80"]\n');
    const { code, stderr } = await compose('up', '-d');
    expect(code).toBe(1);
    expect(stderr).toContain(
      `compose.yaml:4:5: services.web.prots: additional properties 'prots' not allowed`,
    );
    expect(stderr).toContain('Did you mean ports?');
  });

  it('gives a service the volumes of another and of any container, and labels from a file', async () => {
    await instance.berthOk(['create', '--name', 'somebody', '-v', '/theirs', 'busybox', 'true']);
    await writeFile(`${folder}/some.labels`, 'from.file=a value\n');
    await write(`
services:
  writer:
    image: busybox
    command: sh -c 'echo shared > /data/file; sleep 1000'
    volumes: ['/data']
  reader:
    image: busybox
    command: sleep 1000
    label_file: some.labels
    volumes_from: ['writer:ro', 'container:somebody']
`);
    expect(await compose('up', '-d')).toMatchObject({ code: 0 });
    const id = (await compose('ps', '-q', 'reader')).stdout.trim();
    const inReader = (script: string) => instance.berth(['exec', id, 'sh', '-c', script]);
    const read = 'until [ -e /data/file ]; do :; done; cat /data/file';
    expect((await inReader(read)).stdout).toBe('shared\n');
    expect((await inReader('touch /data/no')).stderr).toContain('Read-only file system');
    expect(await inReader('touch /theirs/file')).toMatchObject({ code: 0 });
    const label = ['inspect', '-f', '{{index .Config.Labels "from.file"}}', id];
    expect(await instance.berthOk(label)).toBe('a value');
    expect(await compose('down', '-t', '0', '-v')).toMatchObject({ code: 0 });
    await instance.berthOk(['rm', '-v', 'somebody']);
  });

  it('refuses by name what Docker Compose has and berth has not', async () => {
    await write('services: { a: { image: busybox } }');
    expect((await compose('watch')).stderr).toBe('berth compose watch is not implemented\n');
  });

  it('shows the Dockerfile line and the reason of a build that fails, with the service', async () => {
    await write('services: { a: { build: . }, b: { image: busybox } }');
    await writeFile(`${folder}/Dockerfile`, 'FROM busybox\n\nRUN echo the reason >&2; exit 3\n');
    const { code, stderr } = await compose('up', '-d');
    expect(code).toBe(1);
    expect(stderr).toContain('a  | the reason\n');
    expect(stderr.trimEnd().split('\n').at(-1)).toMatch(/^failed to build service a: .*Dockerfile:3/);
    expect((await compose('ps', '-aq')).stdout).toBe('');
  });

  it('runs the tutorial: both pages answer, and down leaves nothing', async () => {
    const ports: [number, number] = [await freePort(), await freePort()];
    await copyComposeExample('flask-compose-unpinned', folder, ports);
    const up = await compose('up', '-d');
    expect(up, up.stderr).toMatchObject({ code: 0 });
    expect(up.stderr.match(/"Server 1" became "Server-1"/g)).toHaveLength(1);
    const answered = foreground('logs', '-f');
    await answered.said('Server-1  |  * Running on all addresses');
    await answered.said('Server-2  |  * Running on all addresses');
    answered.child.kill('SIGINT');
    for (const [index, port] of ports.entries()) {
      const answer = await fetch(`http://127.0.0.1:${port}/`);
      expect(await answer.text()).toBe(`Hello, World! This is Flask ${index + 1}.`);
    }
    await compose('down', '-t', '0', '--rmi', 'local');
    expect(await instance.berthOk(['ps', '-aq'])).toBe('');
    expect(await instance.berthOk(['images', '-q', 'app-flask1'])).toBe('');
  });

  it("ends the seed's own file with pip's message, the versions it offers and the Dockerfile line", async () => {
    await copyComposeExample('flask-compose', folder, [await freePort(), await freePort()]);
    const { code, stderr } = await compose('up', '-d');
    expect(code).toBe(1);
    expect(stderr).toMatch(/No matching distribution found for Flask==2\.1\.4/);
    expect(stderr).toMatch(/from versions: .*2\.1\.3/);
    expect(stderr.trimEnd().split('\n').at(-1)).toMatch(
      /^failed to build service flask[12]: .*Dockerfile:7: RUN pip3 install -r requirements\.txt/,
    );
    expect(await instance.berthOk(['ps', '-aq'])).toBe('');
  });

  function foreground(...args: string[]): Foreground {
    return new Foreground(`${ROOT}/bin/berth`, ['compose', '-p', 'app', ...args], {
      cwd: folder,
      env: { ...process.env, DOCKER_HOST: `unix://${instance.socketPath}` },
    });
  }
});
