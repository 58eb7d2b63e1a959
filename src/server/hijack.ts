import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { UpgradeResponse } from './http-server.ts';

const SERVER_EVENTS = ['data', 'end', 'close', 'drain', 'error', 'timeout'];

/**
 * Takes the connection over from HTTP for a raw stream in both directions, as Docker's attach and exec do: 101
 * for a client that asked to upgrade, else 200. Nothing of HTTP touches the socket afterwards.
 */
export function hijack(request: FastifyRequest, reply: FastifyReply, contentType: string): Duplex {
  const connection = takeConnection(request, reply);
  const upgrade = request.headers.upgrade !== undefined;
  const status = upgrade ? '101 UPGRADED' : '200 OK';
  const headers = upgrade ? 'Connection: Upgrade\r\nUpgrade: tcp\r\n' : '';
  connection.write(`HTTP/1.1 ${status}\r\nContent-Type: ${contentType}\r\n${headers}\r\n`);
  return connection;
}

/** Takes the connection over from HTTP; the caller answers. */
export function takeConnection(request: FastifyRequest, reply: FastifyReply): Duplex {
  reply.hijack();
  const { socket } = request.raw;
  socket.setTimeout(0);
  const connection =
    reply.raw instanceof UpgradeResponse ? reply.raw.giveConnection() : detach(socket, reply);
  connection.on('error', () => connection.destroy());
  // This keeps what the client sends until somebody reads it, and takes a socket from the HTTP parser.
  connection.on('readable', () => {});
  return connection;
}

function detach(socket: Socket, reply: FastifyReply): Socket {
  reply.raw.detachSocket(socket);
  for (const event of SERVER_EVENTS) socket.removeAllListeners(event);
  return socket;
}

export const RAW_STREAM = 'application/vnd.docker.raw-stream';
export const MULTIPLEXED_STREAM = 'application/vnd.docker.multiplexed-stream';
