import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { EngineClient, refusalOf } from './index.ts';

let folder: string;
let server: Server;
let socket: string;
/** The requests that arrived, as "GET /path". */
let requests: string[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'berth-client-'));
  socket = join(folder, 's.sock');
  requests = [];
});

afterEach(async () => {
  server?.closeAllConnections();
  server?.close();
  await rm(folder, { recursive: true });
});

/** An engine that answers by `answer`, once a ping has told its version. */
async function engine(
  version: string | undefined,
  answer: RequestListener = (_request, response) => response.end('{}'),
) {
  server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`);
    if (!request.url?.endsWith('/_ping')) return answer(request, response);
    if (version !== undefined) response.setHeader('API-Version', version);
    return response.end('OK');
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(socket, resolve);
  await promise;
  return new EngineClient({ host: `unix://${socket}` });
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks = await Array.fromAsync(request as AsyncIterable<Buffer>);
  return Buffer.concat(chunks).toString();
}

test.each([
  ['1.56', '/v1.51/info'],
  ['1.51', '/v1.51/info'],
  ['1.41', '/v1.41/info'],
])('speaks to an engine of API %s as %s', async (version, path) => {
  using client = await engine(version);
  await client.system.info();
  await client.system.info();
  expect(requests).toEqual(['GET /_ping', `GET ${path}`, `GET ${path}`]);
});

test('refuses an engine that is too old, by its version', async () => {
  using client = await engine('1.12');
  await expect(client.system.info()).rejects.toThrow(
    /speaks API 1\.12; the oldest that berth speaks is 1\.24/,
  );
});

test('refuses a server that is no engine', async () => {
  using client = await engine(undefined);
  await expect(client.system.info()).rejects.toMatchObject({ kind: 'unavailable' });
});

test.each([
  [400, 'invalid'],
  [401, 'unauthorized'],
  [403, 'denied'],
  [404, 'not-found'],
  [409, 'conflict'],
  [500, 'internal'],
  [501, 'not-implemented'],
  [503, 'unavailable'],
])("turns status %d into the kind %s, with the engine's words", async (status, kind) => {
  using client = await engine('1.51', (_request, response) => {
    response.writeHead(status, { 'Content-Type': 'application/json' }).end('{"message":"so it is"}');
  });
  const failure = await client.containers.inspect('x').catch((error: unknown) => error);
  expect(failure).toMatchObject({ kind, message: 'so it is' });
  expect(refusalOf(failure)).toEqual({ status, request: 'GET /containers/x/json' });
});

test('shows what a proxy answers that speaks no JSON', async () => {
  using client = await engine('1.51', (_request, response) => {
    response.writeHead(502).end('bad gateway');
  });
  await expect(client.system.info()).rejects.toThrow('bad gateway');
});

test('says that nothing listens, and where', async () => {
  await engine('1.51');
  using client = new EngineClient({ host: `unix://${folder}/other.sock` });
  await expect(client.system.info()).rejects.toMatchObject({
    kind: 'unavailable',
    message: `cannot connect to the engine at unix://${folder}/other.sock: nothing listens there`,
  });
});

test('sends names, filters and bodies so that they arrive as meant', async () => {
  let body = '';
  using client = await engine('1.51', async (request, response) => {
    body = await bodyOf(request);
    response.end('{"Id":"1","Warnings":[]}');
  });
  await client.containers.create({ Image: 'x', Cmd: undefined }, { name: 'a b&c' });
  expect(requests.at(-1)).toBe('POST /v1.51/containers/create?name=a+b%26c');
  expect(JSON.parse(body)).toEqual({ Image: 'x' });
  await client.containers.list({ filters: { label: ['a=b', 'c'] } });
  const url = new URL(requests.at(-1)?.split(' ')[1] ?? '', 'http://x');
  expect(JSON.parse(url.searchParams.get('filters') ?? '')).toEqual({ label: { 'a=b': true, c: true } });
});

