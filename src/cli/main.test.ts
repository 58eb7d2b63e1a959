import { spawn } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { afterEach, beforeEach, expect, test } from 'vitest';

const MAIN = join(import.meta.dirname, 'main.ts');

let folder: string;
let server: Server;
/** Requests in the order of their arrival: "POST /containers/create". */
let requests: string[];
/** Answers by request; "ok" with an empty body where there is none. */
let answers: Map<string, (request: IncomingMessage, response: ServerResponse) => void>;
let attached: Duplex | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'berth-cli-'));
  requests = [];
  answers = new Map();
  attached = undefined;
  server = createServer((request, response) => {
    const name = note(request);
    if (name === 'GET /_ping') response.setHeader('API-Version', '1.51').end('OK');
    else (answers.get(name) ?? (() => response.writeHead(204).end()))(request, response);
  });
  server.on('upgrade', (request: IncomingMessage, connection: Duplex) => {
    note(request);
    attached = connection;
    connection.write(
      'HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.multiplexed-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n',
    );
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(join(folder, 's.sock'), resolve);
  await promise;
});

afterEach(async () => {
  server.closeAllConnections();
  server.close();
  await rm(folder, { recursive: true });
});

function note({ method, url = '' }: IncomingMessage): string {
  const name = `${method} ${new URL(url, 'http://x').pathname.replace(/^\/v1\.51/, '')}`;
  requests.push(name);
  return name;
}

function answer(name: string, status: number, body: object): void {
  answers.set(name, (_request, response) => response.writeHead(status).end(JSON.stringify(body)));
}

function refuse(name: string, status: number, message: string): void {
  answer(name, status, { message });
}

interface CallOptions {
  /** The name it is called by. */
  readonly argv0?: string;
  readonly env?: object;
  readonly uid?: number;
}

/** Runs the command line as its own process. */
async function cli(words: readonly string[], { argv0 = 'berth', env = {}, uid }: CallOptions = {}) {
  const child = spawn(process.execPath, [MAIN, ...words], {
    stdio: ['ignore', 'pipe', 'pipe'],
    uid,
    env: { PATH: '/nowhere', DOCKER_HOST: `unix://${folder}/s.sock`, BERTH_ARGV0: argv0, ...env },
  });
  const text = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk) => {
    text.stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    text.stderr += chunk;
  });
  const { promise, resolve } = Promise.withResolvers<number | null>();
  child.once('close', resolve);
  return { code: await promise, ...text };
}

const frame = (stream: number, text: string) =>
  Buffer.concat([Buffer.from([stream, 0, 0, 0, 0, 0, 0, text.length]), Buffer.from(text)]);

/** An engine whose container writes to both streams and exits with 7. */
function runnableContainer(): void {
  answer('POST /containers/create', 201, { Id: 'c1', Warnings: ['a warning'] });
  let exited: ServerResponse | undefined;
  answers.set('POST /containers/c1/wait', (_request, response) => {
    response.flushHeaders();
    exited = response;
  });
  answers.set('POST /containers/c1/start', (_request, response) => {
    response.writeHead(204).end();
    attached?.write(Buffer.concat([frame(1, 'out\n'), frame(2, 'err\n')]));
    attached?.end();
    exited?.end('{"StatusCode":7}');
  });
}

test('run attaches and waits before it starts, separates the streams and ends as the container does', async () => {
  runnableContainer();
  expect(await cli(['run', 'img', 'cmd', '-x'])).toEqual({
    code: 7,
    stdout: 'out\n',
    stderr: 'WARNING: a warning\nerr\n',
  });
  expect(requests.slice(0, 2)).toEqual(['GET /_ping', 'POST /containers/create']);
  expect(requests.slice(2, 4).sort()).toEqual(['POST /containers/c1/attach', 'POST /containers/c1/wait']);
  expect(requests.slice(4)).toEqual(['POST /containers/c1/start']);
});

test('run pulls a missing image and says so', async () => {
  runnableContainer();
  const create = answers.get('POST /containers/create');
  let tries = 0;
  answers.set('POST /containers/create', (request, response) => {
    tries += 1;
    if (tries > 1) create?.(request, response);
    else response.writeHead(404).end('{"message":"No such image: img:latest"}');
  });
  answer('POST /images/create', 200, { status: 'Pulling from library/img', id: 'latest' });
  const { code, stderr } = await cli(['run', 'img']);
  expect(code).toBe(7);
  expect(stderr).toBe(
    "Unable to find image 'img:latest' locally\nlatest: Pulling from library/img\nWARNING: a warning\nerr\n",
  );
});

