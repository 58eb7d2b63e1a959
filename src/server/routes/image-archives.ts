import type { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { invalid, notImplemented, parseReference, type Reference } from '../../base/index.ts';
import type { Engine } from '../../engine/index.ts';
import { parsePlatform } from '../../registry/index.ts';
import { Query } from '../fields.ts';
import { platformOf } from '../platform.ts';
import { answerWithLines, clientSignal, withBody } from '../streams.ts';

/** Images as archives: save, load, and import of a file system. Saving one by name is at `/images/*`, with what else has names in its path. */
export function imageArchiveRoutes(app: FastifyInstance, engine: Engine): void {
  app.get('/images/get', { exposeHeadRoute: false }, async (request, reply) => {
    const names = new Query(request.query).all('names').filter((name) => name !== '');
    return saveImages(engine, names, request, reply);
  });

  app.post('/images/load', async (request, reply) => {
    const query = new Query(request.query);
    const platform = onePlatform(query);
    const isQuiet = query.flag('quiet');
    await withBody(request, (archive) =>
      answerWithLines(reply, async (send) => {
        await engine.images.load(archive, {
          platform,
          signal: clientSignal(request),
          onProgress: (progress) => {
            if (!isQuiet || 'stream' in progress) send(progress);
          },
        });
      }),
    );
  });
}

/** GET /images/get and GET /images/{name}/get: a tar, of which nothing is sent before everything is known to be there. */
export async function saveImages(
  engine: Engine,
  names: readonly string[],
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<Readable> {
  const platform = onePlatform(new Query(request.query));
  const archive = await engine.images.save(names, { platform, signal: clientSignal(request) });
  reply.type('application/x-tar');
  return archive;
}

/** POST /images/create with `fromSrc`: "-" is the body, anything else a URL, of http where it has no scheme. */
export async function importImage(
  engine: Engine,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<void> {
  const query = new Query(request.query);
  const source = query.text('fromSrc');
  const reference = referenceOf(query.text('repo'), query.text('tag'));
  const message = query.text('message') || `Imported from ${source}`;
  const changes = query.all('changes').filter((change) => change !== '');
  const platform = platformOf(query) ?? parsePlatform('');
  const signal = clientSignal(request);
  await withBody(request, (body) =>
    answerWithLines(reply, async (send) => {
      const options = { reference, message, changes, platform, signal, onProgress: send };
      const image = await engine.images.import(source === '-' ? body : urlOf(source), options);
      send({ status: image.id });
    }),
  );
}

function urlOf(source: string): URL {
  const text = /^[a-z][a-z0-9+.-]*:\/\//i.test(source) ? source : `http://${source}`;
  if (URL.canParse(text)) return new URL(text);
  throw invalid(`"${source}" is no URL to import from`);
}

function referenceOf(repository: string, tag: string): Reference | undefined {
  if (repository === '') return undefined;
  const reference = parseReference(tag === '' ? repository : `${repository}:${tag}`);
  if (reference.digest !== undefined) throw invalid('cannot import digest reference');
  return reference;
}

/** The API takes several since 1.52; an image here has one. */
function onePlatform(query: Query) {
  if (query.all('platform').length > 1) throw notImplemented('several platforms at once are not there yet');
  return platformOf(query);
}