test('asks for an image by a name with slashes', async () => {
  using client = await engine('1.51');
  await client.images.inspect('host:5000/a/b:tag');
  expect(requests.at(-1)).toBe('GET /v1.51/images/host:5000/a/b:tag/json');
});

test('ends a request when its signal says so', async () => {
  const arrived = Promise.withResolvers<void>();
  using client = await engine('1.51', () => arrived.resolve());
  const stop = new AbortController();
  const asked = client.system.info({ signal: stop.signal });
  await arrived.promise;
  stop.abort();
  await expect(asked).rejects.toMatchObject({ kind: 'cancelled' });
});

test('says so when an answer breaks in its middle, or is no longer wanted there', async () => {
  const stop = new AbortController();
  using client = await engine('1.51', (request, response) => {
    const half = () => (request.url?.endsWith('/info') === true ? response.destroy() : stop.abort());
    response.writeHead(200, { 'Content-Length': 100 }).write('{"half":', half);
  });
  await expect(client.system.info()).rejects.toMatchObject({
    kind: 'unavailable',
    message: expect.stringContaining('closed the connection'),
  });
  const asked = client.containers.list({ signal: stop.signal });
  await expect(asked).rejects.toMatchObject({ kind: 'cancelled' });
});

test('resolves a wait when the engine has it, and its exit when that comes', async () => {
  const exit = Promise.withResolvers<void>();
  using client = await engine('1.51', async (_request, response) => {
    response.flushHeaders();
    await exit.promise;
    response.end('{"StatusCode":3}');
  });
  const pending = await client.containers.wait('x', { condition: 'next-exit' });
  exit.resolve();
  expect(await pending.exit()).toEqual({ StatusCode: 3 });
});

test('takes over a connection in both directions, and closes one of them', async () => {
  using client = await engine('1.51');
  server.on('upgrade', (_request: IncomingMessage, connection: Duplex) => {
    connection.write(
      'HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nearly ',
    );
    let heard = '';
    connection.on('data', (chunk: Buffer) => {
      heard += chunk.toString();
    });
    connection.on('end', () => connection.end(`heard ${heard}`));
  });
  const stream = await client.containers.attach('x', { stdin: true, stdout: true });
  stream.socket.end('typed');
  const said = await Array.fromAsync(stream.body as AsyncIterable<Buffer>);
  expect(Buffer.concat(said).toString()).toBe('early heard typed');
  expect(stream.multiplexed).toBe(false);
});

test('throws when the engine refuses to hand over a connection', async () => {
  using client = await engine('1.51');
  server.on('upgrade', (_request: IncomingMessage, connection: Duplex) => {
    connection.end('HTTP/1.1 409 Conflict\r\nContent-Length: 25\r\n\r\n{"message":"not running"}');
  });
  await expect(client.containers.attach('x', { stdout: true })).rejects.toMatchObject({ kind: 'conflict' });
});

test('names the registry apart from the tag or digest of what is pulled', async () => {
  const digest = `sha256:${'a'.repeat(64)}`;
  using client = await engine('1.51', (_request, response) => response.end('{"status":"done"}\n'));
  for (const name of ['busybox', 'host:5000/a/b:1', `busybox@${digest}`]) {
    await Array.fromAsync(client.images.pull(name));
  }
  expect(requests.slice(1).map((request) => decodeURIComponent(request))).toEqual([
    'POST /v1.51/images/create?fromImage=busybox&tag=latest',
    'POST /v1.51/images/create?fromImage=host:5000/a/b&tag=1',
    `POST /v1.51/images/create?fromImage=busybox&tag=${digest}`,
  ]);
});

test('says that a stream broke before its end', async () => {
  using client = await engine('1.51', (_request, response) => {
    response.write('{"status":"half"}\n', () => response.destroy());
  });
  const messages = client.images.pull('busybox');
  expect((await messages.next()).value).toEqual({ status: 'half' });
  await expect(messages.next()).rejects.toMatchObject({
    kind: 'unavailable',
    message: expect.stringContaining('broke before its end'),
  });
});
