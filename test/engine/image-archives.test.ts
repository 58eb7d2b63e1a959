import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { type IncomingMessage, request } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { digestOf, run, runChecked } from '../../src/base/index.ts';
import {
  blob,
  blobsOf,
  describe as descriptorOf,
  type Entry,
  INDEX,
  json,
  layout,
  makeImage,
  named,
  tar,
} from '../fixtures/image-archives.ts';
import { type Instance, startInstance } from './instance.ts';

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

let files = 0;
/** Writes an archive into a file of its own; returns its path. */
async function archiveFile(content: Buffer): Promise<string> {
  files += 1;
  const path = `${folder}/${files}.tar`;
  await writeFile(path, content);
  return path;
}

const archiveOf = async (...entries: readonly Entry[]) => archiveFile(await tar(entries));
const load = (path: string, ...options: string[]) => instance.berth(['load', '-i', path, ...options]);
const loadOk = (path: string, ...options: string[]) => instance.berthOk(['load', '-i', path, ...options]);
const listing = async (path: string) =>
  (await runChecked('tar', ['-tf', path])).stdout.toString().split('\n').filter(Boolean);
const member = async (path: string, name: string) =>
  JSON.parse((await runChecked('tar', ['-xOf', path, name])).stdout.toString());
const inspect = async (name: string) =>
  (await instance.api(`GET /images/${name}/json`)).body as { Id: string; RepoTags: string[] };
const tags = async () =>
  (await instance.berthOk(['images', '--format', '{{.Repository}}:{{.Tag}}'])).split('\n').sort();
/** Removes all names and images but busybox. */
const clean = async () => {
  const rows = await instance.berthOk([
    'images',
    '--no-trunc',
    '--format',
    '{{.Repository}}:{{.Tag}} {{.ID}}',
  ]);
  const others = rows
    .split('\n')
    .map((row) => row.split(' '))
    .filter(([name]) => name !== 'busybox:latest');
  const targets = others.map(([name = '', id = '']) => (name.startsWith('<none>') ? id : name));
  if (targets.length > 0) await instance.berthOk(['rmi', '-f', ...targets]);
};

