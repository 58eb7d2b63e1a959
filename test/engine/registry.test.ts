import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { type IncomingMessage, request, type ServerResponse } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { digestOf } from '../../src/base/index.ts';
import {
  imageOf,
  layerOf,
  MANIFEST,
  ownArchitecture,
  type ServedRegistry,
  serveImages,
} from '../fixtures/served-images.ts';
import { type Instance, startInstance } from './instance.ts';
import { tracesOf } from './traces.ts';

describe('a registry', () => {
  let instance: Instance;
  let registry: ServedRegistry;
  let shared: Buffer;
  /** How a test wants the blobs below a name to be answered: true, when it has done so itself. */
  type Answer = (incoming: IncomingMessage, response: ServerResponse) => Promise<boolean> | boolean;
  const blobsBelow = new Map<string, Answer>();
  beforeAll(async () => {
    instance = await startInstance({ args: ['--max-concurrent-downloads', '2'] });
    shared = await layerOf('shared', 'one layer of many images');
    registry = await serveImages((incoming, response) => {
      const [, first = ''] = /^\/v2\/(\w+)\/\w+\/blobs\//.exec(incoming.url ?? '') ?? [];
      return blobsBelow.get(first)?.(incoming, response) ?? false;
    });
  });
  afterAll(async () => {
    await instance[Symbol.asyncDispose]();
    await registry[Symbol.asyncDispose]();
  });

  const digestIn = ({ url = '' }: IncomingMessage) => url.split('/').at(-1) ?? '';
  const isLayer = (incoming: IncomingMessage) =>
    registry.blobs.get(digestIn(incoming))?.toString().startsWith('{') === false;
  const asked = (digest: string) => registry.requests.filter((line) => line.endsWith(digest)).length;
  const repoTags = async (name: string) =>
    ((await instance.api(`GET /images/${name}/json`)).body as { RepoTags: string[] }).RepoTags;

  it('gives all tags of a repository to pull -a', async () => {
    const one = imageOf([shared, await layerOf('one', '1')]);
    registry.add('all/tags:1', one);
    registry.add('all/tags:2', imageOf([shared, await layerOf('two', '2')]));
    const output = await instance.berthOk(['pull', '-a', `${registry.host}/all/tags`]);
    expect(output).toMatch(/1: Pulling from all\/tags.*2: Pulling from all\/tags/s);
    expect(output.split('\n').at(-1)).toBe(`${registry.host}/all/tags`);
    expect(await repoTags(`${registry.host}/all/tags:2`)).toEqual([`${registry.host}/all/tags:2`]);
    const tagged = await instance.berth(['pull', '-a', `${registry.host}/all/tags:1`]);
    expect([tagged.code, tagged.stderr.trim()]).toEqual([1, `tag can't be used with --all-tags/-a`]);
    const unknown = await instance.berth(['pull', '-a', `${registry.host}/no/tags`]);
    expect(unknown.stderr).toContain(`${registry.host}/no/tags has no tags`);
    // What came for the first image is not asked for again.
    expect(asked(one.layers[0]?.digest ?? '')).toBe(1);
  });

  it('gives an image by digest, which has no tag then', async () => {
    const image = imageOf([shared], { labels: { by: 'digest' } });
    registry.add('by/digest:1', image);
    const name = `${registry.host}/by/digest@${image.descriptor.digest}`;
    expect(await instance.berthOk(['pull', name])).toContain(`Digest: ${image.descriptor.digest}`);
    expect(await repoTags(name)).toEqual([]);
  });

  it('gives a layer once to two pulls at the same time that need it', async () => {
    const layer = await layerOf('both', Buffer.alloc(300_000, 'both'));
    const images = ['a', 'b'].map((name) => imageOf([layer], { labels: { name } }));
    for (const [index, image] of images.entries()) registry.add(`both/image:${index}`, image);
    const isBothUnderWay = Promise.withResolvers<void>();
    let configs = 0;
    blobsBelow.set('both', async () => {
      configs += 1;
      if (configs === 2) isBothUnderWay.resolve();
      await isBothUnderWay.promise;
      return false;
    });
    const outputs = await Promise.all(
      [0, 1].map((tag) => instance.berthOk(['pull', `${registry.host}/both/image:${tag}`])),
    );
    expect(asked(images[0]?.layers[0]?.digest ?? '')).toBe(1);
    expect(outputs.filter((output) => output.includes('Already exists'))).toHaveLength(1);
    expect(outputs.filter((output) => output.includes('Pull complete'))).toHaveLength(1);
  });

  /** A hundred kilobytes of a blob per connection, which is cut then. */
  const sendInPieces: Answer = (incoming, response) => {
    const blob = registry.blobs.get(digestIn(incoming));
    if (blob === undefined) return false;
    const from = Number(/^bytes=(\d+)-$/.exec(incoming.headers.range ?? '')?.[1] ?? 0);
    const range = { 'Content-Range': `bytes ${from}-${blob.length - 1}/${blob.length}` };
    response.writeHead(from === 0 ? 200 : 206, {
      'Content-Length': blob.length - from,
      ...(from === 0 ? {} : range),
    });
    const to = Math.min(from + 100_000, blob.length);
    response.write(blob.subarray(from, to), () => (to < blob.length ? response.destroy() : response.end()));
    return true;
  };

  it('gives a layer to a second pull when the first one, which was getting it, is given up', async () => {
    const layer = await layerOf('left', Buffer.alloc(999_000, 'left'));
    const layerDigest = digestOf(layer);
    for (const name of ['first', 'second']) {
      registry.add(`left/image:${name}`, imageOf([layer], { labels: { name } }));
    }
    const [isAsked, isSecondUnderWay] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    blobsBelow.set('left', (incoming, response) => {
      if (!isLayer(incoming)) {
        if (asked(layerDigest) > 0) isSecondUnderWay.resolve();
        return false;
      }
      if (asked(layerDigest) > 1) return false;
      response.writeHead(200, { 'Content-Length': layer.length }).write(layer.subarray(0, 1000));
      isAsked.resolve();
      return true; // and never gives the rest
    });
    const { socketPath } = instance;
    const path = `/images/create?fromImage=${registry.host}/left/image&tag=first`;
    const first = request({ socketPath, path, method: 'POST' }).on('error', () => {});
    first.end();
    await isAsked.promise;
    const second = instance.berthOk(['pull', `${registry.host}/left/image:second`]);
    await isSecondUnderWay.promise;
    first.destroy();
    expect(await second).toContain('Pull complete');
    expect((await instance.api(`GET /images/${registry.host}/left/image:first/json`)).status).toBe(404);
  });

  it('is asked for no more layers at a time than the daemon may', async () => {
    const layers = await Promise.all([...'abcde'].map((name) => layerOf(name, name)));
    registry.add('five/layers:1', imageOf(layers));
    const areTwoPending = Promise.withResolvers<void>();
    let pending = 0;
    let most = 0;
    blobsBelow.set('five', async (incoming, response) => {
      if (!isLayer(incoming)) return false;
      pending += 1;
      most = Math.max(most, pending);
      if (pending === 2) areTwoPending.resolve();
      await areTwoPending.promise;
      response.once('finish', () => {
        pending -= 1;
      });
      return false;
    });
    await instance.berthOk(['pull', `${registry.host}/five/layers:1`]);
    expect(most).toBe(2);
  });

  it('that cuts connections again and again gives an image all the same', async () => {
    const content = randomBytes(1_000_000);
    const image = imageOf([await layerOf('content', content)]);
    registry.add('cut/image:1', image);
    blobsBelow.set('cut', sendInPieces);
    await instance.berthOk(['pull', `${registry.host}/cut/image:1`]);
    expect(asked(image.layers[0]?.digest ?? '')).toBeGreaterThanOrEqual(10);
    await instance.berthOk(['create', '--name', 'cut', `${registry.host}/cut/image:1`, 'true']);
    const target = await mkdtemp('/tmp/berth-cut-');
    await instance.berthOk(['cp', 'cut:/content', target]);
    expect((await readFile(`${target}/content`)).equals(content)).toBe(true);
    await rm(target, { recursive: true });
    await instance.berthOk(['rm', 'cut']);
  });

  it('has images of one name for several platforms, of which a container takes the one that is asked for, or that for the host', async () => {
    const foreign = ownArchitecture === 'arm64' ? 'amd64' : 'arm64';
    const own = imageOf([shared]);
    const other = imageOf([shared], { architecture: foreign });
    registry.addIndex('many/machines:1', { [ownArchitecture]: own, [foreign]: other });
    const name = `${registry.host}/many/machines:1`;
    const create = (query: string) =>
      instance.api(`POST /containers/create${query}`, { Image: name, Cmd: ['x'] });
    const idOf = (image: typeof own) => JSON.parse(image.manifest.toString()).config.digest;
    const imageIn = async ({ body }: Awaited<ReturnType<typeof create>>) =>
      ((await instance.api(`GET /containers/${(body as { Id: string }).Id}/json`)).body as { Image: string })
        .Image;
    await instance.berthOk(['pull', '-q', '--platform', `linux/${foreign}`, name]);
    const alone = await create('');
    expect(await imageIn(alone)).toBe(idOf(other));
    expect(JSON.stringify(alone.body)).toContain(
      `platform (linux/${foreign}) does not match the detected host`,
    );
    expect(await create(`?platform=linux/${ownArchitecture}`)).toMatchObject({
      status: 404,
      body: {
        message: expect.stringContaining(
          `image with reference ${name} was found but does not provide the specified platform (linux/${ownArchitecture})`,
        ),
      },
    });
    await instance.berthOk(['pull', '-q', '--platform', `linux/${ownArchitecture}`, name]);
    expect(await imageIn(await create(''))).toBe(idOf(own));
    expect(await imageIn(await create(`?platform=linux/${foreign}`))).toBe(idOf(other));
    const seen = await instance.api(`GET /images/${name}/json?platform=linux/${foreign}`);
    expect(seen.body).toMatchObject({ Id: idOf(other), Architecture: foreign });
  });

  it('gives the platform that is asked for, and names those there are', async () => {
    const arm = imageOf([await layerOf('arm', 'arm')], { architecture: 'arm64' });
    const s390x = imageOf([await layerOf('s390x', 's390x')], { architecture: 's390x' });
    registry.addIndex('many/platforms:1', { arm64: arm, s390x });
    const name = `${registry.host}/many/platforms:1`;
    await instance.berthOk(['pull', '--platform', 'linux/aarch64', name]);
    const { body } = await instance.api(`GET /images/${name}/json`);
    expect(body).toMatchObject({ Architecture: 'arm64', Os: 'linux' });
    const ppc = await instance.berth(['pull', '--platform', 'ppc64le', name]);
    expect(ppc.stderr).toContain(
      `no matching manifest for linux/ppc64le in the manifest list entries of ${name}`,
    );
    expect(ppc.stderr).toContain('It is offered for linux/arm64, linux/s390x');
    const none = await instance.berth(['pull', '--platform', 'toaster', name]);
    expect(none.stderr).toContain('invalid platform "toaster": unknown operating system or architecture');
  });

  it('is looked at without a pull', async () => {
    const own = imageOf([shared], { labels: { looked: 'at' } });
    const arm = imageOf([shared], { architecture: 'arm64' });
    registry.add('look/single:1', own);
    const index = registry.addIndex('look/index:1', { [ownArchitecture]: own, arm64: arm });
    const look = (name: string) => instance.api(`GET /distribution/${registry.host}/look/${name}/json`);
    expect(await look('single:1')).toEqual({
      status: 200,
      body: { Descriptor: own.descriptor, Platforms: [{ architecture: ownArchitecture, os: 'linux' }] },
    });
    expect(await look('index:1')).toEqual({
      status: 200,
      body: {
        Descriptor: index,
        Platforms: [
          { architecture: ownArchitecture, os: 'linux' },
          { architecture: 'arm64', os: 'linux' },
        ],
      },
    });
    expect(await look('single:none')).toMatchObject({ status: 404 });
    expect((await instance.api(`GET /images/${registry.host}/look/index:1/json`)).status).toBe(404);
  });

  describe('that has something else than an image', () => {
    let before: unknown;
    beforeAll(async () => {
      before = await tracesOf(instance);
    });
    const refused = async (...args: string[]) => {
      const { code, stderr } = await instance.berth(['pull', ...args]);
      expect(code).toBe(1);
      return stderr.trim();
    };
    const serve = (name: string, mediaType: string, value: object) =>
      registry.manifests.set(name, { mediaType, bytes: Buffer.from(JSON.stringify(value)) });

    it('is quoted: schema 1, a media type that is none, a layer of another kind', async () => {
      serve('bad/one:1', 'application/vnd.docker.distribution.manifest.v1+prettyjws', { schemaVersion: 1 });
      expect(await refused(`${registry.host}/bad/one:1`)).toContain(
        'is an image of the old format "schema 1"',
      );
      serve('bad/type:1', 'application/x-chart', { schemaVersion: 2 });
      expect(await refused(`${registry.host}/bad/type:1`)).toContain(
        'has the media type "application/x-chart", which is no image',
      );
      const image = imageOf([shared]);
      const manifest = JSON.parse(image.manifest.toString());
      manifest.layers[0].mediaType = 'application/x-disk';
      serve('bad/layer:1', MANIFEST, manifest);
      expect(await refused(`${registry.host}/bad/layer:1`)).toContain(
        'has a layer of the media type "application/x-disk", which is not supported',
      );
    });

    it('is quoted: a config that lists other layers than the manifest', async () => {
      const image = imageOf([shared]);
      const manifest = JSON.parse(image.manifest.toString());
      registry.add('bad/layers:0', image);
      serve('bad/layers:1', MANIFEST, { ...manifest, layers: [] });
      expect(await refused(`${registry.host}/bad/layers:1`)).toContain(
        'has 0 layers by its manifest, but 1 by its config',
      );
    });

    it('is quoted: an image for another platform, a layer of another size', async () => {
      registry.add('bad/platform:1', imageOf([shared], { architecture: 's390x' }));
      expect(await refused(`${registry.host}/bad/platform:1`)).toContain(
        `is an image for linux/s390x, not for linux/${ownArchitecture}`,
      );
      const layer = await layerOf('short', Buffer.alloc(20_000, 'short'));
      const image = imageOf([layer]);
      registry.add('bad/size:1', image);
      registry.blobs.set(image.layers[0]?.digest ?? '', layer.subarray(0, 10_000));
      const said = await refused(`${registry.host}/bad/size:1`);
      expect(said).toContain(
        `blob ${image.layers[0]?.digest} has 10000 bytes instead of the ${layer.length} its manifest says`,
      );
    });

    it('leaves nothing of it', async () => {
      expect(await tracesOf(instance)).toEqual(before);
    });
  });
});