test('all that is written arrives, also when nobody reads at first', async () => {
  const sent = Promise.withResolvers<void>();
  answers.set('GET /images/get', (_request, response) => {
    response.once('finish', sent.resolve).end(Buffer.alloc(100_000));
  });
  const child = spawn(process.execPath, [MAIN, 'save', 'img'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { PATH: '/nowhere', DOCKER_HOST: `unix://${folder}/s.sock` },
  });
  await sent.promise;
  expect((await buffer(child.stdout)).length).toBe(100_000);
});

test.each([
  ['exec: "x": executable file not found in $PATH', 127],
  ['exec: "/x": permission denied', 126],
  ['exec: "/x": exec format error', 126],
  ['Bind for 0.0.0.0:80 failed: port is already allocated', 125],
])('run ends a start that fails by %s with %d', async (message, code) => {
  runnableContainer();
  refuse('POST /containers/c1/start', 400, message);
  const result = await cli(['run', 'img'], { argv0: 'docker' });
  expect(result.code).toBe(code);
  expect(result.stderr).toContain(
    `docker: Error response from daemon: ${message}\n\nRun 'docker run --help' for more information\n`,
  );
});

test('run ends with 125 when the container cannot be made, whatever the words', async () => {
  refuse('POST /containers/create', 409, 'no such file or directory');
  expect((await cli(['run', 'img'])).code).toBe(125);
});

test('run -d prints the id and leaves', async () => {
  runnableContainer();
  expect(await cli(['run', '-d', 'img'])).toMatchObject({ code: 0, stdout: 'c1\n' });
  expect(requests).not.toContain('POST /containers/c1/attach');
});

test('run says which port the container does listen on', async () => {
  runnableContainer();
  answers.set('GET /events', (_request, response) => {
    const attributes = { hostPort: '8000', containerPort: '5000', protocol: 'tcp', listening: '5050' };
    const actor = { ID: 'c1', Attributes: attributes };
    response.write(
      `${JSON.stringify({ Type: 'container', Action: 'port-refused', Actor: actor, time: 1, timeNano: 1 })}\n`,
    );
  });
  expect((await cli(['run', '-p', '8000:5000', 'img'])).stderr).toContain(
    'berth: nothing listens on port 5000 in the container (published as 8000); it listens on 5050. Did you mean -p 8000:5050?\n',
  );
});

test('one failure among several does not stop the others', async () => {
  refuse('DELETE /containers/b', 404, 'No such container: b');
  expect(await cli(['rm', 'a', 'b', 'c'])).toEqual({
    code: 1,
    stdout: 'a\nc\n',
    stderr: 'Error response from daemon: No such container: b\n',
  });
  expect((await cli(['rm', '-f', 'a', 'b', 'c'])).code).toBe(0);
});

test('exec ends as its process does', async () => {
  answer('POST /containers/web/exec', 201, { Id: 'e1' });
  answer('GET /exec/e1/json', 200, { ExitCode: 4, Running: false });
  server.prependOnceListener('upgrade', (_request, connection: Duplex) =>
    setImmediate(() => connection.end(frame(1, 'hi\n'))),
  );
  expect(await cli(['exec', 'web', 'sh'])).toEqual({ code: 4, stdout: 'hi\n', stderr: '' });
});

test('inspect finds whatever has the name, and prints what it found before what it missed', async () => {
  for (const kind of ['containers', 'images']) refuse(`GET /${kind}/n/json`, 404, 'no');
  answer('GET /networks/n', 200, { Name: 'n' });
  for (const kind of ['containers', 'images', 'berth/machines']) refuse(`GET /${kind}/gone/json`, 404, 'no');
  for (const kind of ['networks', 'volumes']) refuse(`GET /${kind}/gone`, 404, 'no');
  expect(await cli(['inspect', '--format', '{{.Name}}', 'n', 'gone'])).toEqual({
    code: 1,
    stdout: 'n\n',
    stderr: 'Error: No such object: gone\n',
  });
});

