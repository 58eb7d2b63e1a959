import { Readable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import type { Engine, FileChange } from '../../engine/index.ts';
import { Query } from '../fields.ts';
import { pathStatHeader } from '../formats/path-stat.ts';
import { clientSignal } from '../streams.ts';

/** A container's files: copied out and in as tar streams. */
export function containerFileRoutes(app: FastifyInstance, engine: Engine): void {
  const { files } = engine.containers;

  app.head<Reference>('/containers/:name/archive', async (request, reply) => {
    const path = new Query(request.query).text('path');
    const facts = await files.stat(request.params.name, path, clientSignal(request));
    reply.header('X-Docker-Container-Path-Stat', pathStatHeader(facts));
  });

  app.get<Reference>('/containers/:name/archive', { exposeHeadRoute: false }, async (request, reply) => {
    const path = new Query(request.query).text('path');
    const { facts, archive } = await files.read(request.params.name, path, clientSignal(request));
    reply.header('X-Docker-Container-Path-Stat', pathStatHeader(facts)).type('application/x-tar');
    return archive;
  });

  app.put<Reference>('/containers/:name/archive', async (request, reply) => {
    const query = new Query(request.query);
    const tar = request.body instanceof Readable ? request.body : Readable.from([]);
    await files.write(request.params.name, query.text('path'), tar, {
      asUser: query.flag('copyUIDGID'),
      signal: clientSignal(request),
    });
    reply.code(200);
  });

  app.get<Reference>('/containers/:name/changes', async (request, reply) => {
    const changes = await files.changes(request.params.name, clientSignal(request));
    const listed = changes.map(({ path, kind }) => ({ Path: path, Kind: CHANGE_KINDS[kind] }));
    reply.type('application/json').send(JSON.stringify(listed.length === 0 ? null : listed));
  });

  app.get<Reference>('/containers/:name/export', { exposeHeadRoute: false }, async (request, reply) => {
    const archive = await files.export(request.params.name, clientSignal(request));
    reply.type('application/octet-stream');
    return archive;
  });
}

/** Engine API, ChangeType. */
const CHANGE_KINDS: Readonly<Record<FileChange['kind'], number>> = { changed: 0, added: 1, deleted: 2 };

interface Reference {
  Params: { name: string };
}
