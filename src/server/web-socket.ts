import { createHash } from 'node:crypto';
import { Duplex } from 'node:stream';
import type { FastifyRequest } from 'fastify';
import { invalid } from '../base/index.ts';

/** Of RFC 6455, section 1.3. */
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

const CONTINUATION = 0x0;
const TEXT = 0x1;
const BINARY = 0x2;
const CLOSE = 0x8;
const PING = 0x9;
const PONG = 0xa;

const FINAL = 0x80;
const MASKED = 0x80;
const OPCODE = 0x0f;
const LENGTH = 0x7f;

const NORMAL = 1000;
const PROTOCOL_ERROR = 1002;
const TOO_BIG = 1009;

/** A client sends what somebody types or pipes in: longer frames are refused. */
const FRAME_MAX = 16 * 1024 * 1024;

/** The answer that opens a web socket. Throws `invalid` when the request does not ask for one. */
export function webSocketAnswer(request: FastifyRequest): string {
  const { upgrade, 'sec-websocket-key': key, 'sec-websocket-version': version } = request.headers;
  if (upgrade?.toLowerCase() !== 'websocket' || key === undefined || version !== '13') {
    throw invalid('not websocket protocol');
  }
  const accept = createHash('sha1').update(`${key}${GUID}`).digest('base64');
  return (
    'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
    `Sec-WebSocket-Accept: ${accept}\r\n\r\n`
  );
}

/** The server's side of a web socket as a byte stream (RFC 6455): what is written goes out in binary frames. */
export class WebSocketStream extends Duplex {
  readonly #connection: Duplex;
  #pending: Buffer = Buffer.alloc(0);
  #hasClosed = false;

  constructor(connection: Duplex) {
    super();
    this.#connection = connection;
    connection.removeAllListeners('readable');
    connection.on('data', (chunk) => this.#receive(Buffer.from(chunk)));
    connection.once('end', () => this.push(null));
    connection.once('close', () => this.destroy());
    connection.resume();
  }

  override _read(): void {
    this.#connection.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    if (this.#send(BINARY, chunk)) done();
    else this.#connection.once('drain', () => done());
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#close(NORMAL);
    this.#connection.end(() => done());
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#connection.destroy();
    done(error);
  }

  #receive(chunk: Buffer): void {
    this.#pending = Buffer.concat([this.#pending, chunk]);
    for (;;) {
      const frame = decodeFrame(this.#pending);
      if (frame === 'incomplete') return;
      if (typeof frame === 'number') {
        this.#close(frame);
        this.#connection.end();
        return;
      }
      this.#pending = this.#pending.subarray(frame.size);
      this.#take(frame.opcode, frame.payload);
    }
  }

  #take(opcode: number, payload: Buffer): void {
    switch (opcode) {
      case CONTINUATION:
      case TEXT:
      case BINARY:
        if (payload.length > 0 && !this.push(payload)) this.#connection.pause();
        return;
      case PING:
        this.#send(PONG, payload);
        return;
      case CLOSE:
        this.#close(NORMAL);
        this.push(null);
        return;
      default: // a pong that nobody asked for
    }
  }

  #close(code: number): void {
    if (this.#hasClosed) return;
    const reason = Buffer.alloc(2);
    reason.writeUInt16BE(code);
    this.#send(CLOSE, reason);
    this.#hasClosed = true;
  }

  /** Whether the socket takes more at once. After the close frame nothing is sent. */
  #send(opcode: number, payload: Buffer): boolean {
    if (this.#hasClosed || this.#connection.destroyed) return true;
    this.#connection.cork();
    this.#connection.write(encodeHeader(opcode, payload.length));
    const hasRoom = this.#connection.write(payload);
    this.#connection.uncork();
    return hasRoom;
  }
}

function encodeHeader(opcode: number, length: number): Buffer {
  if (length < 126) return Buffer.from([FINAL | opcode, length]);
  if (length < 65_536) {
    const header = Buffer.from([FINAL | opcode, 126, 0, 0]);
    header.writeUInt16BE(length, 2);
    return header;
  }
  const header = Buffer.alloc(10);
  header.writeUInt8(FINAL | opcode, 0);
  header.writeUInt8(127, 1);
  header.writeBigUInt64BE(BigInt(length), 2);
  return header;
}

/** The first frame of what has come, unmasked; or the code of its error. */
export function decodeFrame(
  data: Buffer,
): { opcode: number; payload: Buffer; size: number } | 'incomplete' | number {
  if (data.length < 2) return 'incomplete';
  const second = data.readUInt8(1);
  if ((second & MASKED) === 0) return PROTOCOL_ERROR;
  const short = second & LENGTH;
  const extended = short === 126 ? 2 : short === 127 ? 8 : 0;
  const start = 2 + extended + 4;
  if (data.length < start) return 'incomplete';
  const length =
    extended === 2 ? data.readUInt16BE(2) : extended === 8 ? Number(data.readBigUInt64BE(2)) : short;
  if (length > FRAME_MAX) return TOO_BIG;
  if (data.length < start + length) return 'incomplete';
  const mask = data.subarray(start - 4, start);
  const payload = Buffer.from(data.subarray(start, start + length));
  for (let at = 0; at < length; at += 1) payload[at] = (payload[at] ?? 0) ^ (mask[at & 3] ?? 0);
  return { opcode: data.readUInt8(0) & OPCODE, payload, size: start + length };
}
