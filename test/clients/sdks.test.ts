import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import Docker from 'dockerode';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../../src/base/index.ts';
import { type Instance, startInstance } from '../engine/instance.ts';

let instance: Instance;
beforeAll(async () => {
  instance = await startInstance();
  await instance.berthOk(['pull', '-q', 'busybox']);
});
afterAll(async () => instance[Symbol.asyncDispose]());
afterEach(async () => {
  const ids = (await instance.berthOk(['ps', '-aq'])).split('\n').filter(Boolean);
  if (ids.length > 0) await instance.berthOk(['rm', '-f', ...ids]);
});

describe('dockerode', () => {
  it('creates, attaches to, starts, waits for and removes a container', async () => {
    const docker = new Docker({ socketPath: instance.socketPath });
    const container = await docker.createContainer({
      Image: 'busybox',
      Cmd: ['sh', '-c', 'cat; echo aside >&2; exit 4'],
      OpenStdin: true,
      StdinOnce: true,
      AttachStdin: true,
      AttachStdout: true,
      AttachStderr: true,
    });
    const stream = await container.attach({
      stream: true,
      stdin: true,
      stdout: true,
      stderr: true,
      hijack: true,
    });
    const out = new PassThrough();
    const err = new PassThrough();
    docker.modem.demuxStream(stream, out, err);
    const ended = once(stream, 'end');
    await container.start();
    stream.end('through the container');
    expect(await container.wait()).toMatchObject({ StatusCode: 4 });
    await ended;
    out.end();
    err.end();
    expect([await text(out), await text(err)]).toEqual(['through the container', 'aside\n']);

    const all = await docker.listContainers({ all: true });
    expect(all).toMatchObject([{ Id: container.id, State: 'exited' }]);
    await container.remove();
    expect(await docker.listContainers({ all: true })).toEqual([]);
  });

  it('pulls an image with its progress, lists it and inspects it', async () => {
    const docker = new Docker({ socketPath: instance.socketPath });
    const progress = await docker.pull('python:3.8');
    const events = await new Promise<readonly { status?: string }[]>((resolve, reject) => {
      docker.modem.followProgress(progress, (error, output) => (error ? reject(error) : resolve(output)));
    });
    expect(events.at(-1)?.status).toMatch(/^Status: .* python:3\.8$/);
    const listed = await docker.listImages({ filters: { reference: ['python'] } });
    expect(listed).toMatchObject([{ RepoTags: ['python:3.8'] }]);
    expect(await docker.getImage('python:3.8').inspect()).toMatchObject({ Id: listed[0]?.Id, Os: 'linux' });
  });

  it('runs a command in a running container', async () => {
    const docker = new Docker({ socketPath: instance.socketPath });
    const container = await docker.createContainer({ Image: 'busybox', Cmd: ['sleep', '1000'] });
    await container.start();
    const exec = await container.exec({ Cmd: ['sh', '-c', 'echo inside; exit 5'], AttachStdout: true });
    const stream = await exec.start({});
    const out = new PassThrough();
    docker.modem.demuxStream(stream, out, out);
    await once(stream, 'end');
    out.end();
    expect(await text(out)).toBe('inside\n');
    expect(await exec.inspect()).toMatchObject({ Running: false, ExitCode: 5 });
  });
});

const DOCKER_PY_SCRIPT = `
import docker
client = docker.from_env()
print(client.containers.run('busybox', ['echo', 'hello'], remove=True))
container = client.containers.run('busybox', ['sleep', '1000'], detach=True)
print(container.exec_run(['sh', '-c', 'echo inside; exit 5']))
print([one.status for one in client.containers.list()])
container.stop(timeout=0)
print(container.wait()['StatusCode'])
container.remove()
print(client.containers.list(all=True))
try:
    client.containers.get('nobody')
except docker.errors.NotFound as error:
    print(error.explanation)
`;
const hasDockerPy = spawnSync('python3', ['-c', 'import docker']).status === 0;
const reason = hasDockerPy ? '' : ' (skipped: the Python package "docker" is not installed)';

describe.skipIf(!hasDockerPy)(`docker-py${reason}`, () => {
  it('runs, lists, executes in, stops and removes containers, and knows the errors', async () => {
    const env = { ...process.env, DOCKER_HOST: `unix://${instance.socketPath}` };
    const { stdout, stderr } = await run('python3', ['-c', DOCKER_PY_SCRIPT], { env });
    expect(stderr).toBe('');
    expect(stdout.toString().trim().split('\n')).toEqual([
      "b'hello\\n'",
      "ExecResult(exit_code=5, output=b'inside\\n')",
      "['running']",
      '137',
      '[]',
      'No such container: nobody',
    ]);
  });
});
