import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  ServerResponse,
} from 'node:http';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { stripVersion } from './versions.ts';

/** Requests after which the connection is the process's; `Upgrade` on any other is ignored, as HTTP allows. */
const TAKES_CONNECTION = /^\/(?:containers\/[^/]+\/attach(?:\/ws)?|exec\/[^/]+\/start)(?:\?|$)/;

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
    if (!(connection instanceof Socket)) {
      connection.destroy();
      return;
    }
    this.#upgraded = [...this.#upgraded.filter(({ destroyed }) => !destroyed), connection];
    connection.on('error', () => connection.destroy());
    if (head.length > 0) connection.unshift(head);
    const response = new ServerResponse(request);
    response.shouldKeepAlive = false; // there is nothing left that would read another request
    response.assignSocket(connection);
    response.once('finish', () => {
      response.detachSocket(connection);
      connection.destroySoon();
    });
    this.#handle(request, response);
  }
}
