import type { FastifyInstance } from 'fastify';
import { invalid } from '../../base/index.ts';
import { sessionHeaders } from '../../build/index.ts';
import type { Engine } from '../../engine/index.ts';
import { takeConnection } from '../hijack.ts';

/** POST /grpc and POST /session: connections become BuildKit's, who speaks HTTP/2 on them. */
export function buildkitRoutes(app: FastifyInstance, engine: Engine): void {
  app.post('/grpc', async (request, reply) => {
    checkUpgrade(request.headers.upgrade);
    const connection = takeConnection(request, reply);
    connection.write(SWITCHING);
    await engine.buildkit.serve(connection);
  });
  app.post('/session', async (request, reply) => {
    checkUpgrade(request.headers.upgrade);
    const headers = sessionHeaders((name) => request.headers[name]?.toString());
    const connection = takeConnection(request, reply);
    connection.write(SWITCHING);
    await engine.buildkit.attach(headers, connection);
  });
}

const SWITCHING = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n';

function checkUpgrade(upgrade: string | undefined): void {
  if (upgrade?.toLowerCase() === 'h2c') return;
  throw invalid('this endpoint is for HTTP/2 on the same connection', {
    hint: 'Send the header Upgrade: h2c',
  });
}
