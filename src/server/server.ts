import { chmod, unlink } from 'node:fs/promises';
import type { Server as NodeHttpServer, RequestListener } from 'node:http';
import { connect, type Server } from 'node:net';
import fastify, { type FastifyInstance } from 'fastify';
import { conflict, invalid, notFound, systemErrorCode } from '../base/index.ts';
import type { Engine } from '../engine/index.ts';
import { httpError } from './http-errors.ts';
import { HttpServer } from './http-server.ts';
import { buildRoutes } from './routes/build.ts';
import { buildkitRoutes } from './routes/buildkit.ts';
import { checkRoutes } from './routes/check.ts';
import { commitRoutes } from './routes/commit.ts';
import { containerFileRoutes } from './routes/container-files.ts';
import { containerLogRoutes } from './routes/container-logs.ts';
import { containerStreamRoutes } from './routes/container-streams.ts';
import { containerRoutes } from './routes/containers.ts';
import { diskUsageRoutes } from './routes/disk-usage.ts';
import { distributionRoutes } from './routes/distribution.ts';
import { endRoutes } from './routes/ends.ts';
import { eventRoutes } from './routes/events.ts';
import { imageArchiveRoutes } from './routes/image-archives.ts';
import { imageRoutes } from './routes/images.ts';
import { loginRoutes } from './routes/login.ts';
import { machineArchiveRoutes } from './routes/machine-archives.ts';
import { machineGuestRoutes } from './routes/machine-guests.ts';
import { machineSnapshotRoutes } from './routes/machine-snapshots.ts';
import { machineRoutes } from './routes/machines.ts';
import { missingRoutes } from './routes/missing.ts';
import { networkRoutes } from './routes/networks.ts';
import { portRoutes } from './routes/ports.ts';
import { pruneRoutes } from './routes/prune.ts';
import { searchRoutes } from './routes/search.ts';
import { statsRoutes } from './routes/stats.ts';
import { systemRoutes } from './routes/system.ts';
import { volumeRoutes } from './routes/volumes.ts';
import { API_VERSION, checkVersion, stripVersion } from './versions.ts';

/** Where berthd listens. */
export type ListenAddress =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number };

/** Serves the Engine API on each address; disposing closes them and ends open streams. */
export async function serve(engine: Engine, addresses: readonly ListenAddress[]): Promise<AsyncDisposable> {
  const servers: HttpServer[] = [];
  const newServer = (handler: RequestListener) => {
    const made = new HttpServer(handler);
    servers.push(made);
    return made.server;
  };
  const app = createApp(engine, newServer);
  await app.ready();
  for (const _further of addresses.slice(1)) newServer((request, response) => app.routing(request, response));
  await Promise.all(servers.map(({ server }, index) => listen(server, addresses[index])));
  return {
    [Symbol.asyncDispose]: async () => {
      for (const server of servers) server[Symbol.dispose]();
      await app.close();
    },
  };
}

function createApp(
  engine: Engine,
  serverFactory: (handler: RequestListener) => NodeHttpServer,
): FastifyInstance {
  const app = fastify({
    serverFactory,
    exposeHeadRoutes: true,
    bodyLimit: 4 * 1024 * 1024,
    forceCloseConnections: true,
    rewriteUrl: (request) => stripVersion(request.url ?? '/'),
    routerOptions: { maxParamLength: 512 },
  });
  acceptBodies(app);
  app.addHook('onRequest', async (request, reply) => {
    reply.headers({
      'Api-Version': API_VERSION,
      'Docker-Experimental': 'false',
      Ostype: 'linux',
      Server: `berth/${engine.parts.settings.version} (linux)`,
    });
    checkVersion(request.originalUrl);
  });
  // Docker's clients compare the type as a whole: no charset behind it.
  app.addHook('onSend', async (_request, reply) => {
    if (String(reply.getHeader('content-type')).startsWith('application/json')) {
      reply.header('content-type', 'application/json');
    }
  });
  app.setErrorHandler((error, _request, reply) => {
    const { status, body } = httpError(
      isBadBody(error) ? invalid(`invalid request body: ${error.message}`) : error,
    );
    if (status >= 500) engine.parts.log.error({ error: String(error) }, body.message);
    reply.code(status).send(body);
  });
  app.setNotFoundHandler((_request, reply) => {
    const { status, body } = httpError(notFound('page not found'));
    reply.code(status).send(body);
  });
  for (const routes of [
    systemRoutes,
    containerRoutes,
    containerFileRoutes,
    commitRoutes,
    containerStreamRoutes,
    containerLogRoutes,
    portRoutes,
    statsRoutes,
    machineRoutes,
    machineGuestRoutes,
    machineSnapshotRoutes,
    machineArchiveRoutes,
    imageRoutes,
    imageArchiveRoutes,
    buildRoutes,
    buildkitRoutes,
    networkRoutes,
    volumeRoutes,
    checkRoutes,
    endRoutes,
    eventRoutes,
    loginRoutes,
    distributionRoutes,
    searchRoutes,
    pruneRoutes,
    diskUsageRoutes,
    missingRoutes,
  ]) {
    routes(app, engine);
  }
  return app;
}

/** Endpoints whose body is an archive. */
const TAKES_STREAM: ReadonlySet<string> = new Set([
  '/build',
  '/containers/:name/archive',
  '/berth/machines/:name/archive',
  '/images/create',
  '/images/load',
  '/berth/machines/import',
]);

/** JSON bodies may be empty; a build context stays a stream; anything else is ignored, as Docker does. */
function acceptBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, body, done) => {
    if (body === '') return done(null, undefined);
    try {
      done(null, JSON.parse(String(body)));
    } catch (error) {
      done(invalid(`invalid JSON: ${error instanceof Error ? error.message : ''}`));
    }
  });
  app.addContentTypeParser('*', (request, payload, done) => {
    if (TAKES_STREAM.has(request.routeOptions.url ?? '')) return done(null, payload);
    payload.resume();
    done(null, undefined);
  });
}

function isBadBody(error: unknown): error is Error {
  return error instanceof Error && systemErrorCode(error)?.startsWith('FST_ERR_CTP') === true;
}

async function listen(server: Server, address: ListenAddress | undefined): Promise<void> {
  if (address === undefined) return;
  if (address.kind === 'unix') await removeDeadSocket(address.path);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  if (address.kind === 'unix') server.listen(address.path, resolve);
  else server.listen(address.port, address.host, resolve);
  await promise;
  if (address.kind === 'unix') await chmod(address.path, 0o660);
}

/** A socket file that nobody answers on is a leftover; one that answers belongs to another daemon. */
async function removeDeadSocket(path: string): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const probe = connect(path, () => resolve(true));
  probe.once('error', () => resolve(false));
  const alive = await promise;
  probe.destroy();
  if (alive) {
    throw conflict(`another daemon is already listening on ${path}`, {
      hint: 'Stop it, or give this one another --host and --data-root',
    });
  }
  await unlink(path).catch((error: unknown) => {
    if (systemErrorCode(error) !== 'ENOENT') throw error;
  });
}
