import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { Agent, WebSocket } from 'undici';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Instance, startInstance } from './instance.ts';

describe('clients that are attached', () => {
  let instance: Instance;
  beforeAll(async () => {
    instance = await startInstance();
    await instance.berthOk(['pull', '-q', 'busybox:latest']);
  });
  afterAll(async () => instance[Symbol.asyncDispose]());

  /**
   * A connection that the engine has taken over from HTTP; the answer's head is read. What is in `early` is sent with the
   * request, as by a client that does not wait for the answer.
   */
  const hijacked = async (
    request: string,
    body: object = {},
    { early = '', pause = async () => {} } = {},
  ): Promise<Socket> => {
    const socket = connect(instance.socketPath);
    const text = JSON.stringify(body);
    socket.write(
      `POST ${request} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Type: application/json\r\n` +
        `Content-Length: ${text.length}\r\n\r\n`,
    );
    await pause();
    socket.write(`${text}${early}`);
    let head = '';
    while (!head.includes('\r\n\r\n')) {
      await once(socket, 'readable');
      for (let byte = socket.read(1); byte !== null; byte = socket.read(1)) {
        head += byte.toString('latin1');
        if (head.endsWith('\r\n\r\n')) break;
      }
    }
    expect(head).toContain('101 UPGRADED');
    return socket;
  };

  const rest = async (socket: Socket): Promise<string> => {
    const parts: Buffer[] = [];
    for await (const part of socket) parts.push(part as Buffer);
    return Buffer.concat(parts).toString();
  };

  const until = async (socket: Socket, wanted: string): Promise<void> => {
    let text = '';
    while (!text.includes(wanted)) {
      await once(socket, 'readable');
      text += String(socket.read() ?? '');
    }
  };

  const state = (name: string) => instance.berthOk(['inspect', '-f', '{{.State.Status}}', name]);

  it('get everything, all 64 of them', async () => {
    await instance.berthOk(['create', '-t', '--name', 'many', 'busybox', 'seq', '1', '20000']);
    const clients = await Promise.all(
      Array.from({ length: 64 }, () => hijacked('/containers/many/attach?stream=1&stdout=1')),
    );
    const outputs = clients.map(rest);
    await instance.berthOk(['start', 'many']);
    const expected = Array.from({ length: 20_000 }, (_, index) => `${index + 1}\r\n`).join('');
    for (const output of await Promise.all(outputs)) expect(output === expected).toBe(true);
    await instance.berthOk(['rm', 'many']);
  });

  it('leave a terminal by the detach keys, and the container goes on', async () => {
    await instance.berthOk(['run', '-dit', '--name', 'left', 'busybox', 'cat']);
    const socket = await hijacked('/containers/left/attach?stream=1&stdin=1&stdout=1&detachKeys=ctrl-x,y');
    socket.write('typed\n');
    await until(socket, 'typed');
    socket.write('\x18y');
    await rest(socket);
    expect(await state('left')).toBe('running');
    const again = await hijacked('/containers/left/attach?stream=1&stdin=1&stdout=1');
    again.write('\x10\x11');
    await rest(again);
    expect(await state('left')).toBe('running');
    const refused = await instance.api('POST /containers/left/attach?stream=1&detachKeys=foo');
    expect(refused).toEqual({ status: 400, body: { message: 'Invalid detach keys (foo) provided' } });
    await instance.berthOk(['rm', '-f', 'left']);
  });

  it('get a terminal that has its size when the program starts', async () => {
    const made = await instance.api('POST /containers/create?name=sized', {
      ...{ Image: 'busybox', Tty: true, Cmd: ['stty', 'size'], HostConfig: { ConsoleSize: [12, 34] } },
    });
    expect(made.status).toBe(201);
    await instance.api('POST /containers/sized/start');
    const log = await instance.api('GET /containers/sized/logs?stdout=1&follow=1');
    expect(log.body).toBe('12 34\r\n');
    const inspected = await instance.api('GET /containers/sized/json');
    expect(inspected.body).toMatchObject({ HostConfig: { ConsoleSize: [12, 34] } });
    await instance.berthOk(['rm', '-f', 'sized']);
  });

  it('get it for a command, too: the size that its start asks for, else its creation', async () => {
    await instance.berthOk(['run', '-d', '--name', 'host', 'busybox', 'sleep', '1000']);
    const stty = { Cmd: ['stty', 'size'], AttachStdout: true, Tty: true };
    const cases = [
      { create: { ConsoleSize: [33, 77] }, start: {}, seen: '33 77\r\n' },
      { create: { ConsoleSize: [33, 77] }, start: { ConsoleSize: [44, 88] }, seen: '44 88\r\n' },
    ];
    for (const { create, start, seen } of cases) {
      const { body } = await instance.api('POST /containers/host/exec', { ...stty, ...create });
      const { Id: id } = body as { Id: string };
      expect(await rest(await hijacked(`/exec/${id}/start`, { Tty: true, ...start }))).toBe(seen);
    }
    const refused = await instance.api('POST /containers/host/exec', { ...stty, ConsoleSize: [-1, 2] });
    const message = 'invalid JSON: ConsoleSize must be a list of whole numbers';
    expect(refused).toEqual({ status: 400, body: { message } });
    await instance.berthOk(['rm', '-f', 'host']);
  });

  it('leave a command by the detach keys, which goes on and tells its exit code', async () => {
    await instance.berthOk(['run', '-d', '--name', 'host', 'busybox', 'sleep', '1000']);
    const script = 'echo begun; while [ ! -e /go ]; do sleep 0.1; done; exit 7';
    const made = await instance.api('POST /containers/host/exec', {
      Cmd: ['sh', '-c', script],
      Tty: true,
      AttachStdin: true,
      AttachStdout: true,
      DetachKeys: 'ctrl-a',
    });
    const { Id: id } = made.body as { Id: string };
    const socket = await hijacked(`/exec/${id}/start`, { Tty: true });
    await until(socket, 'begun');
    socket.write('\x01');
    await rest(socket);
    const inspected = async () => (await instance.api(`GET /exec/${id}/json`)).body;
    expect(await inspected()).toMatchObject({ Running: true, ExitCode: null, DetachKeys: 'AQ==' });
    await instance.berthOk(['exec', 'host', 'touch', '/go']);
    await expect.poll(inspected, { timeout: 10_000 }).toMatchObject({ Running: false, ExitCode: 7 });
    await instance.berthOk(['rm', '-f', 'host']);
  });

  it('break off, and a command tells its exit code all the same', async () => {
    await instance.berthOk(['run', '-d', '--name', 'host', 'busybox', 'sleep', '1000']);
    const made = await instance.api('POST /containers/host/exec', {
      Cmd: ['sh', '-c', 'echo begun; while [ ! -e /go ]; do sleep 0.1; done; exit 8'],
      AttachStdout: true,
    });
    const { Id: id } = made.body as { Id: string };
    const socket = await hijacked(`/exec/${id}/start`);
    await until(socket, 'begun');
    socket.destroy();
    await instance.berthOk(['exec', 'host', 'touch', '/go']);
    const inspected = async () => (await instance.api(`GET /exec/${id}/json`)).body;
    await expect.poll(inspected, { timeout: 10_000 }).toMatchObject({ Running: false, ExitCode: 8 });
    await instance.berthOk(['rm', '-f', 'host']);
  });

  it('may send input along with their request', async () => {
    await instance.berthOk(['create', '-i', '--name', 'early', 'busybox', 'head', '-n', '2']);
    const path = '/containers/early/attach?stream=1&stdin=1&stdout=1';
    const attached = await hijacked(path, {}, { early: 'with the request\n' });
    await instance.berthOk(['start', 'early']);
    attached.write('later\n');
    expect(await rest(attached)).toContain('with the request\n');
    expect(await instance.berthOk(['logs', 'early'])).toBe('with the request\nlater');
    await instance.berthOk(['rm', '-f', 'early']);
    await instance.berthOk(['run', '-d', '--name', 'early-exec', 'busybox', 'sleep', '1000']);
    const exec = { Cmd: ['head', '-n', '1'], AttachStdin: true, AttachStdout: true };
    const { body } = await instance.api('POST /containers/early-exec/exec', exec);
    const { Id } = body as { Id: string };
    const command = await hijacked(`/exec/${Id}/start`, {}, { early: 'with the body\n' });
    expect(await rest(command)).toContain('with the body\n');
    await instance.berthOk(['rm', '-f', 'early-exec']);
  });

  it('may send the body of their request after its head has been read, and input with it', async () => {
    await instance.berthOk(['run', '-d', '--name', 'late-body', 'busybox', 'sleep', '1000']);
    const exec = { Cmd: ['head', '-n', '2'], AttachStdin: true, AttachStdout: true };
    const { body } = await instance.api('POST /containers/late-body/exec', exec);
    const { Id } = body as { Id: string };
    const pause = async () => expect((await instance.api('GET /_ping')).status).toBe(200);
    const command = await hijacked(`/exec/${Id}/start`, {}, { early: 'with the body\n', pause });
    command.write('later\n');
    expect(await rest(command)).toMatch(/with the body\n[\s\S]*later\n/);
    await instance.berthOk(['rm', '-f', 'late-body']);
  });

  it('hear of a refusal, and their connection ends', async () => {
    const socket = connect(instance.socketPath);
    const head = 'Host: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n';
    socket.write(`POST /v1.50/containers/nobody/attach?stream=1 HTTP/1.1\r\n${head}input`);
    const answer = await rest(socket);
    expect(answer).toContain('404 Not Found');
    expect(answer).toContain('No such container: nobody');
  });

  it('may use a web socket', async () => {
    await instance.berthOk([
      'run',
      '-di',
      '--name',
      'web',
      'busybox',
      'sh',
      '-c',
      'read line; echo got $line; seq 1 9999',
    ]);
    const dispatcher = new Agent({ connect: { socketPath: instance.socketPath } });
    const socket = new WebSocket('ws://localhost/containers/web/attach/ws?stream=1&stdin=1&stdout=1', {
      dispatcher,
    });
    socket.binaryType = 'arraybuffer';
    const parts: Buffer[] = [];
    const closed = Promise.withResolvers<number>();
    socket.addEventListener('message', ({ data }) => parts.push(Buffer.from(data as ArrayBuffer)));
    socket.addEventListener('close', ({ code }) => closed.resolve(code));
    socket.addEventListener('open', () => socket.send('something\n'));
    expect(await closed.promise).toBe(1000);
    expect(Buffer.concat(parts).toString()).toMatch(/^got something\n1\n2\n.*\n9999\n$/s);
    await dispatcher.close();
    expect(await instance.api('GET /containers/web/attach/ws?stream=1')).toMatchObject({ status: 400 });
    await instance.berthOk(['rm', '-f', 'web']);
  });

  it.each([
    ['json-file', 'goes on'],
    ['none', 'waits'],
  ])('read late with the log driver %s: the container %s, and no byte is lost', async (driver, effect) => {
    const script = 'head -c 8000000 /dev/urandom > /data; cat /data; touch /done; sha256sum < /data >&2';
    const options = [
      '--log-driver',
      driver,
      ...(driver === 'json-file' ? ['--log-opt', 'max-size=20m'] : []),
    ];
    await instance.berthOk(['create', '--name', 'late', ...options, 'busybox', 'sh', '-c', script]);
    const socket = await hijacked('/containers/late/attach?stream=1&stdout=1&stderr=1');
    await instance.berthOk(['start', 'late']);
    if (effect === 'goes on') {
      expect(await instance.berthOk(['wait', 'late'])).toBe('0');
    } else {
      // Once the client has something to read, the container writes; it cannot finish before it is read.
      await once(socket, 'readable');
      expect((await instance.berth(['exec', 'late', 'ls', '/done'])).code).toBe(1);
    }
    const chunks: Buffer[] = [];
    for await (const part of socket) chunks.push(part as Buffer);
    const { stdout, stderr } = demultiplex(Buffer.concat(chunks));
    expect(stdout.length).toBe(8_000_000);
    expect(createHash('sha256').update(stdout).digest('hex')).toBe(stderr.toString().split(' ')[0]);
    await instance.berthOk(['rm', 'late']);
  });
});

/** Takes Docker's multiplexed stream apart. */
function demultiplex(stream: Buffer): { stdout: Buffer; stderr: Buffer } {
  const parts: [Buffer[], Buffer[]] = [[], []];
  for (let at = 0; at < stream.length; ) {
    const length = stream.readUInt32BE(at + 4);
    parts[stream.readUInt8(at) === 2 ? 1 : 0].push(stream.subarray(at + 8, at + 8 + length));
    at += 8 + length;
  }
  return { stdout: Buffer.concat(parts[0]), stderr: Buffer.concat(parts[1]) };
}
