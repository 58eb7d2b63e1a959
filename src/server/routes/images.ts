import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type Digest, invalid, notImplemented, parseReference } from '../../base/index.ts';
import { type Engine, LayerShares } from '../../engine/index.ts';
import { type Platform, parsePlatform } from '../../registry/index.ts';
import type { Image } from '../../store/index.ts';
import { Query } from '../fields.ts';
import { parseFilters } from '../filters.ts';
import { deletion, imageHistory, imageInspect, imageSummary } from '../formats/image.ts';
import { IMAGE_FILTERS, selectImages } from '../image-selection.ts';
import { platformOf } from '../platform.ts';
import { parseCredentials } from '../registry-auth.ts';
import { answerWithLines, clientSignal } from '../streams.ts';
import { importImage, saveImages } from './image-archives.ts';

/** Images: list, pull, push, inspect, tag, remove. A name may have slashes, so it is a wildcard in the path. */
export function imageRoutes(app: FastifyInstance, engine: Engine): void {
  const { images, containers } = engine;

  app.get('/images/json', async (request) => {
    const query = new Query(request.query);
    const filters = parseFilters(query, IMAGE_FILTERS);
    const all = await images.list({ hidden: query.flag('all') });
    const selected = await selectImages(all, filters, (text) => images.find(text));
    const shares = query.flag('shared-size') ? new LayerShares(all) : undefined;
    const containersOf = containersByImage();
    const rows = selected.map(async (image) =>
      imageSummary(image, {
        containersOf,
        shared: shares?.sharedSize(image),
        manifests: query.flag('manifests') ? await images.manifests(image, all) : undefined,
      }),
    );
    return Promise.all(rows);
  });

  function containersByImage(): (image: Image) => readonly string[] {
    const users = Map.groupBy(containers.list(), ({ imageId }) => imageId);
    return ({ id }) => (users.get(id) ?? []).map((container) => container.id);
  }

  app.post('/images/create', async (request, reply) => {
    const query = new Query(request.query);
    if (query.text('fromSrc') !== '') return importImage(engine, request, reply);
    if (request.body instanceof Readable) request.body.resume(); // a pull needs none
    const name = withTag(query.text('fromImage'), query.text('tag'));
    const reference = parseReference(name);
    const credentials = parseCredentials(request.headers['x-registry-auth']);
    const options = {
      platform: platformOf(query) ?? parsePlatform(''),
      ...(credentials === undefined ? {} : { credentials }),
      signal: clientSignal(request),
    };
    await answerWithLines(reply, async (send) => {
      if (isTagged(name)) await images.pull(reference, { ...options, onProgress: send });
      else await images.pullAllTags(reference, { ...options, onProgress: send });
    });
  });

  app.get<Wildcard>('/images/*', async (request, reply) => {
    const { name, action } = splitAction(request.params['*'], ['json', 'history', 'get']);
    if (action === 'get') return saveImages(engine, [name], request, reply);
    const query = new Query(request.query);
    const platform = platformOf(query);
    const image = platform === undefined ? await images.find(name) : await images.findFor(name, platform);
    if (action === 'history') return imageHistory(image);
    return imageInspect(image, {
      containersOf: containersByImage(),
      manifests: query.flag('manifests') ? await images.manifests(image, await images.list()) : undefined,
    });
  });

  app.post<Wildcard>('/images/*', async (request, reply) => {
    const { name, action } = splitAction(request.params['*'], ['tag', 'push']);
    if (action === 'push') return push(name, request, reply);
    const query = new Query(request.query);
    await images.tag(name, withTag(query.text('repo'), query.text('tag')));
    reply.code(201);
  });

  async function push(name: string, request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const query = new Query(request.query);
    const platform = parsePushPlatform(query);
    const tag = query.text('tag');
    const tagged = withTag(name, tag);
    const reference = parseReference(tagged);
    const credentials = parseCredentials(request.headers['x-registry-auth']);
    await answerWithLines(reply, async (send) => {
      const options = {
        ...(credentials === undefined ? {} : { credentials }),
        ...(platform === undefined ? {} : { platform }),
        signal: clientSignal(request),
        onProgress: send,
      };
      await (isTagged(tagged) ? images.push(reference, options) : images.pushAllTags(reference, options));
    });
  }

  app.delete<Wildcard>('/images/*', async (request) => {
    const force = new Query(request.query).flag('force');
    const usersOf = (id: Digest) => containers.imageUsers(id);
    const removals = await images.remove(request.params['*'], force, usersOf);
    return removals.map(deletion);
  });
}

interface Wildcard {
  Params: { '*': string };
}

function splitAction(path: string, actions: readonly string[]): { name: string; action: string } {
  const at = path.lastIndexOf('/');
  const action = path.slice(at + 1);
  if (at < 1 || !actions.includes(action)) throw notImplemented(`there is no /images/${path}`);
  return { name: path.slice(0, at), action };
}

function withTag(name: string, tag: string): string {
  if (name === '') throw invalid('the image name is missing');
  if (tag === '') return name;
  return tag.includes(':') ? `${name}@${tag}` : `${name}:${tag}`;
}

/** JSON, unlike that of a pull: `{"os":"linux","architecture":"arm64","variant":"v8"}`. */
function parsePushPlatform(query: Query): Platform | undefined {
  if (query.text('platform') === '') return undefined;
  const fields = query.json('platform');
  const parts = [fields.text('os'), fields.text('architecture'), fields.text('variant')];
  return parsePlatform(parts.filter((part) => part !== '').join('/'));
}

/** Whether a name says which image of its repository is meant; else the API means all of them. */
function isTagged(name: string): boolean {
  return /[:@][^/]*$/.test(name);
}
