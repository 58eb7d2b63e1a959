import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';

/** An image of one layer, to be pushed. */
export interface NewImage {
  /** `http://HOST:PORT/v2/NAME` */
  readonly repository: string;
  readonly tags: readonly string[];
  /** The layer's tar. */
  readonly layer: Readable;
  /** Makes the image configuration from the layer's diff ID (`sha256:…` of the tar). */
  readonly config: (diffId: string) => object;
}

interface Blob {
  readonly digest: string;
  readonly size: number;
}

const MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json';

/** Compresses and pushes an image (OCI distribution-spec, "Pushing blobs" and "Pushing manifests"). Throws with the registry's own answer. */
export async function pushImage(image: NewImage): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'berth-push-'));
  try {
    const file = join(folder, 'layer.tar.gz');
    const plain = createHash('sha256');
    const compressed = createHash('sha256');
    await pipeline(
      image.layer,
      passing(plain),
      createGzip({ level: 6 }),
      passing(compressed),
      createWriteStream(file),
    );
    const layer: Blob = { digest: `sha256:${compressed.digest('hex')}`, size: (await stat(file)).size };
    await pushBlob(image.repository, layer, createReadStream(file));
    await pushManifests(image, layer, `sha256:${plain.digest('hex')}`);
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function pushManifests(image: NewImage, layer: Blob, diffId: string): Promise<void> {
  const configBytes = encode(image.config(diffId));
  const digest = `sha256:${createHash('sha256').update(configBytes).digest('hex')}`;
  const config: Blob = { digest, size: configBytes.length };
  await pushBlob(image.repository, config, Readable.from([configBytes]));
  const manifest = encode({
    schemaVersion: 2,
    mediaType: MANIFEST,
    config: { mediaType: 'application/vnd.docker.container.image.v1+json', ...config },
    layers: [{ mediaType: 'application/vnd.docker.image.rootfs.diff.tar.gzip', ...layer }],
  });
  for (const tag of image.tags) {
    await send('PUT', `${image.repository}/manifests/${tag}`, manifest, { 'content-type': MANIFEST });
  }
}

/** Uploads a blob in one piece: a POST that names the place, a PUT that fills it. */
async function pushBlob(repository: string, blob: Blob, bytes: Readable): Promise<void> {
  const begun = await send('POST', `${repository}/blobs/uploads/`, null, {});
  const place = new URL(begun.headers.get('location') ?? '', repository);
  place.searchParams.set('digest', blob.digest);
  await send('PUT', place, Readable.toWeb(bytes), {
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

function encode(value: object): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(JSON.stringify(value));
}
