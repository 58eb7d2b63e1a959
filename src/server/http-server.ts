import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  ServerResponse,
} from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { stripVersion } from './versions.ts';

/** Requests after which the connection is the process's; `Upgrade` on any other is ignored, as HTTP allows. */
const TAKES_CONNECTION = /^\/(?:containers\/[^/]+\/attach(?:\/ws)?|exec\/[^/]+\/start|grpc|session)(?:\?|$)/;

/**
 * An HTTP server whose requests to upgrade go to the same handler as all others. What a client has sent behind such a
 * request, without waiting for the answer, is on its connection for whoever takes that over.
 */
export class HttpServer implements Disposable {
  readonly server: Server;
  readonly #handle: RequestListener;
  /** Connections that HTTP has let go of; some may have ended. */
  #upgraded: Socket[] = [];

  constructor(handle: RequestListener) {
    this.#handle = handle;
    const shouldUpgradeCallback = ({ url = '' }: IncomingMessage) => TAKES_CONNECTION.test(stripVersion(url));
    this.server = createServer({ shouldUpgradeCallback, keepAliveTimeout: 60_000 }, handle);
    this.server.requestTimeout = 0; // a build context may take its time
    this.server.on('upgrade', (request, connection, head) => this.#upgrade(request, connection, head));
  }

  /** Takes no more connections, and ends all that are open. */
  [Symbol.dispose](): void {
    this.server.close();
    this.server.closeAllConnections();
    for (const socket of this.#upgraded) socket.destroy();
  }

  #upgrade(request: IncomingMessage, connection: Duplex, head: Buffer): void {
    const { socket } = request;
    this.#upgraded = [...this.#upgraded.filter(({ destroyed }) => !destroyed), socket];
    connection.on('error', () => connection.destroy());
    if (head.length > 0) connection.unshift(head);
    this.#handle(request, new UpgradeResponse(request, connection));
  }
}

/** The answer to a request to upgrade, which ends the connection, or gives it away. */
export class UpgradeResponse extends ServerResponse {
  /** The socket, or where the body was still to come a stream that begins behind it. */
  readonly #connection: Duplex;

  constructor(request: IncomingMessage, connection: Duplex) {
    super(request);
    this.#connection = connection;
    this.shouldKeepAlive = false; // there is nothing left that would read another request
    this.assignSocket(request.socket);
    this.once('finish', () => {
      this.detachSocket(request.socket);
      request.socket.destroySoon();
    });
  }

  /** Nothing of HTTP touches the connection afterwards. */
  giveConnection(): Duplex {
    this.detachSocket(this.req.socket);
    return this.#connection;
  }
}
