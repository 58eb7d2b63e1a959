import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../../src/base/index.ts';
import { type Instance, startInstance } from './instance.ts';
import { tracesOf } from './traces.ts';

const ROOT = `${import.meta.dirname}/../..`;

describe('bad input gets one clear sentence, the right exit code, and leaves nothing behind', () => {
  let instance: Instance;
  let folder: string;
  beforeAll(async () => {
    instance = await startInstance();
    folder = await mkdtemp('/tmp/berth-bad-');
    await instance.berthOk(['pull', '-q', 'busybox']);
  });
  afterAll(async () => {
    await instance[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });

  /** Runs it, and checks that it changed nothing. */
  const refused = async (...args: string[]) => {
    const before = await tracesOf(instance);
    const { code, stderr } = await instance.berth(args);
    expect(await tracesOf(instance)).toEqual(before);
    return { code, said: stderr.split('\n')[0] };
  };
  const refusedRun = (...args: string[]) => refused('run', '--rm', ...args);

  it('no daemon: where it was looked for, and what to ask', async () => {
    const { code, stderr } = await instance.berth(['ps'], {
      env: { DOCKER_HOST: `unix://${folder}/no-such.sock` },
    });
    expect(code).toBe(1);
    expect(stderr.trim()).toBe(
      `cannot connect to the engine at unix://${folder}/no-such.sock: nothing listens there. Is the daemon running?`,
    );
  });

  it('no permission on the socket: who may use it (needs root, to be somebody else)', async () => {
    await chmod(instance.socketPath.replace(/\/[^/]*$/, ''), 0o711);
    const { code, stderr } = await run(
      'setpriv',
      ['--reuid=65534', '--regid=65534', '--clear-groups', `${ROOT}/bin/berth`, 'ps'],
      { env: { PATH: process.env.PATH, HOME: '/nonexistent', DOCKER_HOST: `unix://${instance.socketPath}` } },
    );
    expect(stderr.trim()).toBe(
      `no permission on the engine's socket ${instance.socketPath} (owner root, group root, mode 660). ` +
        'Use sudo, or give the socket a group that you are in',
    );
    expect(code).toBe(1);
  });

  it('a name that is taken: by which container', async () => {
    const id = await instance.berthOk(['create', '--name', 'taken', 'busybox', 'true']);
    const { code, said } = await refusedRun('--name', 'taken', 'busybox', 'true');
    expect(code).toBe(125);
    expect(said).toContain(`The container name "/taken" is already in use by container "${id}"`);
    await instance.berthOk(['rm', 'taken']);
  });

  it('a port that another container holds: it is named', async () => {
    const publish = ['--name', 'holder', '-p', '127.0.0.1::80', 'busybox', 'sleep', '1000'];
    await instance.berthOk(['run', '-d', ...publish]);
    const port = await instance.publishedPort('holder', '80/tcp');
    const { code, said } = await refusedRun('-p', `${port}:80`, 'busybox', 'true');
    expect(code).toBe(125);
    expect(said).toContain('port is already allocated by container holder. Choose another host port with -p');
    await instance.berthOk(['rm', '-f', 'holder']);
  });

  it('a port that a process holds: its pid and command are named', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const { code, said } = await refusedRun('-p', `127.0.0.1:${port}:80`, 'busybox', 'true');
    server.close();
    const command = (await readFile('/proc/self/comm', 'utf8')).trim();
    expect(code).toBe(125);
    expect(said).toContain(`port is already allocated by process ${process.pid} (${command})`);
  });

  it('a command that is not in the image', async () => {
    const { code, said } = await refusedRun('busybox', 'no-such-command');
    expect(code).toBe(127);
    expect(said).toContain('exec: "no-such-command": executable file not found in $PATH: none of');
  });

  it('a command that is not executable', async () => {
    const { code, said } = await refusedRun('busybox', '/etc/passwd');
    expect(code).toBe(126);
    expect(said).toContain(
      'exec: "/etc/passwd": permission denied: /etc/passwd has the mode 0644, without an execute bit',
    );
  });

  it('a folder as the command', async () => {
    const { code, said } = await refusedRun('busybox', '/etc');
    expect(code).toBe(126);
    expect(said).toContain('exec: "/etc": is a directory');
  });

  it('an empty command', async () => {
    const { code, said } = await refusedRun('busybox', '');
    expect([code, said]).toEqual([127, expect.stringContaining('The command is empty')]);
  });

  it('a working directory that is a file', async () => {
    const { code, said } = await refusedRun('-w', '/etc/passwd', 'busybox', 'true');
    expect(said).toContain('the working directory /etc/passwd cannot be entered: not a directory');
    expect(code).toBeGreaterThan(124);
  });

  const runScript = async (firstLine: string) => {
    await writeFile(`${folder}/script`, `${firstLine}\necho hello\n`, { mode: 0o755 });
    return refusedRun('-v', `${folder}/script:/script`, 'busybox', '/script');
  };

  it('a script whose interpreter is missing: it is named', async () => {
    const { code, said } = await runScript('#!/bin/no-such-shell');
    expect(said).toContain('its interpreter /bin/no-such-shell is not in the image');
    expect(code).toBe(127);
  });

  it('a script whose first line ends with a carriage return: it is named', async () => {
    const { code, said } = await runScript('#!/bin/sh\r');
    expect(said).toContain(
      '"#!/bin/sh\\r" ends with a carriage return (\\r): save /script with Unix line ends',
    );
    expect(code).toBe(127);
  });

  it('and after all of it there is no container, step or writable layer left', async () => {
    const { containers, files } = await tracesOf(instance);
    expect(containers).toEqual([]);
    expect(files.filter((path) => /^(containers|build\/steps|tmp)\//.test(path))).toEqual([]);
  });
});