describe('images are saved', () => {
  afterEach(clean);

  it('as an OCI image layout with manifest.json beside it, and are the same images elsewhere', async () => {
    const context = `${folder}/context`;
    await mkdir(context);
    await writeFile(
      `${context}/Dockerfile`,
      'FROM busybox\nCOPY Dockerfile /copied\nRUN rm /bin/wget\nCMD ["cat", "/copied"]\n',
    );
    await instance.berthOk(['build', '-q', '-t', 'built:1', context]);
    await instance.berthOk(['tag', 'built:1', 'built:2']);
    const path = `${folder}/saved.tar`;
    expect(await instance.berthOk(['save', '-o', path, 'built:1', 'busybox', 'built:2'])).toBe('');
    const names = await listing(path);
    expect(names.filter((name) => !/^blobs\/sha256\/[0-9a-f]{64}$/.test(name))).toEqual([
      'blobs/',
      'blobs/sha256/',
      'index.json',
      'manifest.json',
      'oci-layout',
    ]);
    const built = await inspect('built:1');
    expect(await member(path, 'manifest.json')).toMatchObject([
      { Config: `blobs/sha256/${built.Id.slice(7)}`, RepoTags: ['built:1', 'built:2'] },
      { RepoTags: ['busybox:latest'] },
    ]);
    const index = await member(path, 'index.json');
    expect(index.manifests.map((it: { annotations: object }) => it.annotations)).toEqual([
      { 'io.containerd.image.name': 'docker.io/library/built:1', 'org.opencontainers.image.ref.name': '1' },
      { 'io.containerd.image.name': 'docker.io/library/built:2', 'org.opencontainers.image.ref.name': '2' },
      {
        'io.containerd.image.name': 'docker.io/library/busybox:latest',
        'org.opencontainers.image.ref.name': 'latest',
      },
    ]);

    await using other = await startInstance();
    expect(await other.berthOk(['load', '-i', path])).toBe(
      'Loaded image: built:1\nLoaded image: built:2\nLoaded image: busybox:latest',
    );
    expect((await other.api('GET /images/built:2/json')).body).toMatchObject({ Id: built.Id });
    expect(await other.berthOk(['run', '--rm', 'built:2'])).toContain('FROM busybox');
    expect((await other.berth(['run', '--rm', 'built:1', 'ls', '/bin/wget'])).code).not.toBe(0);
    await other.berthOk(['save', '-o', `${folder}/again.tar`, 'built:1', 'busybox', 'built:2']);
    expect(await readFile(`${folder}/again.tar`)).toEqual(await readFile(path));
  });

  it('by id without a name, and by the name of a repository with all its tags', async () => {
    const { Id } = await inspect('busybox:latest');
    const path = `${folder}/by-id.tar`;
    await instance.berthOk(['image', 'save', '-o', path, Id.slice(7, 19)]);
    expect(await member(path, 'manifest.json')).toMatchObject([{ RepoTags: null }]);
    expect((await member(path, 'index.json')).manifests[0]).not.toHaveProperty('annotations');
    for (const tag of ['b', 'a']) await instance.berthOk(['tag', 'busybox', `several/tags:${tag}`]);
    await instance.berthOk(['save', '-o', path, 'several/tags']);
    expect(await member(path, 'manifest.json')).toMatchObject([
      { RepoTags: ['several/tags:a', 'several/tags:b'] },
    ]);
  });

  it('to standard output', async () => {
    const path = `${folder}/to-file.tar`;
    await instance.berthOk(['save', '-o', path, 'busybox']);
    const { stdout } = await run(`${import.meta.dirname}/../../bin/berth`, ['save', 'busybox'], {
      env: { ...process.env, DOCKER_HOST: `unix://${instance.socketPath}` },
    });
    expect(stdout.equals(await readFile(path))).toBe(true);
  });

  it('whole, also when they are removed meanwhile', async () => {
    const text = randomBytes(5_000_000).toString('base64');
    const image = await makeImage({ text });
    const content = await tar([...blobsOf(image), ...layout([named(image, 'docker.io/library/leaving:1')])]);
    await loadOk(await archiveFile(content));
    const asking = request({ socketPath: instance.socketPath, path: '/images/leaving:1/get' }).end();
    const [response] = (await once(asking, 'response')) as [IncomingMessage];
    await instance.berthOk(['rmi', 'leaving:1']);
    const path = await archiveFile(await buffer(response));
    expect(await listing(path)).toContain(blob(image.layerBlob)[0]);
    const stored = () => readdir(`${instance.dataRoot}/blobs/sha256`);
    await expect.poll(stored).not.toContain(digestOf(image.layerBlob).slice(7));
    expect(await loadOk(path)).toBe('Loaded image: leaving:1');
  });

  it('unless there is none of that name, platform or folder to write to', async () => {
    const path = `${folder}/none.tar`;
    const said = async (...args: string[]) =>
      (await instance.berth(['save', '-o', path, ...args])).stderr.trim();
    expect(await said('busybox', 'nothing:1')).toBe('Error response from daemon: No such image: nothing:1');
    expect(await said('UPPER')).toContain('repository name (library/UPPER) must be lowercase');
    expect(await said('--platform', 'linux/s390x', 'busybox')).toBe(
      'Error response from daemon: no suitable export target found: image with reference busybox was found but does not provide ' +
        `the specified platform (linux/s390x). It is an image for linux/${process.arch === 'x64' ? 'amd64' : process.arch}`,
    );
    expect(await said('--platform', 'a/b/c/d', 'busybox')).toContain('invalid platform "a/b/c/d"');
    expect((await instance.berth(['save', '-o', `${folder}/no/such`, 'busybox'])).stderr).toContain(
      'invalid output path',
    );
    await expect(stat(path)).rejects.toMatchObject({ code: 'ENOENT' });
  });
});

