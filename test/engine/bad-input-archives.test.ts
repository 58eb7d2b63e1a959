import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { digestOf } from '../../src/base/index.ts';
import {
  blob,
  blobsOf,
  describe as descriptorOf,
  type Entry,
  json,
  layout,
  makeImage,
  named,
  tar,
} from '../fixtures/image-archives.ts';
import { type Instance, startInstance } from './instance.ts';

describe('an archive that cannot be loaded is refused in one sentence and leaves nothing:', () => {
  let instance: Instance;
  let folder: string;
  beforeAll(async () => {
    instance = await startInstance();
    folder = await mkdtemp('/tmp/berth-archives-');
    await instance.berthOk(['pull', '-q', 'busybox:latest']);
  });
  afterAll(async () => {
    await instance[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });

  /** The images, and the files of the store. */
  const state = async () => {
    const files = await readdir(instance.dataRoot, { recursive: true });
    const stored = files.filter((path) => /^(blobs|layers|tmp)\//.test(path)).sort();
    return { images: (await instance.api('GET /images/json')).body, stored };
  };

  /** Loads it, and checks that it changed nothing; returns what was said. */
  const refused = async (archive: Buffer, query = '') => {
    const before = await state();
    const { status, body } = await instance.api(`POST /images/load${query}`, archive);
    expect(await state()).toEqual(before);
    expect(status).toBeGreaterThanOrEqual(400);
    expect(status).not.toBe(500);
    return (body as { message: string }).message;
  };
  const archiveOf = (...entries: readonly Entry[]) => tar(entries);
  const NO_IMAGE =
    'the archive holds no image: it has neither index.json nor manifest.json. To make an image of a file system, import it';

  it.each<[string, () => Buffer | Promise<Buffer>, string | RegExp]>([
    ['no archive', () => Buffer.from('x'.repeat(2000)), /^invalid tar archive, at its start: /],
    ['nothing at all', () => Buffer.alloc(0), NO_IMAGE],
    ['an archive of something else', () => archiveOf(['etc/passwd', 'root']), NO_IMAGE],
    ['a compression that is not known', () => Buffer.from('BZh91AY&SY'), /bzip2 or xz are not there yet/],
    [
      'broken compression',
      () => Buffer.concat([gzipSync('x'.repeat(10_000)).subarray(0, 20), Buffer.alloc(100, 1)]),
      /^the archive's compressed data is broken: /,
    ],
    [
      'a list that is no JSON',
      () => archiveOf(['manifest.json', '[{']),
      'manifest.json of the archive is no JSON',
    ],
    [
      'a list of something else',
      () => archiveOf(['manifest.json', '[{"Config":1}]']),
      'manifest.json of the archive does not list images as "docker save" does',
    ],
    [
      'an empty list',
      () => archiveOf(['manifest.json', '[]']),
      'the archive holds no image: its list of images is empty',
    ],
    [
      'an index that is none',
      () => archiveOf(['index.json', '{"schemaVersion":2}']),
      /^index\.json has the media type|^index.json of the archive is no index|^the manifest of index.json/,
    ],
  ])('%s', async (_, make, message) => {
    const said = await refused(await make());
    if (typeof message === 'string') expect(said).toBe(message);
    else expect(said).toMatch(message);
  });

  it('one that breaks off, plain or compressed', async () => {
    const image = await makeImage({
      text: 'x'.repeat(50_000),
      compress: (data) => gzipSync(data, { level: 0 }),
    });
    const whole = await archiveOf(...blobsOf(image), ...layout([image.descriptor]));
    const cut = whole.subarray(0, 30_000);
    const message = `invalid tar archive, entry "${blob(image.layerBlob)[0]}": it is truncated`;
    expect(await refused(cut)).toBe(message);
    const packed = gzipSync(whole, { level: 0 });
    expect(await refused(packed.subarray(0, packed.length - 20))).toBe(
      "the archive's compressed data is broken: unexpected end of file",
    );
    const zstd = zstdCompressSync(whole);
    expect(await refused(zstd.subarray(0, zstd.length - 20))).toMatch(
      /^the archive's compressed data is broken: /,
    );
  });

  it('a blob whose content has another digest, also when the right one is here', async () => {
    const image = await makeImage({ text: 'right' });
    const [path] = blob(image.layerBlob);
    const entries = [blob(image.config), blob(image.manifest), ...layout([image.descriptor])];
    const wrong = Buffer.from('something else');
    const message = `content that should have the digest ${digestOf(image.layerBlob)} has ${digestOf(wrong)}`;
    expect(await refused(await archiveOf([path, wrong], ...entries))).toBe(message);
    await writeFile(`${folder}/right.tar`, await archiveOf(blob(image.layerBlob), ...entries));
    await instance.berthOk(['load', '-q', '-i', `${folder}/right.tar`]);
    expect(await refused(await archiveOf([path, wrong], ...entries))).toBe(message);
  });

  it('a layer whose content has another diff ID than the config says', async () => {
    const other = digestOf('other');
    const image = await makeImage({
      config: (config) => ({ ...config, rootfs: { type: 'layers', diff_ids: [other] } }),
    });
    expect(await refused(await archiveOf(...blobsOf(image), ...layout([image.descriptor])))).toBe(
      `the layer's content has the diff ID ${digestOf(image.layerTar)}, but its image says ${other}`,
    );
  });

  it('entries that lead out of it, by name, symlink or hard link, and what is no file', async () => {
    const image = await makeImage();
    const rest = [...blobsOf(image), ...layout([image.descriptor])];
    const leadsOut = (name: string) => `the archive's entry "${name}" leads out of the archive`;
    expect(await refused(await archiveOf(['../../etc/cron.d/x', 'x'], ...rest))).toBe(
      leadsOut('../../etc/cron.d/x'),
    );
    expect(await refused(await archiveOf(['/etc/passwd', 'x'], ...rest))).toBe(leadsOut('/etc/passwd'));
    for (const link of ['../../../../etc/shadow', '/etc/shadow']) {
      expect(await refused(await archiveOf(['a/layer.tar', { link }], ...rest))).toBe(
        leadsOut('a/layer.tar'),
      );
    }
    const circle = [
      ['a', { link: 'b' }],
      ['b', { link: 'a' }],
    ] as const;
    const list: Entry = ['manifest.json', json([{ Config: 'a', RepoTags: null, Layers: [] }])];
    expect(await refused(await archiveOf(...circle, list))).toBe(
      `the archive's links from "a" lead in a circle`,
    );
  });

  it('a layer, config or manifest that is not in it', async () => {
    const image = await makeImage();
    const { descriptor, config, layerBlob, manifest } = image;
    const name = digestOf(manifest).slice(7, 19);
    const said = async (...parts: Buffer[]) =>
      refused(await archiveOf(...parts.map(blob), ...layout([descriptor])));
    expect(await said(config, layerBlob)).toBe(
      `the archive does not have the manifest ${digestOf(manifest)} of ${name}`,
    );
    expect(await said(layerBlob, manifest)).toBe(
      `the archive does not have the config ${image.id} of ${name}`,
    );
    expect(await said(config, manifest)).toBe(
      `the archive does not have the layer ${digestOf(layerBlob)} of ${name}`,
    );
    const list: Entry = [
      'manifest.json',
      json([{ Config: 'c.json', RepoTags: ['x:1'], Layers: ['a/layer.tar'] }]),
    ];
    expect(await refused(await archiveOf(['c.json', config], list))).toBe(
      'manifest.json lists "a/layer.tar", which the archive does not have',
    );
  });

  it('a config that is none, or that lists other layers than there are', async () => {
    const broken = await makeImage({ config: () => 'no config' });
    expect(
      await refused(await archiveOf(...blobsOf(broken), ...layout([named(broken, 'docker.io/library/x:1')]))),
    ).toBe(
      `docker.io/library/x:1 of the archive is broken: invalid image config: it is no JSON object ("${blob(broken.config)[0]}")`,
    );
    const { config, layerTar } = await makeImage();
    const list: Entry = [
      'manifest.json',
      json([{ Config: 'c.json', RepoTags: ['x:1'], Layers: ['l.tar', 'l.tar'] }]),
    ];
    expect(await refused(await archiveOf(['c.json', config], ['l.tar', layerTar], list))).toBe(
      'x:1 has 2 layers in the archive, but its config lists 1',
    );
  });

  it('what is no container image, or of a format that nobody writes any more', async () => {
    const mediaType = 'application/vnd.cncf.helm.config.v1+json';
    const chart = await makeImage({
      manifest: (it) => ({ ...it, config: descriptorOf(mediaType, Buffer.from('{}')) }),
    });
    expect(
      await refused(
        await archiveOf(...blobsOf(chart), ...layout([named(chart, 'docker.io/library/chart:1')])),
      ),
    ).toContain(`is no container image: its config has the media type "${mediaType}"`);
    const old = await makeImage({ manifest: () => ({ schemaVersion: 1 }) });
    expect(await refused(await archiveOf(...blobsOf(old), ...layout([old.descriptor])))).toContain(
      'schema 1',
    );
  });

  it('a name that is none, and one name for two images', async () => {
    const [one, two] = [await makeImage({ text: 'one' }), await makeImage({ text: 'two' })];
    const list = (name: string): Entry => [
      'manifest.json',
      json([{ Config: 'c.json', RepoTags: [name], Layers: ['l.tar'] }]),
    ];
    const parts: Entry[] = [
      ['c.json', one.config],
      ['l.tar', one.layerTar],
    ];
    expect(await refused(await archiveOf(...parts, list('UPPER:1')))).toMatch(
      /^the archive has an image with an invalid name: .*must be lowercase$/,
    );
    expect(await refused(await archiveOf(...parts, list(`x@${one.id}`)))).toContain(
      'a name with a digest cannot be given',
    );
    const bare = ({ descriptor }: typeof one) => ({ ...descriptor, platform: undefined });
    const entries = [one, two].map((image) => named({ descriptor: bare(image) }, 'docker.io/library/both:1'));
    expect(await refused(await archiveOf(...blobsOf(one, two), ...layout(entries)))).toBe(
      `the archive gives the name docker.io/library/both:1 to two images, ${one.id} and ${two.id}`,
    );
  });

  it('an image for another platform than the one that was asked for', async () => {
    const image = await makeImage({ architecture: 's390x' });
    const archive = await archiveOf(...blobsOf(image), ...layout([named(image, 'docker.io/library/far:1')]));
    expect(await refused(archive, '?platform=linux/ppc64le')).toBe(
      'docker.io/library/far:1 is an image for linux/s390x, not for linux/ppc64le',
    );
  });

  it('one good and one broken image: none of them', async () => {
    const [good, bad] = [
      await makeImage({ text: 'good' }),
      await makeImage({ text: 'bad', config: () => ({}) }),
    ];
    const entries = layout([named(good, 'docker.io/library/good:1'), named(bad, 'docker.io/library/bad:1')]);
    expect(await refused(await archiveOf(...blobsOf(good, bad), ...entries))).toContain(
      'docker.io/library/bad:1 of the archive is broken',
    );
  });

  it('an archive whose sender leaves in the middle', async () => {
    const image = await makeImage({
      text: 'x'.repeat(5_000_000),
      compress: (data) => gzipSync(data, { level: 0 }),
    });
    const archive = await archiveOf(blob(image.layerBlob), ...layout([image.descriptor]));
    for (const path of ['/images/load', '/images/create?fromSrc=-']) {
      const before = await state();
      const sending = request({ socketPath: instance.socketPath, method: 'POST', path });
      sending.on('error', () => {}); // it is we who break it off
      sending.setHeader('Content-Type', 'application/x-tar');
      sending.write(archive.subarray(0, 3_000_000));
      await expect.poll(async () => (await state()).stored.length).toBeGreaterThan(before.stored.length);
      sending.destroy();
      await expect.poll(state).toEqual(before);
    }
  });

  it('a file that is not there, or a folder', async () => {
    const missing = await instance.berth(['load', '-i', `${folder}/absent.tar`]);
    expect(missing).toMatchObject({
      code: 1,
      stderr: `open ${folder}/absent.tar: no such file or directory\n`,
    });
    const directory = await instance.berth(['load', '-i', folder]);
    expect(directory).toMatchObject({ code: 1, stderr: `read ${folder}: is a directory\n` });
  });
});
