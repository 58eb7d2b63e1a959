import type { FastifyInstance } from 'fastify';
import { invalid } from '../../base/index.ts';
import type { Engine } from '../../engine/index.ts';
import { registryDomain } from '../registry-auth.ts';
import { clientSignal } from '../streams.ts';

/** POST /auth: asks the registry whether it takes the credentials, and keeps nothing. */
export function loginRoutes(app: FastifyInstance, engine: Engine): void {
  app.post('/auth', async (request) => {
    const { username, password, serveraddress } = parseLogin(request.body);
    const domain = registryDomain(serveraddress);
    await engine.parts.registry.checkLogin(domain, { username, password }, clientSignal(request));
    return { Status: 'Login Succeeded', IdentityToken: '' };
  });
}

function parseLogin(body: unknown) {
  const fields: Record<string, unknown> = typeof body === 'object' && body !== null ? { ...body } : {};
  const field = (name: string) => {
    const value = fields[name] ?? '';
    if (typeof value !== 'string') throw invalid(`"${name}" must be a text`);
    return value;
  };
  return {
    username: field('username'),
    password: field('password'),
    serveraddress: field('serveraddress'),
  };
}
