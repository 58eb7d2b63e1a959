import { request } from 'node:http';
import { connect } from 'node:net';
import type { HijackStep, RequestStep } from './script.ts';

export interface Answer {
  readonly status: number;
  readonly contentType: string;
  readonly body: Buffer;
}

/** Sends one request to a unix socket and reads the whole answer. */
export function send(socketPath: string, step: RequestStep, line: string, body: unknown): Promise<Answer> {
  const [method = 'GET', path = '/'] = line.split(' ');
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const payload = body === undefined ? undefined : Buffer.isBuffer(body) ? body : JSON.stringify(body);
  const type = Buffer.isBuffer(body) ? 'application/x-tar' : 'application/json';
  const headers =
    payload === undefined ? {} : { 'Content-Type': type, 'Content-Length': Buffer.byteLength(payload) };
  const outgoing = request({ socketPath, method, path, headers, agent: false }, async (response) => {
    try {
      const chunks: Buffer[] = [];
      for await (const chunk of response) {
        chunks.push(chunk as Buffer);
        if (step.ends !== undefined && Buffer.concat(chunks).includes(step.ends)) break;
      }
      resolve({
        status: response.statusCode ?? 0,
        contentType: response.headers['content-type'] ?? '',
        body: Buffer.concat(chunks),
      });
    } catch (error) {
      reject(new Error(`${step.name}: the answer broke off`, { cause: error }));
    }
  });
  outgoing.once('error', reject);
  outgoing.end(payload);
  return promise;
}

/** Sends a request whose connection becomes a raw stream, as attach and exec do; reads until the daemon closes it. */
export async function sendHijack(socketPath: string, step: HijackStep, line: string): Promise<Answer> {
  const [method = 'POST', path = '/'] = line.split(' ');
  const payload = step.body === undefined ? '' : JSON.stringify(step.body);
  const headers = [
    `${method} ${path} HTTP/1.1`,
    'Host: localhost',
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(payload)}`,
    ...(step.upgrade === false ? [] : ['Connection: Upgrade', 'Upgrade: tcp']),
  ];
  const socket = connect(socketPath);
  socket.write(`${headers.join('\r\n')}\r\n\r\n${payload}`);
  let received = Buffer.alloc(0);
  let inputSent = false;
  for await (const chunk of socket) {
    received = Buffer.concat([received, chunk as Buffer]);
    if (inputSent || received.indexOf('\r\n\r\n') < 0) continue;
    inputSent = true;
    if (step.input !== undefined) socket.end(step.input);
  }
  const end = received.indexOf('\r\n\r\n');
  const head = received.subarray(0, end).toString();
  return {
    status: Number(/^HTTP\/1\.1 (\d+)/.exec(head)?.[1] ?? 0),
    contentType: /^content-type: (.*)$/im.exec(head)?.[1]?.trim() ?? '',
    body: received.subarray(end + 4),
  };
}
