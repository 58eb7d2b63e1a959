// push.ts REGISTRY-URL NAME "TAG..." TAR KIND DESCRIPTION HASH: pushes one tar as an image of one layer.
// (OCI distribution-spec, "Pushing blobs" and "Pushing manifests".)
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { imageConfig, isStandIn } from './image.ts';

interface Blob {
  readonly digest: string;
  readonly size: number;
}

const [registry = '', name = '', tags = '', tar = '', kind = '', description = '', hash = ''] =
  process.argv.slice(2);
if (!isStandIn(kind)) throw new Error(`no stand-in is called "${kind}"`);
const repository = `${registry}/v2/library/${name}`;

const compressed = `${tar}.gz`;
const plain = createHash('sha256');
await pipeline(
  createReadStream(tar),
  passing(plain),
  createGzip({ level: 6 }),
  createWriteStream(compressed),
);
const layer: Blob = { digest: await digestOf(compressed), size: (await stat(compressed)).size };
await pushBlob(layer, () => createReadStream(compressed));

const configBytes = encode(imageConfig({ kind, description, hash, diffId: `sha256:${plain.digest('hex')}` }));
const config: Blob = { digest: sha256(configBytes), size: configBytes.length };
await pushBlob(config, () => Readable.from([configBytes]));

const manifestType = 'application/vnd.docker.distribution.manifest.v2+json';
const manifest = encode({
  schemaVersion: 2,
  mediaType: manifestType,
  config: { mediaType: 'application/vnd.docker.container.image.v1+json', ...config },
  layers: [{ mediaType: 'application/vnd.docker.image.rootfs.diff.tar.gzip', ...layer }],
});
for (const tag of tags.split(' ')) {
  await send('PUT', `${repository}/manifests/${tag}`, manifest, { 'content-type': manifestType });
}

/** Uploads a blob in one piece: a POST that names the place, a PUT that fills it. */
async function pushBlob(blob: Blob, open: () => Readable): Promise<void> {
  const begun = await send('POST', `${repository}/blobs/uploads/`, null, {});
  const place = new URL(begun.headers.get('location') ?? '', registry);
  place.searchParams.set('digest', blob.digest);
  await send('PUT', place, Readable.toWeb(open()), {
    'content-type': 'application/octet-stream',
    'content-length': String(blob.size),
  });
}

async function send(
  method: string,
  url: string | URL,
  body: ReturnType<typeof Readable.toWeb> | Uint8Array<ArrayBuffer> | null,
  headers: Record<string, string>,
): Promise<Response> {
  const response = await fetch(url, { method, headers, body, duplex: 'half' });
  if (!response.ok) throw new Error(`${method} ${url}: ${response.status} ${await response.text()}`);
  return response;
}

function passing(digest: ReturnType<typeof createHash>): Transform {
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      digest.update(chunk);
      done(null, chunk);
    },
  });
}

async function digestOf(file: string): Promise<string> {
  const digest = createHash('sha256');
  for await (const chunk of createReadStream(file)) digest.update(chunk);
  return `sha256:${digest.digest('hex')}`;
}

function sha256(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

function encode(value: object): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(JSON.stringify(value));
}
