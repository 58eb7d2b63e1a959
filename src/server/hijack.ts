import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';

const SERVER_EVENTS = ['data', 'end', 'close', 'drain', 'error', 'timeout'];

/**
 * Takes the connection over from HTTP for a raw stream in both directions, as Docker's attach and exec do: 101
 * for a client that asked to upgrade, else 200. Nothing of HTTP touches the socket afterwards.
 */
export function hijack(request: FastifyRequest, reply: FastifyReply, contentType: string): Duplex {
  const socket = takeSocket(request, reply);
  const upgrade = request.headers.upgrade !== undefined;
  const status = upgrade ? '101 UPGRADED' : '200 OK';
  const headers = upgrade ? 'Connection: Upgrade\r\nUpgrade: tcp\r\n' : '';
  socket.write(`HTTP/1.1 ${status}\r\nContent-Type: ${contentType}\r\n${headers}\r\n`);
  return socket;
}

/** Takes the connection over from HTTP; the caller answers. */
export function takeSocket(request: FastifyRequest, reply: FastifyReply): Socket {
  const { socket } = request.raw;
  reply.hijack();
  reply.raw.detachSocket(socket);
  for (const event of SERVER_EVENTS) socket.removeAllListeners(event);
  socket.on('error', () => socket.destroy());
  // This takes the socket from the HTTP parser, and keeps what the client sends until somebody reads it.
  socket.on('readable', () => {});
  socket.setTimeout(0);
  return socket;
}

export const RAW_STREAM = 'application/vnd.docker.raw-stream';
export const MULTIPLEXED_STREAM = 'application/vnd.docker.multiplexed-stream';