describe('an archive is loaded', () => {
  afterEach(clean);

  it('from Docker before 25: folders with a layer.tar, symlinks between them, packed by GNU tar', async () => {
    const [one, two] = [await makeImage({ text: 'one' }), await makeImage({ text: 'two' })];
    const shared = {
      ...JSON.parse(two.config.toString()),
      rootfs: { type: 'layers', diff_ids: [digestOf(one.layerTar), digestOf(two.layerTar)] },
    };
    const root = `${folder}/legacy`;
    for (const name of ['aa', 'bb', 'cc']) {
      await mkdir(`${root}/${name}`, { recursive: true });
      await writeFile(`${root}/${name}/VERSION`, '1.0');
      await writeFile(`${root}/${name}/json`, '{}');
    }
    await writeFile(`${root}/aa/layer.tar`, one.layerTar);
    await writeFile(`${root}/cc/layer.tar`, two.layerTar);
    await runChecked('ln', ['-s', '../aa/layer.tar', `${root}/bb/layer.tar`]);
    await writeFile(`${root}/one.json`, one.config);
    await writeFile(`${root}/two.json`, json(shared));
    await writeFile(
      `${root}/manifest.json`,
      json([
        { Config: 'one.json', RepoTags: ['legacy:one'], Layers: ['aa/layer.tar'] },
        {
          Config: 'two.json',
          RepoTags: ['legacy:two', 'host.example:5000/legacy:2'],
          Layers: ['bb/layer.tar', 'cc/layer.tar'],
        },
      ]),
    );
    await writeFile(`${root}/repositories`, '{}');
    await runChecked('tar', ['-cf', `${folder}/legacy.tar`, '-C', root, '.']);
    expect(await loadOk(`${folder}/legacy.tar`)).toBe(
      'Loaded image: legacy:one\nLoaded image: legacy:two\nLoaded image: host.example:5000/legacy:2',
    );
    expect((await inspect('legacy:one')).Id).toBe(one.id);
    expect((await inspect('legacy:two')).Id).toBe(digestOf(json(shared)));
    await instance.berthOk(['create', '--name', 'look', 'legacy:two']);
    expect(await instance.berthOk(['cp', 'look:/file', '-'])).toContain('two');
    await instance.berthOk(['rm', 'look']);
    // The uncompressed layers are kept as they came, and go out as such.
    await instance.berthOk(['save', '-o', `${folder}/out.tar`, 'legacy:one']);
    expect(await listing(`${folder}/out.tar`)).toContain(`blobs/sha256/${digestOf(one.layerTar).slice(7)}`);
  });

  it.each([
    ['gzip', '+gzip', gzipSync],
    ['zstd', '+zstd', zstdCompressSync],
    ['no', '', (data: Buffer) => data],
  ])(
    'from an OCI tool: a layout without manifest.json, with layers of %s compression',
    async (_, suffix, compress) => {
      const mediaType = `application/vnd.oci.image.layer.v1.tar${suffix}`;
      const image = await makeImage({ text: `layer${suffix}`, compress, mediaType });
      const annotations = { 'org.opencontainers.image.ref.name': 'oci:1' };
      const path = await archiveOf(...layout([{ ...image.descriptor, annotations }]), ...blobsOf(image));
      expect(await loadOk(path)).toBe('Loaded image: oci:1');
      expect((await inspect('oci:1')).Id).toBe(image.id);
      await instance.berthOk(['save', '-o', `${folder}/out.tar`, 'oci:1']);
      expect((await member(`${folder}/out.tar`, 'index.json')).manifests).toMatchObject([
        { digest: digestOf(image.manifest) },
      ]);
    },
  );

  it('without a name when it gives none, or only a tag', async () => {
    const image = await makeImage();
    expect(await loadOk(await archiveOf(...blobsOf(image), ...layout([image.descriptor])))).toBe(
      `Loaded image ID: ${image.id}`,
    );
    const annotations = { 'org.opencontainers.image.ref.name': 'latest' };
    const path = await archiveOf(...blobsOf(image), ...layout([{ ...image.descriptor, annotations }]));
    expect(await loadOk(path)).toBe(`Loaded image ID: ${image.id}`);
    expect(await tags()).toEqual(['<none>:<none>', 'busybox:latest']);
  });

  it('compressed by gzip or zstd, from a file or standard input', async () => {
    const image = await makeImage();
    const plain = await tar([...blobsOf(image), ...layout([named(image, 'docker.io/library/packed:1')])]);
    for (const packed of [gzipSync(plain), zstdCompressSync(plain)]) {
      expect(await loadOk(await archiveFile(packed))).toBe('Loaded image: packed:1');
      await instance.berthOk(['rmi', 'packed:1']);
      const { code, stdout } = await instance.berth(['load'], { input: packed });
      expect([code, stdout]).toEqual([0, 'Loaded image: packed:1\n']);
    }
  });

  it('with the image of this host, or of the platform that is asked for', async () => {
    const own = await makeImage({ text: 'own' });
    const foreign = await makeImage({ text: 'foreign', architecture: 's390x' });
    const index = json({
      schemaVersion: 2,
      mediaType: INDEX,
      manifests: [foreign.descriptor, own.descriptor],
    });
    const nested = [
      ...blobsOf(own, foreign),
      blob(index),
      ...layout([named({ descriptor: descriptorOf(INDEX, index) }, 'docker.io/library/multi:1')]),
    ];
    const flat = [
      ...blobsOf(own, foreign),
      ...layout([named(foreign, 'docker.io/library/multi:1'), named(own, 'docker.io/library/multi:1')]),
    ];
    for (const entries of [nested, flat]) {
      const path = await archiveOf(...entries);
      await loadOk(path);
      expect((await inspect('multi:1')).Id).toBe(own.id);
      await loadOk(path, '--platform', 'linux/s390x');
      expect((await inspect('multi:1')).Id).toBe(foreign.id);
      const { code, stderr } = await load(path, '--platform', 'linux/riscv64');
      expect([code, stderr]).toEqual([1, expect.stringContaining('no matching manifest for linux/riscv64')]);
    }
    // dockerd saves of an index what it has of it.
    const partial = await archiveOf(...blobsOf(foreign), blob(index), ...nested.slice(-2));
    await loadOk(partial);
    expect((await inspect('multi:1')).Id).toBe(foreign.id);
    const { stderr } = await load(
      partial,
      '--platform',
      `linux/${process.arch === 'x64' ? 'amd64' : process.arch}`,
    );
    expect(stderr).toContain(
      `the archive does not have the manifest ${digestOf(own.manifest)} of docker.io/library/multi:1`,
    );
  });

  it('and what is here is not unpacked again; a name moves to the image that came last', async () => {
    const path = `${folder}/known.tar`;
    await instance.berthOk(['save', '-o', path, 'busybox']);
    const layers = `${instance.dataRoot}/layers`;
    const state = async () =>
      Promise.all(
        (await readdir(layers)).sort().map(async (name) => [name, (await stat(`${layers}/${name}`)).ino]),
      );
    const before = await state();
    await loadOk(path);
    expect(await state()).toEqual(before);

    const [first, second] = [await makeImage({ text: 'first' }), await makeImage({ text: 'second' })];
    for (const image of [first, second]) {
      await loadOk(
        await archiveOf(...blobsOf(image), ...layout([named(image, 'docker.io/library/moving:1')])),
      );
      expect((await inspect('moving:1')).Id).toBe(image.id);
    }
    expect((await inspect(first.id)).RepoTags).toEqual([]);
  });

  it('and a large layer is unpacked while the archive still comes', async () => {
    const image = await makeImage({
      text: 'early'.repeat(400_000),
      compress: (data) => gzipSync(data, { level: 0 }),
    });
    const entries = [blob(image.layerBlob), blob(image.config), blob(image.manifest)];
    const content = await tar([...entries, ...layout([named(image, 'docker.io/library/early:1')])]);
    const layers = () => readdir(`${instance.dataRoot}/layers`);
    const before = (await layers()).length;
    const sending = request({
      socketPath: instance.socketPath,
      method: 'POST',
      path: '/images/load?quiet=1',
    });
    const answered = once(sending, 'response');
    const cut = 512 + image.layerBlob.length + 1024; // within the next entry
    sending.write(content.subarray(0, cut));
    await expect.poll(async () => (await layers()).length).toBe(before + 1);
    sending.end(content.subarray(cut));
    const [response] = (await answered) as [IncomingMessage];
    expect((await buffer(response)).toString()).toContain('Loaded image: early:1');
    expect((await inspect('early:1')).Id).toBe(image.id);
  });

  it('with progress as JSON lines, unless it is to be quiet, and told as an event', async () => {
    const image = await makeImage({
      text: 'x'.repeat(2_000_000),
      compress: (data) => gzipSync(data, { level: 0 }),
    });
    const content = await tar([...blobsOf(image), ...layout([named(image, 'docker.io/library/large:1')])]);
    const lines = async (query: string) => {
      const { body } = await instance.api(`POST /images/load${query}`, content);
      return Array.isArray(body) ? body : [body];
    };
    const since = Date.now() / 1000;
    const [result, ...progress] = (await lines('')).reverse();
    expect(result).toEqual({ stream: 'Loaded image: large:1\n' });
    const total = image.layerBlob.length;
    const id = digestOf(image.layerBlob).slice(7, 19);
    for (const status of ['Receiving', 'Loading layer']) {
      expect(progress).toContainEqual({ status, id, progressDetail: { current: expect.any(Number), total } });
    }
    await instance.berthOk(['save', '-o', `${folder}/large.tar`, 'large:1']);
    const events = await instance.berthOk([
      ...['events', '--since', String(since), '--until', String(Date.now() / 1000)],
      ...['--filter', 'type=image', '--format', '{{.Action}} {{.Actor.ID}}'],
    ]);
    expect(events.split('\n')).toEqual([`load ${image.id}`, `save ${image.id}`]);
    await instance.berthOk(['rmi', 'large:1']);
    expect(await lines('?quiet=1')).toEqual([result]);
  });
});
