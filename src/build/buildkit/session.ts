import type { ClientHttp2Stream, ClientSessionRequestOptions, OutgoingHttpHeaders } from 'node:http2';
import type { Duplex } from 'node:stream';
import type { DescService } from '@bufbuild/protobuf';
import { type Client, createClient, type Transport } from '@connectrpc/connect';
import { createGrpcTransport, Http2SessionManager } from '@connectrpc/connect-node';
import { BerthError, unavailable } from '../../base/index.ts';
import type { Credentials } from '../../registry/index.ts';
import type { SessionHeaders } from '../session-headers.ts';
import { AwaitedMap } from './awaited-map.ts';
import { fromGrpc } from './grpc-errors.ts';
import { MESSAGE_LIMIT, WINDOW } from './limits.ts';
import { Auth } from './protocol/filesync_pb.ts';

/** A client's own services, that it has lent to builds: on its connection, it is the server. */
export class Session {
  readonly id: string;
  readonly #methods: ReadonlySet<string>;
  readonly #transport: Transport;
  readonly #gone = new AbortController();

  constructor({ id, methods }: SessionHeaders, connection: Duplex) {
    this.id = id;
    this.#methods = new Set(methods.map((method) => method.toLowerCase()));
    const manager = new SessionConnection(connection);
    this.#transport = createGrpcTransport({
      baseUrl: ORIGIN,
      sessionManager: manager,
      readMaxBytes: MESSAGE_LIMIT,
      acceptCompression: [],
    });
    connection.once('end', () => connection.destroy()); // HTTP's sockets stay half open
    connection.once('close', () =>
      this.#gone.abort(unavailable('the client ended its session in the middle of the build')),
    );
    if (connection.destroyed) this.#gone.abort(unavailable('the client has ended its session'));
  }

  /** Aborted with the reason when the client is gone. */
  get signal(): AbortSignal {
    return this.#gone.signal;
  }

  /** Whether the client serves "/service/method". */
  serves(method: string): boolean {
    return this.#methods.has(method.toLowerCase());
  }

  client<Service extends DescService>(service: Service): Client<Service> {
    return createClient(service, this.#transport);
  }

  /** What the client's user logs in with at a registry; undefined: nothing. */
  async credentials(domain: string, signal: AbortSignal): Promise<Credentials | undefined> {
    if (!this.serves('/moby.filesync.v1.Auth/Credentials')) return undefined;
    const host = domain === 'docker.io' ? 'registry-1.docker.io' : domain;
    try {
      const { username, secret } = await this.client(Auth).credentials({ host }, { signal });
      if (secret === '') return undefined;
      return username === '' ? { identityToken: secret } : { username, password: secret };
    } catch (error) {
      signal.throwIfAborted();
      throw fromGrpc(error, `the client gives no credentials for ${domain}`);
    }
  }
}

const ORIGIN = 'http://session';

/** Headers that may have many values: they are joined by ", " on the way here, so each value comes escaped. */
const LISTS = ['exclude-patterns', 'include-patterns', 'followpaths'];

/** HTTP/2 on the connection that a session has, and on no other: whoever asks after its end is told so. */
class SessionConnection extends Http2SessionManager {
  constructor(connection: Duplex) {
    let isTaken = false;
    super(
      ORIGIN,
      { idleConnectionTimeoutMs: Number.POSITIVE_INFINITY },
      {
        settings: { initialWindowSize: WINDOW },
        createConnection: () => {
          if (isTaken || connection.destroyed)
            throw new BerthError('unavailable', 'the client has ended its session');
          isTaken = true;
          return connection;
        },
      },
    );
  }

  override request(
    method: string,
    path: string,
    headers: OutgoingHttpHeaders,
    options: Omit<ClientSessionRequestOptions, 'signal'>,
  ): Promise<ClientHttp2Stream> {
    const lists = LISTS.flatMap((name) => {
      const joined = headers[name];
      return typeof joined === 'string' ? [[name, joined.split(', ')]] : [];
    });
    return super.request(method, path, { ...headers, ...Object.fromEntries(lists) }, options);
  }
}

/** The sessions that are open, by their ids. */
export class Sessions {
  readonly #open = new AwaitedMap<Session>();

  add(session: Session): void {
    this.#open.set(session.id, session);
    session.signal.addEventListener('abort', () => this.#open.delete(session.id, session), { once: true });
  }

  /** A session, as soon as its client has opened it: builds may be asked for first. Rejects when the signal is aborted. */
  find(id: string, signal: AbortSignal): Promise<Session> {
    return this.#open.wait(id, signal);
  }
}
