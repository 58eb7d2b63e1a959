import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseReference, runChecked } from '../base/index.ts';
import { createRegistryClient } from './client.ts';
import { serveImage, testImage } from './testing/test-registry.ts';

const platform = { os: 'linux', architecture: 'amd64' };

/** A registry with a certificate that nobody has signed, on an address of this machine. */
async function serveSelfSigned(address: string): Promise<AsyncDisposable & { readonly host: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'berth-tls-'));
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const options = [
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-subj',
    '/CN=registry',
    '-addext',
    `subjectAltName=IP:${address}`,
  ];
  await runChecked('openssl', ['req', '-x509', ...options, '-keyout', key, '-out', cert]);
  const image = testImage();
  const server = createServer(
    { key: await readFile(key), cert: await readFile(cert) },
    (request, response) => {
      if (!serveImage(image, request, response)) response.end('{}');
    },
  );
  server.listen(0, address);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    host: `${address}:${port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
      await rm(folder, { recursive: true });
    },
  };
}

const outerAddress = Object.values(networkInterfaces())
  .flatMap((addresses) => addresses ?? [])
  .find(({ family, internal }) => family === 'IPv4' && !internal)?.address;

describe('a registry whose certificate is not trusted', () => {
  test('is used where it is insecure by configuration, as loopback always is', async () => {
    await using server = await serveSelfSigned('127.0.0.1');
    const client = createRegistryClient({ mirrors: [], insecure: [] });
    await client.resolve(parseReference(`${server.host}/app:1`), { platform });
  });

  test.skipIf(outerAddress === undefined)('is refused otherwise, and never asked by plain http', async () => {
    const address = outerAddress ?? '';
    await using server = await serveSelfSigned(address);
    const reference = parseReference(`${server.host}/app:1`);
    const strict = createRegistryClient({ mirrors: [], insecure: [] });
    await expect(strict.resolve(reference, { platform })).rejects.toMatchObject({
      kind: 'unavailable',
      message: expect.stringMatching(/certificate/),
    });
    const lenient = createRegistryClient({ mirrors: [], insecure: [`${address}/32`] });
    await lenient.resolve(reference, { platform });
  });
});
