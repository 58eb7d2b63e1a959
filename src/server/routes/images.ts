import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import {
  canonicalName,
  familiarName,
  familiarRepository,
  invalid,
  notImplemented,
  parseReference,
} from '../../base/index.ts';
import type { Engine, Removal } from '../../engine/index.ts';
import { parsePlatform } from '../../registry/index.ts';
import type { Image } from '../../store/index.ts';
import { Query } from '../fields.ts';
import { type Filters, parseFilters, passes, passesLabels } from '../filters.ts';
import { familiarTags, imageHistory, imageInspect, imageSummary } from '../formats/image.ts';
import { parseCredentials } from '../registry-auth.ts';
import { answerWithLines, clientSignal } from '../streams.ts';

const FILTERS = ['before', 'dangling', 'label', 'reference', 'since', 'until'];

/** Images: list, pull, push, inspect, tag, remove. A name may have slashes, so it is a wildcard in the path. */
export function imageRoutes(app: FastifyInstance, engine: Engine): void {
  const { images, containers } = engine;

  app.get('/images/json', async (request) => {
    const query = new Query(request.query);
    const filters = parseFilters(query, FILTERS);
    const all = await images.list();
    const used = containers.list();
    return all
      .filter((image) => matches(image, filters, all))
      .map((image) =>
        imageSummary(
          withMatchingNames(image, filters),
          used.filter(({ imageId }) => imageId === image.id).length,
        ),
      );
  });

  app.post('/images/create', async (request, reply) => {
    const query = new Query(request.query);
    if (query.text('fromSrc') !== '') throw notImplemented('importing images is not there yet');
    const name = withTag(query.text('fromImage'), query.text('tag'));
    const reference = parseReference(name);
    const credentials = parseCredentials(request.headers['x-registry-auth']);
    const options = {
      platform: parsePlatform(query.text('platform')),
      ...(credentials === undefined ? {} : { credentials }),
      signal: clientSignal(request),
    };
    await answerWithLines(reply, async (send) => {
      if (isTagged(name)) await images.pull(reference, { ...options, onProgress: send });
      else await images.pullAllTags(reference, { ...options, onProgress: send });
    });
  });

  app.get<Wildcard>('/images/*', async (request) => {
    const { name, action } = splitAction(request.params['*'], ['json', 'history']);
    const image = await images.find(name);
    return action === 'history' ? imageHistory(image) : imageInspect(image);
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
    if (query.text('platform') !== '')
      throw notImplemented('pushing one of several platforms is not there yet');
    const tag = query.text('tag');
    const tagged = withTag(name, tag);
    const reference = parseReference(tagged);
    const credentials = parseCredentials(request.headers['x-registry-auth']);
    await answerWithLines(reply, async (send) => {
      const options = {
        ...(credentials === undefined ? {} : { credentials }),
        signal: clientSignal(request),
        onProgress: send,
      };
      await (isTagged(tagged) ? images.push(reference, options) : images.pushAllTags(reference, options));
    });
  }

  app.delete<Wildcard>('/images/*', async (request) => {
    const force = new Query(request.query).flag('force');
    const removals = await images.remove(request.params['*'], force, containers.list());
    return removals.map(deletion);
  });

  app.post('/images/prune', async (request) => {
    const filters = parseFilters(new Query(request.query), ['dangling', 'label', 'until']);
    const onlyDangling = passes(filters, 'dangling', (value) => value === 'true' || value === '1');
    const used = new Set(containers.list().map(({ imageId }) => imageId));
    const unused = (await images.list()).filter(
      (image) => !used.has(image.id) && (!onlyDangling || image.tags.length === 0),
    );
    const deleted = [];
    for (const { id } of unused) deleted.push(...(await images.remove(id, true, [])));
    return {
      ImagesDeleted: deleted.length === 0 ? null : deleted.map(deletion),
      SpaceReclaimed: unused.reduce((sum, { size }) => sum + size, 0),
    };
  });
}

function deletion(removal: Removal) {
  return 'untagged' in removal ? { Untagged: removal.untagged } : { Deleted: removal.deleted };
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

/** Whether a name says which image of its repository is meant; else the API means all of them. */
function isTagged(name: string): boolean {
  return /[:@][^/]*$/.test(name);
}

function matches(image: Image, filters: Filters, all: readonly Image[]): boolean {
  const created = (text: string) =>
    all.find((other) => familiarTags(other).includes(text) || other.id.includes(text))?.config.created ?? '';
  const own = image.config.created ?? '';
  return (
    passes(filters, 'reference', (pattern) => image.tags.some((tag) => matchesPattern(pattern, tag))) &&
    passes(
      filters,
      'dangling',
      (value) => (image.tags.length === 0) === (value === 'true' || value === '1'),
    ) &&
    passes(filters, 'before', (value) => own < created(value)) &&
    passes(filters, 'since', (value) => own > created(value)) &&
    passesLabels(filters, image.config.config?.Labels ?? {})
  );
}

/** Who asks by reference sees the names that match, as in dockerd, and not the image's other ones. */
function withMatchingNames(image: Image, filters: Filters): Image {
  if (!filters.has('reference')) return image;
  const repository = (name: string) => familiarRepository(parseReference(name));
  const tags = image.tags.filter((tag) =>
    passes(filters, 'reference', (pattern) => matchesPattern(pattern, tag)),
  );
  const repositories = new Set(tags.map(repository));
  const repoDigests = image.repoDigests.filter((name) => repositories.has(repository(name)));
  return { ...image, tags, repoDigests };
}

/** A shell pattern against "name:tag" or, without a colon in it, against the name. */
function matchesPattern(pattern: string, tag: string): boolean {
  const reference = parseReference(tag);
  const expression = new RegExp(
    `^${pattern
      .replace(/[.+^${}()|[\]\\]/g, '\\$&')
      .replaceAll('*', '[^/]*')
      .replaceAll('?', '[^/]')}$`,
  );
  const names = [familiarName(reference), familiarRepository(reference), canonicalName(reference)];
  return names.some((name) => expression.test(name));
}
