import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { send } from '../compat/send.ts';
import { type Instance, startInstance } from './instance.ts';

/** Serves, on the container's loopback alone, the file /srv/ok and what the engine has not put there. */
const SERVER = 'mkdir -p /srv; cd /srv; touch /srv/ok; exec httpd -f -p 127.0.0.1:8080';

describe('a health check by a connection', () => {
  let instance: Instance;
  beforeAll(async () => {
    instance = await startInstance();
    await instance.berthOk(['pull', '-q', 'busybox:latest']);
  });
  afterAll(async () => instance[Symbol.asyncDispose]());

  const QUICK = ['--health-interval', '100ms', '--health-retries', '2'];

  const started = (probe: string, ...options: string[]) =>
    instance.berthOk([
      ...['run', '-d', '--health-cmd', probe, ...QUICK, ...options, 'busybox', 'sh', '-c', SERVER],
    ]);

  /** Resolves when a container's health has become so; what it became before counts. */
  const becomes = async (id: string, status: string) => {
    const filters = encodeURIComponent(JSON.stringify({ container: [id], event: ['health_status'] }));
    const request = `GET /events?since=1&filters=${filters}`;
    const ends = `health_status: ${status}"`;
    await send(instance.socketPath, { name: 'events', request, ends }, request, undefined);
  };

  const lastOutput = async (id: string) => {
    const { body } = await instance.api(`GET /containers/${id}/json`);
    const { State: state } = body as { State: { Health: { Log: { ExitCode: number; Output: string }[] } } };
    return state.Health.Log.at(-1);
  };

  it('reaches the loopback of a container without a network, and without a client in it', async () => {
    const id = await started('http://:8080/ok', '--network', 'none');
    await becomes(id, 'healthy');
    expect(await lastOutput(id)).toMatchObject({
      ExitCode: 0,
      Output: expect.stringMatching(/^HTTP 200 OK\n/),
    });
    await instance.berthOk(['exec', id, 'rm', '/srv/ok']);
    await becomes(id, 'unhealthy');
    expect(await lastOutput(id)).toMatchObject({
      ExitCode: 1,
      Output: expect.stringMatching(/^HTTP 404 Not Found\n/),
    });
    await instance.berthOk(['rm', '-f', id]);
  });

  it('is well with an open port, and says which one nobody listens on', async () => {
    const open = await started('tcp://localhost:8080');
    await becomes(open, 'healthy');
    expect(await lastOutput(open)).toMatchObject({ ExitCode: 0, Output: 'connected' });
    const closed = await started('tcp://:9', '--network', 'none');
    await becomes(closed, 'unhealthy');
    expect(await lastOutput(closed)).toMatchObject({
      ExitCode: 1,
      Output: 'connect to 127.0.0.1 port 9: Connection refused',
    });
    await instance.berthOk(['rm', '-f', open, closed]);
  });

  it('hears a server of ssh say who it is, and takes no other for one', async () => {
    const serving = (words: string) =>
      instance.berthOk([
        ...['run', '-d', '--health-cmd', 'ssh://:2222', ...QUICK],
        ...['busybox', 'nc', '-ll', '-p', '2222', '-e', 'echo', words],
      ]);
    const [ssh, other] = [await serving('SSH-2.0-test'), await serving('220 mail.example')];
    await becomes(ssh, 'healthy');
    expect(await lastOutput(ssh)).toMatchObject({ ExitCode: 0, Output: 'SSH-2.0-test' });
    await becomes(other, 'unhealthy');
    await instance.berthOk(['rm', '-f', ssh, other]);
  });

  it('gives up a server that takes the connection and never answers', async () => {
    const slow = 'printf "#!/bin/sh\\nsleep 1000\\n" > cgi-bin/slow; chmod +x cgi-bin/slow';
    const id = await instance.berthOk([
      ...['run', '-d', '--health-cmd', 'http://:8080/cgi-bin/slow', ...QUICK, '--health-timeout', '200ms'],
      ...['busybox', 'sh', '-c', `mkdir -p /srv/cgi-bin; cd /srv; ${slow}; exec httpd -f -p 8080`],
    ]);
    await becomes(id, 'unhealthy');
    expect(await lastOutput(id)).toMatchObject({
      ExitCode: -1,
      Output: 'Health check exceeded timeout (200ms)',
    });
    await instance.berthOk(['rm', '-f', id]);
  });

  it('is a command of the API and of images like any other, and is refused when it is wrong', async () => {
    const { body } = await instance.api('POST /containers/create', {
      Image: 'busybox',
      Cmd: ['sh', '-c', SERVER],
      Healthcheck: { Test: ['CMD', 'http://localhost:8080/ok'], Interval: 100_000_000 },
    });
    const { Id: id } = body as { Id: string };
    await instance.berthOk(['start', id]);
    await becomes(id, 'healthy');
    await instance.berthOk(['rm', '-f', id]);
    const wrong = await instance.berth(['create', '--health-cmd', 'http://db:80/', 'busybox', 'true']);
    expect(wrong.stderr).toContain('the host "db" is neither localhost nor an IP address');
  });

  it('restarts a container that it finds unhealthy, as often as the policy on-unhealthy says', async () => {
    const id = await started('http://:8080/ok', '--restart', 'on-unhealthy:1', '--name', 'mended');
    await becomes(id, 'healthy');
    await instance.berthOk(['exec', id, 'rm', '/srv/ok']);
    const filters = encodeURIComponent(JSON.stringify({ container: [id], event: ['restart'] }));
    const request = `GET /events?since=1&filters=${filters}`;
    await send(instance.socketPath, { name: 'events', request, ends: '"unhealthy"' }, request, undefined);
    const restarts = '{{.RestartCount}} {{.State.Status}}';
    expect(await instance.berthOk(['inspect', '-f', restarts, id])).toBe('1 running');
    expect(await instance.berthOk(['exec', id, 'ls', '/srv/ok'])).toBe('/srv/ok');
    expect(await instance.berthOk(['why', id])).toMatch(/the health check.*\(unhealthy: /);
    await instance.berthOk(['rm', '-f', id]);
    const policy = ['create', '--restart', 'on-unhealthy', 'busybox', 'true'];
    expect((await instance.berth(policy)).stderr).toContain('on-unhealthy needs a health check');
  });
});
