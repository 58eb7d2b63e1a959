import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { access, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { request } from 'undici';
import { describe, expect, test } from 'vitest';
import { parseReference } from '../base/index.ts';
import { createRegistryClient } from './client.ts';
import { MANIFEST, testImage } from './testing/test-registry.ts';

const PROGRAM = '/usr/bin/docker-registry';
const isInstalled = await access(PROGRAM).then(
  () => true,
  () => false,
);

/** Debian's docker-registry with an empty store, on a port that the kernel chose. */
async function startRegistry(): Promise<AsyncDisposable & { readonly host: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'berth-registry-'));
  const config = {
    version: '0.1',
    storage: { filesystem: { rootdirectory: folder } },
    http: { addr: '127.0.0.1:0' },
  };
  await writeFile(join(folder, 'config.yml'), JSON.stringify(config));
  const child = spawn(PROGRAM, ['serve', join(folder, 'config.yml')], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const exit = once(child, 'exit');
  const stop = async () => {
    child.kill();
    await exit;
    await rm(folder, { recursive: true });
  };
  for await (const line of createInterface({ input: child.stderr })) {
    const [, host] = /listening on (127\.0\.0\.1:[0-9]+)/.exec(line) ?? [];
    if (host !== undefined) {
      child.stderr.resume();
      return { host, [Symbol.asyncDispose]: stop };
    }
  }
  await stop();
  throw new Error('docker-registry did not start');
}

describe(`Debian's docker-registry${isInstalled ? '' : ' (skipped: it is not installed)'}`, () => {
  test.skipIf(!isInstalled)(
    'serves an image, as registry and as a mirror of docker.io',
    async () => {
      await using registry = await startRegistry();
      const image = testImage(randomBytes(3_000_000));
      for (const [digest, blob] of image.blobs) {
        const start = await request(`http://${registry.host}/v2/library/app/blobs/uploads/`, {
          method: 'POST',
        });
        await start.body.dump();
        const headers = { 'content-type': 'application/octet-stream' };
        const target = `${start.headers.location}&digest=${digest}`;
        expect((await request(target, { method: 'PUT', headers, body: blob })).statusCode).toBe(201);
      }
      const target = `http://${registry.host}/v2/library/app/manifests/1`;
      const headers = { 'content-type': MANIFEST };
      expect((await request(target, { method: 'PUT', headers, body: image.manifest })).statusCode).toBe(201);

      const client = createRegistryClient({ mirrors: [`http://${registry.host}`], insecure: [] });
      const platform = { os: 'linux', architecture: 'amd64' };
      for (const name of [`${registry.host}/library/app:1`, 'app:1']) {
        const reference = parseReference(name);
        const resolved = await client.resolve(reference, { platform });
        expect(resolved.digest).toBe(image.digest);
        const hash = createHash('sha256');
        for await (const chunk of await client.fetchBlob(reference, image.layer, {})) hash.update(chunk);
        expect(`sha256:${hash.digest('hex')}`).toBe(image.layer.digest);
      }
      const unknown = parseReference(`${registry.host}/library/app:2`);
      await expect(client.resolve(unknown, { platform })).rejects.toMatchObject({
        kind: 'not-found',
        message: `manifest for ${registry.host}/library/app:2 not found: manifest unknown`,
      });
    },
    30_000,
  );
});