test('port shows where the ports of a container are reached', async () => {
  const Ports = {
    '90/udp': [{ HostIp: '0.0.0.0', HostPort: '32768' }],
    '80/tcp': [
      { HostIp: '127.0.0.1', HostPort: '8000' },
      { HostIp: '::1', HostPort: '8000' },
    ],
    '70/tcp': null,
  };
  answer('GET /containers/c/json', 200, { NetworkSettings: { Ports } });
  const printed = async (...words: string[]) => {
    const { code, stdout, stderr } = await cli(['port', 'c', ...words]);
    return [code, stdout || stderr];
  };
  const all = '80/tcp -> 127.0.0.1:8000\n80/tcp -> [::1]:8000\n90/udp -> 0.0.0.0:32768\n';
  expect(await printed()).toEqual([0, all]);
  expect(await printed('80')).toEqual([0, '127.0.0.1:8000\n[::1]:8000\n']);
  expect(await printed('90/udp')).toEqual([0, '0.0.0.0:32768\n']);
  expect(await printed('70')).toEqual([1, "No public port '70' published for c\n"]);
  expect(await printed('http')).toEqual([1, 'invalid port (http): it is a number up to 65535\n']);
});

test('refuses a command that there is none of', async () => {
  expect(await cli(['nosuch'], { argv0: 'docker' })).toEqual({
    code: 1,
    stdout: '',
    stderr: "docker: unknown command: docker nosuch\n\nRun 'docker --help' for more information\n",
  });
  expect(requests).toEqual([]);
});

test.each([
  [['rnu'], 'berth: unknown command: berth rnu. Did you mean berth run?'],
  [['network', 'creat'], 'berth: unknown command: berth network creat. Did you mean berth network create?'],
  [['ps', '--filtre', 'x'], 'unknown flag: --filtre. Did you mean --filter?'],
])('%j: names what was most likely meant', async (words, reason) => {
  const { stderr } = await cli(words);
  expect(stderr.split('\n')[0]).toBe(reason);
});

test("refuses one of docker's commands that is not there as such", async () => {
  expect((await cli(['container', 'checkpoint'])).stderr).toBe(
    "berth: 'berth container checkpoint' is not implemented\n",
  );
});

test('says in one sentence that nothing listens', async () => {
  const env = { DOCKER_HOST: `unix://${folder}/other.sock` };
  expect(await cli(['ps'], { env })).toEqual({
    code: 1,
    stdout: '',
    stderr: `cannot connect to the engine at unix://${folder}/other.sock: nothing listens there. Is the daemon running?\n`,
  });
});

test.skipIf(process.getuid?.() !== 0)(
  'names a socket that one may not use, its owner and the way out (needs root)',
  async () => {
    await chmod(folder, 0o755);
    await chmod(join(folder, 's.sock'), 0o600);
    expect(await cli(['ps'], { uid: 65534 })).toEqual({
      code: 1,
      stdout: '',
      stderr: `no permission on the engine's socket ${folder}/s.sock (owner root, group root, mode 600). Use sudo, or give the socket a group that you are in\n`,
    });
  },
);

test('shows its own version without an engine', async () => {
  const env = { DOCKER_HOST: `unix://${folder}/other.sock` };
  const { code, stdout } = await cli(['version', '--format', '{{.Client.ApiVersion}} {{.Server}}'], { env });
  expect({ code, stdout }).toEqual({ code: 1, stdout: '1.51 <no value>\n' });
});

test('a build that fails ends with 1 and the reason', async () => {
  answers.set('POST /build', (request, response) => {
    request.resume().once('end', () => {
      response.write('{"stream":"Step 1/1 : RUN false\\n"}\n');
      response.end('{"errorDetail":{"code":1,"message":"it returned a non-zero code: 1"},"error":"…"}\n');
    });
  });
  await writeFile(join(folder, 'Dockerfile'), 'FROM scratch\nRUN false\n');
  expect(await cli(['build', folder])).toEqual({
    code: 1,
    stdout: 'Step 1/1 : RUN false\n',
    stderr: 'it returned a non-zero code: 1\n',
  });
});

test('a build without a Dockerfile asks the engine nothing', async () => {
  const { code, stderr } = await cli(['build', folder]);
  expect(code).toBe(1);
  expect(stderr).toMatch(/^failed to read dockerfile: open Dockerfile: no such file or directory/);
  expect(requests).toEqual([]);
});

test('ends as SIGPIPE would end it when whoever read its output is gone', async () => {
  answers.set('GET /containers/x/logs', (_request, response) => {
    const more = () => {
      while (!response.destroyed && response.write('line\n'.repeat(1000)));
    };
    response.on('drain', more);
    more();
  });
  const child = spawn('/bin/sh', ['-c', `"${process.execPath}" "${MAIN}" logs x; echo $? >&2`], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { DOCKER_HOST: `unix://${folder}/s.sock` },
  });
  child.stdout.once('data', () => child.stdout.destroy());
  const stderr = await Array.fromAsync(child.stderr as AsyncIterable<Buffer>);
  expect(Buffer.concat(stderr).toString()).toBe('141\n');
});
