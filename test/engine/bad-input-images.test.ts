import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { digestOf } from '../../src/base/index.ts';
import { type Instance, startInstance } from './instance.ts';
import { tracesOf } from './traces.ts';

describe('a pull that cannot be done says why in one sentence and leaves nothing', () => {
  let instance: Instance;
  beforeAll(async () => {
    instance = await startInstance();
  });
  afterAll(() => instance[Symbol.asyncDispose]());

  /** Runs it, and checks that it changed nothing. */
  const refused = async (...args: string[]) => {
    const before = await tracesOf(instance);
    const { code, stderr } = await instance.berth(args);
    expect(await tracesOf(instance)).toEqual(before);
    return { code, said: stderr.trim() };
  };

  it('an image that no registry has', async () => {
    const { code, said } = await refused('pull', 'no-such-image-here');
    expect(code).toBe(1);
    expect(said).toMatch(/^Error response from daemon: manifest for no-such-image-here:latest not found/);
  });

  it('a run of it ends with 125', async () => {
    const { code, said } = await refused('run', '--rm', 'no-such-image-here');
    expect(code).toBe(125);
    expect(said).toContain('no-such-image-here:latest not found');
  });

  it('a tag that the image does not have', async () => {
    const { code, said } = await refused('pull', 'busybox:no-such-tag');
    expect(code).toBe(1);
    expect(said).toMatch(/^Error response from daemon: manifest for busybox:no-such-tag not found/);
  });

  it('a name that is none', async () => {
    const { code, said } = await refused('pull', 'BusyBox');
    expect([code, said]).toEqual([1, expect.stringMatching(/^invalid reference format: .*lowercase/)]);
  });

  it('a registry that nothing serves', async () => {
    const closed = createServer().listen(0, '127.0.0.1');
    await once(closed, 'listening');
    const { port } = closed.address() as AddressInfo;
    closed.close();
    const { code, said } = await refused('pull', `127.0.0.1:${port}/some/image`);
    expect([code, said]).toEqual([
      1,
      `Error response from daemon: 127.0.0.1:${port} could not be reached: connection refused`,
    ]);
  });

  it('a blob whose content has another digest: both are named', async () => {
    const layer = Buffer.from('what the manifest names');
    const tampered = Buffer.from('what the server sends..');
    await using registry = await serveImage(layer, tampered);
    const { code, said } = await refused('pull', `${registry.address}/some/image`);
    expect(code).toBe(1);
    expect(said).toContain(digestOf(layer));
  });

  it('a config whose content has another digest: it is named', async () => {
    const layer = Buffer.from('a layer');
    await using registry = await serveImage(layer, layer, (config) => Buffer.from(config).fill('x'));
    const { code, said } = await refused('pull', `${registry.address}/some/image`);
    expect(code).toBe(1);
    expect(said).toContain(registry.config);
  });
});

/** A registry with one image of one layer, for which it sends other bytes than it should. */
async function serveImage(layer: Buffer, sent: Buffer, change = (config: Buffer) => config) {
  const config = Buffer.from(
    JSON.stringify({
      architecture: process.arch === 'x64' ? 'amd64' : process.arch,
      os: 'linux',
      config: {},
      rootfs: { type: 'layers', diff_ids: [digestOf(layer)] },
    }),
  );
  const manifestType = 'application/vnd.oci.image.manifest.v1+json';
  const describe = (mediaType: string, data: Buffer) => ({
    mediaType,
    digest: digestOf(data),
    size: data.length,
  });
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: manifestType,
    config: describe('application/vnd.oci.image.config.v1+json', config),
    layers: [describe('application/vnd.oci.image.layer.v1.tar', layer)],
  });
  const server = createServer((request, response) => {
    const { url = '' } = request;
    if (url.includes('/manifests/')) response.setHeader('Content-Type', manifestType).end(manifest);
    else if (url.endsWith(digestOf(config))) response.end(change(config));
    else if (url.endsWith(digestOf(layer))) response.end(sent);
    else response.end();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    config: digestOf(config),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
