import { createServer, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2';
import type { Duplex } from 'node:stream';
import { Code, ConnectError, createConnectRouter } from '@connectrpc/connect';
import { universalRequestFromNodeRequest, universalResponseToNodeResponse } from '@connectrpc/connect-node';
import type { Builder } from '../builder.ts';
import type { SessionHeaders } from '../session-headers.ts';
import { Builds } from './builds.ts';
import type { CacheParts } from './cache-service.ts';
import { controlService } from './control-service.ts';
import { gatewayService } from './gateway-service.ts';
import { Jobs } from './jobs.ts';
import { MESSAGE_LIMIT, WINDOW } from './limits.ts';
import { Control } from './protocol/control_pb.ts';
import { LLBBridge } from './protocol/gateway_pb.ts';
import { Session, Sessions } from './session.ts';

export interface BuildKitParts extends CacheParts {
  readonly builder: Pick<Builder, 'solve' | 'cachedLayers'>;
  /** Of berth. */
  readonly version: string;
  /** Of this instance. */
  readonly workerId: string;
  /** Hears of what went wrong beside an answer. */
  readonly onError: (error: unknown) => void;
}

/** BuildKit's gRPC protocol on connections that HTTP has given away. */
export class BuildKitFace {
  readonly #parts: BuildKitParts;
  readonly #sessions = new Sessions();
  readonly #builds: Builds;

  constructor(parts: BuildKitParts) {
    this.#parts = parts;
    this.#builds = new Builds(parts.builder, this.#sessions);
  }

  /** Serves builds to a client: it speaks HTTP/2 at once (h2c, prior knowledge). */
  serve(connection: Duplex): void {
    const handlers = this.#handlers();
    const server = createServer({ settings: { initialWindowSize: WINDOW } }, (request, response) => {
      const handle = handlers.get(request.url);
      if (handle === undefined) refuse(request, response);
      else
        handle(universalRequestFromNodeRequest(request, response, undefined, undefined))
          .then((answer) => universalResponseToNodeResponse(answer, response))
          .catch((error: unknown) => {
            if (!request.aborted && !connection.destroyed) this.#parts.onError(error);
          });
    });
    server.on('sessionError', () => connection.destroy());
    connection.once('end', () => connection.destroy()); // HTTP's sockets stay half open
    server.emit('connection', connection);
  }

  /** Takes a session over that a client lends to its builds. */
  attach(headers: SessionHeaders, connection: Duplex): void {
    this.#sessions.add(new Session(headers, connection));
  }

  #handlers() {
    const parts = { ...this.#parts, builds: this.#builds, jobs: new Jobs(), sessions: this.#sessions };
    const router = createConnectRouter({
      connect: false,
      grpcWeb: false,
      readMaxBytes: MESSAGE_LIMIT,
      acceptCompression: [],
    });
    router.service(Control, controlService(parts)).service(LLBBridge, gatewayService(parts));
    return new Map(router.handlers.map((handler) => [handler.requestPath, handler]));
  }
}

/** A call of a service or method that is not here. */
function refuse({ url }: Http2ServerRequest, response: Http2ServerResponse): void {
  const { code, rawMessage } = new ConnectError(`${url.slice(1)} is not there`, Code.Unimplemented);
  response.writeHead(200, {
    'content-type': 'application/grpc',
    'grpc-status': String(code),
    'grpc-message': encodeURIComponent(rawMessage),
  });
  response.end();
}
