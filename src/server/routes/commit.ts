import type { FastifyInstance } from 'fastify';
import { invalid, notImplemented, parseReference } from '../../base/index.ts';
import type { Engine } from '../../engine/index.ts';
import { Fields, Query } from '../fields.ts';
import { clientSignal } from '../streams.ts';

/** An image of a container. */
export function commitRoutes(app: FastifyInstance, engine: Engine): void {
  app.post('/commit', async (request, reply) => {
    const query = new Query(request.query);
    const container = query.text('container');
    if (container === '') throw invalid('invalid name or ID supplied: ""');
    refuseConfig(new Fields(request.body));
    const image = await engine.containers.commit(container, {
      reference: referenceOf(query.text('repo'), query.text('tag')),
      author: query.text('author'),
      comment: query.text('comment'),
      changes: query.all('changes').filter((change) => change !== ''),
      pause: query.optional('pause') === undefined || query.flag('pause'),
      signal: clientSignal(request),
    });
    reply.code(201);
    return { Id: image.id };
  });
}

function referenceOf(repository: string, tag: string) {
  if (repository === '') return undefined;
  const reference = parseReference(tag === '' ? repository : `${repository}:${tag}`);
  if (reference.digest !== undefined) throw invalid('cannot set a digest: an image made here has its own');
  return reference;
}

/** The docker CLI sends none: it puts changes into the query. */
function refuseConfig(body: Fields): void {
  const [name] = body.names().filter((member) => body.has(member));
  if (name === undefined) return;
  throw notImplemented(`a config in the body of POST /commit (${name}) is not there yet`, {
    hint: 'Change the config by Dockerfile instructions in the parameter "changes"',
  });
}
