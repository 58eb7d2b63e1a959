import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { digestOf } from '../../src/base/index.ts';
import { startGuardedRegistry } from '../fixtures/guarded-registry.ts';
import {
  blob,
  blobsOf,
  describe as descriptorOf,
  INDEX,
  json,
  layout,
  makeImage,
  named,
  tar,
} from '../fixtures/image-archives.ts';
import { startRegistry, type TestRegistry } from '../fixtures/registry.ts';
import { imageOf, layerOf, ownArchitecture, serveImages } from '../fixtures/served-images.ts';
import { type Instance, startInstance } from './instance.ts';

/** Everything that a layer can say about its parent: deletions, replaced folders, links, modes, owners. */
const DOCKERFILE = `FROM busybox:latest
RUN mkdir -p /data/old /data/kept && echo one > /data/old/file && echo two > /data/kept/file && ln /data/kept/file /data/link
RUN rm -r /data/old && mkdir /data/old && echo new > /data/old/new && rm /bin/wget && ln -s kept /data/symlink && chmod 4751 /data/kept/file && chown 70000:7 /data/link && dd if=/dev/urandom of=/data/large bs=1M count=3
COPY Dockerfile /copied
CMD ["cat", "/copied"]
`;

describe('images are pushed', () => {
  let instance: Instance;
  let registry: TestRegistry;
  let host: string;
  let folder: string;
  beforeAll(async () => {
    registry = await startRegistry('empty');
    host = new URL(registry.url).host;
    instance = await startInstance();
    folder = await mkdtemp('/tmp/berth-push-');
    await writeFile(`${folder}/Dockerfile`, DOCKERFILE);
    await instance.berthOk(['pull', '-q', 'busybox:latest']);
  });
  afterAll(async () => {
    await instance[Symbol.asyncDispose]();
    await registry[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });

  const inspect = async (name: string, on = instance) =>
    (await on.api(`GET /images/${name}/json`)).body as { Id: string; RepoDigests: string[] };
  const digestIn = (output: string) => /sha256:[0-9a-f]{64}/.exec(output)?.[0];

  it('and a pulled one keeps its digest', async () => {
    const before = await inspect('busybox:latest');
    await instance.berthOk(['tag', 'busybox:latest', `${host}/first:1`]);
    const output = await instance.berthOk(['push', `${host}/first:1`]);
    expect(output).toContain(`The push refers to repository [${host}/first]`);
    expect(output).toMatch(/: Pushed/);
    expect(before.RepoDigests).toContainEqual(expect.stringContaining(digestIn(output) ?? 'none'));
    await instance.berthOk(['rmi', `${host}/first:1`]);
    const pulled = await instance.berthOk(['pull', `${host}/first:1`]);
    expect(digestIn(pulled)).toBe(digestIn(output));
    expect((await inspect(`${host}/first:1`)).Id).toBe(before.Id);
  });

  it('and what the registry has, also in another repository, is not sent again', async () => {
    expect(await instance.berthOk(['push', `${host}/first:1`])).toContain('Layer already exists');
    await instance.berthOk(['tag', 'busybox:latest', `${host}/second`]);
    const output = await instance.berthOk(['push', `${host}/second`]);
    expect(output).toContain('Using default tag: latest');
    expect(output).toContain('Mounted from first');
  });

  it('and one that was built here is the same image elsewhere', async () => {
    await instance.berthOk(['build', '-q', '-t', `${host}/built:1`, folder]);
    await instance.berthOk(['tag', `${host}/built:1`, `${host}/built:2`]);
    const output = await instance.berthOk(['push', '-a', `${host}/built`]);
    expect(output).toContain('1: digest:');
    expect(output).toContain('2: digest:');
    await using other = await startInstance();
    const pulled = await other.berthOk(['pull', `${host}/built:1`]);
    expect(digestIn(pulled)).toBe(digestIn(output));
    expect((await inspect(`${host}/built:1`, other)).Id).toBe((await inspect(`${host}/built:1`)).Id);
    expect(await other.berthOk(['run', '--rm', `${host}/built:1`])).toBe(DOCKERFILE.trim());
    const listing = ['run', '--rm', `${host}/built:1`, 'sh', '-c', 'ls -lnR /data; sha256sum /data/large'];
    expect(await other.berthOk(listing)).toBe(await instance.berthOk(listing));
  });

  it('and one that is built on a pulled image that was removed since', async () => {
    await instance.berthOk(['build', '-q', '-t', `${host}/heir:1`, folder]);
    await instance.berthOk(['rmi', 'busybox:latest', `${host}/first:1`, `${host}/second`]);
    expect(await instance.berthOk(['push', `${host}/heir:1`])).toContain('1: digest:');
    await instance.berthOk(['pull', '-q', 'busybox:latest']);
  });

  it('as a whole index, where its images are here or at the registry, else alone, which is said', async () => {
    await using source = await serveImages();
    const own = imageOf([await layerOf('own', 'own')]);
    const arm = imageOf([await layerOf('arm', 'arm')], { architecture: 'arm' });
    const index = source.addIndex('multi/app:1', { [ownArchitecture]: own, arm });
    const [from, to] = [`${source.host}/multi/app:1`, `${host}/multi:1`];
    const stored = async (name: string) =>
      ((await instance.api(`GET /distribution/${name}/json`)).body as { Descriptor: object }).Descriptor;

    await instance.berthOk(['pull', from]);
    await instance.berthOk(['tag', from, to]);
    const alone = await instance.berthOk(['push', to]);
    expect(alone).toContain(`${index.digest} -> ${own.descriptor.digest}`);
    expect(await stored(to)).toEqual(own.descriptor);

    // The other image comes, and the first one is at the registry already.
    await instance.berthOk(['pull', '--platform', 'linux/arm', from]);
    await instance.berthOk(['tag', from, to]);
    const whole = await instance.berthOk(['push', to]);
    expect(digestIn(whole)).toBe(index.digest);
    expect(await stored(to)).toEqual(index);
    await using other = await startInstance();
    await other.berthOk(['pull', '-q', '--platform', 'linux/arm', to]);
    expect((await inspect(to, other)).RepoDigests).toEqual([`${host}/multi@${index.digest}`]);

    const one = `${host}/one:1`;
    await instance.berthOk(['tag', from, one]);
    await instance.berthOk(['push', '--platform', `linux/${ownArchitecture}`, one]);
    expect(await stored(one)).toEqual(own.descriptor);
    const none = await instance.berth(['push', '--platform', 'linux/s390x', one]);
    expect(none.stderr).toContain('does not provide the specified platform (linux/s390x)');
  });

  it('and what came from an archive as it came, compressed where it was not', async () => {
    const image = await makeImage({ text: 'archived' });
    const index = json({ schemaVersion: 2, mediaType: INDEX, manifests: [image.descriptor] });
    const [loaded, imported] = [`${host}/loaded:1`, `${host}/imported:1`];
    const entry = named({ descriptor: descriptorOf(INDEX, index) }, loaded);
    await writeFile(`${folder}/archive.tar`, await tar([...blobsOf(image), blob(index), ...layout([entry])]));
    await instance.berthOk(['load', '-i', `${folder}/archive.tar`]);
    expect(digestIn(await instance.berthOk(['push', loaded]))).toBe(digestOf(index));

    const root = await tar([['file', 'imported']]);
    await instance.berth(['import', '-', imported], { input: root });
    const stored = () => readdir(`${instance.dataRoot}/blobs/sha256`);
    expect(await stored()).toContain(digestOf(root).slice(7));
    expect(await instance.berthOk(['push', imported])).toContain('Compressing');
    await expect.poll(stored).not.toContain(digestOf(root).slice(7));
    const answer = await fetch(`${registry.url}/v2/imported/manifests/1`, {
      headers: { accept: 'application/vnd.oci.image.manifest.v1+json' },
    });
    expect(await answer.json()).toMatchObject({
      layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip' }],
    });
    await instance.berthOk(['rmi', imported]);
    await instance.berthOk(['pull', imported]);
    await instance.berthOk(['create', '--name', 'look', imported, 'x']);
    expect(await instance.berthOk(['cp', 'look:/file', '-'])).toContain('imported');
    await instance.berthOk(['rm', 'look']);
  });

  it('with the password of the login, which is kept only when the registry takes it', async () => {
    await using guarded = await startGuardedRegistry('alice', 'secret');
    const name = `${guarded.host}/private:1`;
    const env = { DOCKER_CONFIG: `${folder}/docker` };
    const login = (password: string) =>
      instance.berth(['login', '-u', 'alice', '--password-stdin', guarded.host], { env, input: password });
    await instance.berthOk(['tag', 'busybox:latest', name]);

    const anonymous = await instance.berth(['push', name], { env });
    expect(anonymous).toMatchObject({ code: 1 });
    expect(anonymous.stderr).toContain(`push access denied for ${guarded.host}/private`);
    const wrong = await login('wrong');
    expect(wrong).toMatchObject({ code: 1, stdout: '' });
    expect(wrong.stderr).toContain(`${guarded.host}: unauthorized: authentication required`);
    await expect(stat(`${folder}/docker/config.json`)).rejects.toMatchObject({ code: 'ENOENT' });

    expect(await login('secret\n')).toMatchObject({ code: 0, stdout: 'Login Succeeded\n' });
    expect((await stat(`${folder}/docker/config.json`)).mode & 0o777).toBe(0o600);
    expect(await instance.berthOk(['push', name], { env })).toContain('1: digest:');
    await instance.berthOk(['rmi', name]);
    await instance.berthOk(['pull', name], { env });
    await writeFile(`${folder}/Private`, `FROM ${name}\n`);
    await instance.berthOk(['build', '--pull', '-f', `${folder}/Private`, folder], { env });

    const out = await instance.berthOk(['logout', guarded.host], { env });
    expect(out).toBe(`Removing login credentials for ${guarded.host}`);
    expect(JSON.parse(await readFile(`${folder}/docker/config.json`, 'utf8'))).toEqual({ auths: {} });
    expect((await instance.berth(['pull', name], { env })).code).toBe(1);
  });

  it('and a registry that refuses is quoted', async () => {
    const server = createServer((request, response) => {
      request.resume();
      if (request.url === '/v2/') return response.end('{}');
      if (request.method === 'HEAD') return response.writeHead(404).end();
      response.writeHead(403, { 'Content-Type': 'application/json' });
      return response.end(JSON.stringify({ errors: [{ code: 'DENIED', message: 'quota is used up' }] }));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    try {
      const name = `127.0.0.1:${(server.address() as AddressInfo).port}/x:1`;
      await instance.berthOk(['tag', 'busybox:latest', name]);
      const { code, stderr } = await instance.berth(['push', name]);
      expect(code).toBe(1);
      expect(stderr).toContain('denied: quota is used up');
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });

  it('and an unknown tag, or a registry that is not there, is named', async () => {
    const unknown = await instance.berth(['push', `${host}/nothing:1`]);
    expect(unknown.code).toBe(1);
    expect(unknown.stderr).toContain(`tag does not exist: ${host}/nothing:1`);
    await instance.berthOk(['tag', 'busybox:latest', '127.0.0.1:9/x:1']);
    const unreachable = await instance.berth(['push', '127.0.0.1:9/x:1']);
    expect(unreachable.code).toBe(1);
    expect(unreachable.stderr).toContain('127.0.0.1:9 could not be reached: connection refused');
  });
});
